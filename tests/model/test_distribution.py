"""Two workers, or two replicas in one, train as one worker does on the whole batch."""

import json
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.errors import InputError
from meishi.training import distribution
from tests.model.test_training import COMMON, ROOT, SSD, TWO_RUNS, UNET

# Additions come in another order. The second step's loss already hangs on the first's gradients;
# after it Adam turns what is left of a gradient that should be 0 into whole steps.
STEPS, LOSS_TOLERANCE, LAST_LOSS_TOLERANCE = 2, 1e-5, 0.05
HEADER = """
from meishi.training import distribution
loop.HISTORY_STEPS = 1
"""
REPORT = """
if distribution.is_chief():
    print([[row["step"], row["loss"]] for row in history])
"""
TWO_CPUS = """
from meishi.keras import tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
"""
each_network = pytest.mark.parametrize(
    ("network", "side"), [(UNET, 32), (SSD, 64), (TWO_RUNS, 32)], ids=["unet", "ssd", "runs"]
)
# Makes the file of weights that a network begins with: between these two lines of its body.
BEGINS = {
    SSD: ("weights = ", "np.savez(weights, **backbone_arrays(build_trainer(ssd)))"),
    TWO_RUNS: ("begun = ", 'pack({"unet": begun}, weights, weights)'),
}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(folder, network, side, strategy, cluster=None, before="", **changes):
    """Start one worker, which trains for 12 steps a run, slowly."""
    slowly = {"epochs": 2, "learning_rate": 0.0002 if network == SSD else 0.001}
    changes = slowly | {"strategy": strategy} | changes
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop(distribution.CLUSTER, None)
    if cluster:
        environment[distribution.CLUSTER] = json.dumps(cluster)
    body = HEADER + network
    # No op may come before the cluster: the backbone's weights are those of the run on one worker.
    if strategy != "auto" and network in BEGINS:
        start_of, end_of = BEGINS[network]
        first, rest = body.split(start_of)[0], body.split(end_of)[-1]
        body = f"{first}\nweights = Path({str(folder.with_name('one.npz'))!r})\n{rest}"
    arguments = [str(folder), str(side), json.dumps(changes)]
    command = [sys.executable, "-c", before + COMMON + body + REPORT, *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def start_cluster(folder, network, side, **changes):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    return [
        start(
            folder,
            network,
            side,
            "multi_worker",
            {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}},
            **changes,
        )
        for index in range(2)
    ]


def ended(processes):
    outs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), outs
    assert all(not out for out, _ in outs[1:])
    return json.loads(outs[0][0])


def assert_alike(history, other_history):
    assert [step for step, _ in history] == [step for step, _ in other_history]
    ours, theirs = ([loss for _, loss in rows] for rows in (history, other_history))
    np.testing.assert_allclose(ours[:STEPS], theirs[:STEPS], rtol=LOSS_TOLERANCE)
    np.testing.assert_allclose(ours, theirs, rtol=LAST_LOSS_TOLERANCE)


@each_network
def test_two_workers_and_two_replicas_give_the_loss_curve_of_one(tmp_path, network, side):
    one = ended([start(tmp_path / "one", network, side, "auto")])
    two = ended(start_cluster(tmp_path / "two", network, side))
    assert_alike(one, two)
    both = ended([start(tmp_path / "both", network, side, "mirrored", before=TWO_CPUS)])
    assert_alike(one, both)


def described(kind="worker", index=0, **jobs):
    return json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})


@pytest.mark.parametrize(
    ("cluster", "strategy", "words"),
    [
        (None, "multi_worker", "TF_CONFIG names no second worker"),
        ("{", "auto", "TF_CONFIG: not a cluster"),
        ('{"cluster": {}}', "auto", "TF_CONFIG: not a cluster"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', "auto", "TF_CONFIG: not a cluster"),
        ("[]", "auto", "TF_CONFIG: not a cluster"),
        ("[" * 100_000, "auto", "TF_CONFIG: not a cluster"),
        (described(worker=5), "auto", "TF_CONFIG: not a cluster"),
        (described(worker=None), "auto", "TF_CONFIG: not a cluster"),
        (described(worker="a:1"), "auto", "worker 0 of 'a:1'"),
        (described(worker=["a:1", "b:1"], index=2), "auto", r"worker 2 of \['a:1', 'b:1'\]"),
        (described(worker=["a:1", "b:1"], index=-1), "auto", "worker -1 of"),
        (described(worker=["a:1"], chief=["c:1"]), "auto", "jobs worker, chief, .*workers alone"),
        (described(worker=["a:1", "b:1"], kind="chief"), "auto", "this is of type 'chief'"),
    ],
)
def test_a_cluster_that_is_none_is_refused(monkeypatch, cluster, strategy, words):
    monkeypatch.delenv(distribution.CLUSTER, raising=False)
    if cluster:
        monkeypatch.setenv(distribution.CLUSTER, cluster)
    with pytest.raises(InputError, match=words):
        distribution.choose(strategy, 4)


def test_all_runs_of_a_worker_share_one_cluster(monkeypatch):
    class Cluster:
        num_replicas_in_sync = 2

    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv(distribution.CLUSTER, json.dumps(cluster))
    monkeypatch.setattr(distribution.tf.distribute, "MultiWorkerMirroredStrategy", Cluster)
    distribution._of_cluster.cache_clear()
    try:
        assert distribution.choose("auto", 4) is distribution.choose("multi_worker", 4)
    finally:
        distribution._of_cluster.cache_clear()


def test_a_batch_that_two_replicas_cannot_share_is_refused(tmp_path):
    process = start(tmp_path / "odd", UNET, 32, "mirrored", before=TWO_CPUS, batch=3)
    _, problem = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "expected a multiple of the 2 replicas, got 3" in problem


@pytest.mark.parametrize(("index", "chief"), [(0, True), (1, False), ("0", True), ("1", False)])
def test_worker_0_is_the_one_that_writes(monkeypatch, index, chief):
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": index}}
    monkeypatch.setenv(distribution.CLUSTER, json.dumps(cluster))
    assert distribution.is_chief() is chief


@given(steps=st.integers(1, 5), pipelines=st.integers(1, 4), each=st.integers(1, 4))
def test_the_workers_parts_make_up_every_batch(steps, pipelines, each):
    batch = pipelines * each
    order = np.random.default_rng(steps).permutation(steps * batch)
    parts = [distribution.part(order, batch, pipelines, number) for number in range(pipelines)]
    joined = np.concatenate([part.reshape(steps, each) for part in parts], axis=1)
    np.testing.assert_array_equal(joined.ravel(), order)


def test_a_killed_cluster_resumes_to_the_same_loss_curve(tmp_path):
    often = {"checkpoint_steps": 5}
    undisturbed = ended(start_cluster(tmp_path / "whole", UNET, 32, **often))
    processes = start_cluster(tmp_path / "killed", UNET, 32, **often)
    while not list((tmp_path / "killed").glob("*/run-0/checkpoint")):
        assert processes[0].poll() is None, processes[0].communicate()
        time.sleep(0.02)
    for process in processes:
        process.kill()
        process.communicate()
    assert ended(start_cluster(tmp_path / "killed", UNET, 32, **often)) == undisturbed
