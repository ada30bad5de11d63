"""Workers, as real processes: order, faults, deaths, and other schedulers than our own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from meishi.processes import dask_settings, workers
from meishi.processes.workers import WorkersError, connect
from tests.unit import crew

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
PATIENCE_S = 240.0  # for what must happen at some time; no test measures how long it takes


def until(true, what: str) -> None:
    """Wait until something is true."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def run() -> Iterator[workers.Workers]:
    """Two workers of this machine."""
    with connect(None, 2) as connected:
        yield connected


def test_results_come_in_the_order_of_the_tasks(run):
    waits = [0.2, 0.0, 0.1, 0.0]
    assert list(run.map(crew.sleep, waits)) == waits
    assert list(run.map(crew.square, range(40))) == [i * i for i in range(40)]


def test_no_task_is_no_result(run):
    assert list(run.map(crew.square, [])) == []


@pytest.mark.skipif(not dask_settings.is_x86(), reason="OpenBLAS' kernels for x86")
def test_workers_add_up_as_on_any_other_cpu(run):
    # Read from the library itself: a variable that it does not know would change nothing.
    assert list(run.map(crew.blas_kernels, range(2))) == ["Haswell", "Haswell"]


def test_only_a_few_tasks_are_in_flight(run):
    taken = []

    def tasks():
        for number in range(100):
            taken.append(number)
            yield number

    for done, _ in enumerate(run.map(crew.square, tasks()), start=1):
        assert len(taken) - done < 2 * workers.AHEAD
    assert len(taken) == 100


def test_a_function_may_carry_data_and_need_no_name(run):
    offset = {"by": 7}
    assert list(run.map(lambda number: number + offset["by"], [1, 2])) == [8, 9]


def test_an_exception_of_a_task_arrives_as_itself(run):
    results = run.map(crew.fail_at_three, range(8))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(crew.TaskError, match="three"):
        next(results)
    assert list(run.map(crew.square, [5])) == [25]


def test_a_timeout_within_a_task_is_not_taken_for_one_of_the_task(run):
    with pytest.raises(TimeoutError, match="of task 1"):
        list(run.map(crew.time_out, [1]))


def test_a_worker_killed_half_way_loses_nothing(run, tmp_path):
    tasks = [(number, tmp_path) for number in range(40)]
    results = run.map(crew.announce, tasks)
    got = [next(results) for _ in range(10)]
    victim = next(iter(run.processes().values()))
    os.kill(victim, signal.SIGKILL)
    got += results
    (tmp_path / "alone").mkdir()
    assert got == [crew.announce((number, tmp_path / "alone")) for number, _ in tasks]
    until(lambda: len(run.processes()) == 2, "another in its place")
    assert victim not in run.processes().values()


def test_other_code_of_a_worker_is_refused(run, monkeypatch):
    code = ("meishi.scenes",)
    right = workers.code_digest(code)
    assert list(run.map(crew.square, [2], code=code)) == [4]
    monkeypatch.setattr(workers, "code_digest", lambda names: "other")
    with pytest.raises(WorkersError, match=f"meishi.scenes is {right}, expected other: check out"):
        list(run.map(crew.square, [2], code=code))


def test_the_digest_of_code_covers_packages_and_modules():
    digests = {workers.code_digest((name,)) for name in ("meishi", "meishi.data", "meishi.paths")}
    assert len(digests) == 3


def test_a_task_that_hangs_is_named():
    with (
        connect(None, 1, timeout_s=0.3) as run,
        pytest.raises(WorkersError, match="number 60: no result after 0 s; a worker hangs"),
    ):
        list(run.map(crew.sleep, [60], name=lambda task: f"number {task}"))


def test_a_task_that_kills_its_workers_is_named():
    with (
        connect(None, 1) as run,
        pytest.raises(WorkersError, match="number 1: several workers died .* is there memory"),
    ):
        list(run.map(crew.die, [1], name=lambda task: f"number {task}"))


def test_the_environment_is_left_as_it_was():
    before = dict(os.environ)
    with connect(None, 1):
        pass
    assert dict(os.environ) == before


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{}", "127.0.0.1:{}", "nonsense://{}"])
def test_a_scheduler_out_of_reach_is_named(address, monkeypatch):
    monkeypatch.setattr(workers, "CONNECT_S", 1.0)
    address = address.format(free_port())
    with pytest.raises(WorkersError, match=f"scheduler {address}: not reached within 1 s"):
        with connect(address, 1):
            pass


SCRIPT = """
import sys
from pathlib import Path
from meishi.processes.workers import connect
from tests.unit import crew
if __name__ == "__main__":
    with connect(None, 2) as run:
        print(*run.processes().values(), flush=True)
        {body}
"""


def start_script(folder: Path, body: str) -> subprocess.Popen:
    file = folder / "script.py"
    file.write_text(SCRIPT.format(body=body))
    return subprocess.Popen(
        [sys.executable, str(file)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_workers_end_with_their_killed_parent(tmp_path):
    parent = start_script(tmp_path, "list(run.map(crew.sleep, [0.1] * 9999))")
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2 and all(alive(pid) for pid in pids)
    parent.kill()
    # The workers hold the other end of these pipes: they close when the last of them is ending,
    # which is a moment before the system counts it as ended.
    parent.communicate(timeout=PATIENCE_S)
    until(lambda: not any(alive(pid) for pid in pids), "the end of both workers")


def test_nothing_is_written_on_the_screen_when_a_worker_is_killed(tmp_path):
    body = (
        "import os, signal; results = run.map(crew.sleep, [0.05] * 30); next(results); "
        "os.kill(next(iter(run.processes().values())), signal.SIGKILL); print(len(list(results)))"
    )
    done = start_script(tmp_path, body)
    out, errors = done.communicate(timeout=PATIENCE_S)
    assert (done.returncode, out.splitlines()[1:], errors) == (0, ["29"], "")


class Elsewhere:
    """A scheduler and two workers, started as one would on other machines."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.processes: list[subprocess.Popen] = []

    def start(self, *command: str) -> subprocess.Popen:
        """Start `dask ...`; its log goes to a file."""
        with (self.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *command],
                cwd=ROOT,
                env=ENVIRONMENT,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def scheduler(self) -> subprocess.Popen:
        """Start the scheduler."""
        port = self.address.rsplit(":", 1)[1]
        return self.start(
            "scheduler", "--host", "127.0.0.1", "--port", port, "--dashboard-address", ":0"
        )

    def worker(self) -> subprocess.Popen:
        """Start a worker without a nanny: who dies stays dead."""
        own = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0")
        return self.start("worker", self.address, *own, "--local-directory", str(self.folder))

    def end(self) -> None:
        """End what still runs."""
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Iterator[Elsewhere]:
    monkeypatch.setattr(workers, "CONNECT_S", PATIENCE_S)
    monkeypatch.setattr(workers, "WORKERS_S", PATIENCE_S)
    started = Elsewhere(tmp_path)
    try:
        yield started
    finally:
        started.end()


def test_a_scheduler_without_workers_is_named(elsewhere, monkeypatch):
    elsewhere.scheduler()
    until(lambda: listens(elsewhere.address), "the scheduler")
    monkeypatch.setattr(workers, "WORKERS_S", 0.5)
    with pytest.raises(WorkersError, match=f"start some with `dask worker {elsewhere.address} "):
        with connect(elsewhere.address, 1):
            pass


def listens(address: str) -> bool:
    host, port = address.removeprefix("tcp://").split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_workers_of_another_scheduler_do_the_same_and_one_may_die(elsewhere, tmp_path):
    elsewhere.scheduler()
    elsewhere.worker()
    victim = elsewhere.worker()
    until(lambda: listens(elsewhere.address), "the scheduler")
    marks = tmp_path / "marks"
    marks.mkdir()
    tasks = [(number, marks) for number in range(30)]
    with connect(elsewhere.address, 1) as run:
        until(lambda: len(run.processes()) == 2, "both workers")
        results = run.map(crew.announce, tasks)
        got = [next(results) for _ in range(5)]
        victim.kill()
        got += results
        assert list(run.processes().values()) == [elsewhere.processes[1].pid]
    assert got == [crew.announce(task) for task in tasks]


def test_a_scheduler_that_dies_is_no_traceback(elsewhere):
    scheduler = elsewhere.scheduler()
    elsewhere.worker()
    until(lambda: listens(elsewhere.address), "the scheduler")
    with connect(elsewhere.address, 1) as run:
        results = run.map(crew.sleep, [0.1] * 500)
        next(results)
        scheduler.kill()
        with pytest.raises(WorkersError, match="the scheduler is gone"):
            list(results)


def test_dasks_own_setting_names_the_scheduler_too(monkeypatch):
    import dask

    monkeypatch.setattr(workers, "CONNECT_S", 1.0)
    address = f"tcp://127.0.0.1:{free_port()}"
    with dask.config.set({"scheduler-address": address}):
        with pytest.raises(WorkersError, match=f"scheduler {address}: not reached"):
            with connect(None, 1):
                pass


def test_workers_that_are_started_are_of_this_machine_whatever_dask_is_set_to():
    import dask

    address = f"tcp://127.0.0.1:{free_port()}"
    with dask.config.set({"scheduler-address": address}), workers.start(1) as run:
        assert list(run.map(crew.sleep, [0.0])) == [0.0]
