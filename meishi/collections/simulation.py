"""Many devices, one faulty server, a staged rollout, bad models and rollbacks, on one machine.

The clients, the server and the publisher are the real ones, over HTTP on loopback. Modelled are the
devices (folders and a poll one after the other), the faults and their rates, the packages (small,
without a model), and time: it is counted in turns, in which a device starts its app once.
"""

import itertools
import json
import random
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tqdm import tqdm

from meishi.collections import edits, founding, gate, publishing
from meishi.collections.archive import tree_sha256
from meishi.collections.faulty_server import Twist, serving
from meishi.collections.layout import STAGING
from meishi.collections.repository import Repository
from meishi.collections.scenario import CLOCKS_MENDED, STEPS, Shelves, Step
from meishi.collections.simulated import (
    CONTRACT,
    EMBEDDED,
    MODEL,
    Polled,
    World,
    poll_devices,
    write_package,
)
from meishi.collections.store import Store
from meishi.files.atomic import atomic_write_text

PACKAGE_BYTES = 8_000
MAX_TURNS = 40  # of a step; who is not where it should be by then is stuck
BATCH = 50  # devices that a process takes at a time
# Percent of the answers.
FAULTS = {
    "lost": (3.0, Twist(drop=True)),
    "server error": (2.0, Twist(status=500)),
    "cut": (3.0, Twist(cut=700)),
    "slow": (1.0, Twist(drip_s=0.02)),
    "hung": (0.1, Twist(wait_s=3.0, drop=True)),
}


@dataclass
class Tally:
    """What is counted over a simulation, or a part of it."""

    polls: int = 0
    requests: int = 0
    received: int = 0
    unverified: int = 0
    statuses: Counter[str] = field(default_factory=Counter)

    def add(self, polled: Polled) -> None:
        """Count a poll."""
        self.polls += 1
        self.requests += polled.requests
        self.received += polled.received
        self.unverified += not polled.verified
        self.statuses[polled.status] += 1


class Network:
    """Draws the fault of each answer."""

    def __init__(self, seed: int) -> None:
        """Draw from `seed`; which request gets which draw depends on their order."""
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    def twist(self, path: str) -> Twist | None:
        """Return what is done to the answer to a request."""
        with self._lock:
            drawn = self._random.uniform(0, 100)
            for name, (percent, twist) in FAULTS.items():
                if drawn < percent:
                    self.counts[name] += 1
                    return twist
                drawn -= percent
        return None


def simulate_to(folder: Path, devices: int, seed: int, workers: int) -> Iterator[str]:
    """Run a simulation, write simulation.json and simulation.svg, and yield what to print."""
    # Here, not above: it loads Matplotlib.
    from meishi.collections.curve import draw

    report = simulate(devices, seed, workers)
    atomic_write_text(folder / "simulation.json", json.dumps(report, indent=1) + "\n")
    draw(report, folder / "simulation.svg")
    for step in report["steps"]:
        yield f"{step['name']}: {step['turns']} turns, {step['seconds']} s"
    for name in ("devices", "stuck", "unverified", "polls", "requests_per_device"):
        yield f"{name}: {report[name]}"
    yield f"{folder}/simulation.json, {folder}/simulation.svg: written"


def simulate(devices: int, seed: int, workers: int, steps: Iterable[Step] = STEPS) -> dict:
    """Run a simulation.

    Args:
        devices: number of them.
        seed: of faults and devices.
        workers: processes in which the devices live; 0: this one.
        steps: what the publisher does.

    Returns:
        The report: figures over all, per step, and the mix of versions after each turn.
    """
    network = Network(seed)
    with tempfile.TemporaryDirectory(prefix="meishi-simulation-") as scratch:
        folder = Path(scratch)
        app = write_package(folder / "app.mlpackage", EMBEDDED, "good", PACKAGE_BYTES)
        store = Store(str(folder / "public"))
        repository = founding.found(store, folder / "keys", datetime.now(UTC))
        with serving(folder / "public", network.twist) as site, _pool(workers) as pool:
            trees = frozenset({tree_sha256(app)})
            world = World(site.url, repository.root, folder, trees, seed, False)
            run = _Run(repository, world, pool, devices)
            steps = list(steps)
            progress = tqdm(steps, unit="step", desc="simulate")
            rows = [run.step(i, step) for i, step in enumerate(progress)]
            idle = run.idle_poll()
    return run.report(rows, idle, network.counts, seed)


def _pool(workers: int) -> Executor:
    if not workers:
        return ThreadPoolExecutor(1)
    # The server's thread is no thing to fork.
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


class _Run:
    def __init__(self, repository: Repository, world: World, pool: Executor, devices: int) -> None:
        self.repository = repository
        self.world = world
        self.pool = pool
        self.devices = devices
        self.shelves = Shelves()
        self.runs = dict.fromkeys(range(devices), EMBEDDED)
        self.total = Tally()
        self.turn = 0
        self.mix: list[dict[str, Any]] = []
        self.stuck = 0

    def step(self, index: int, step: Step) -> dict[str, Any]:
        """Let the publisher act and the devices poll until all are where they should be."""
        began = time.monotonic()
        self.world = replace(self.world, clocks_mended=index >= CLOCKS_MENDED)
        self._act(step)
        self.shelves.take(step)
        wanted = {n: self.shelves.expected(n, self.world.clocks_mended) for n in self.runs}
        tally, turns, waiting = Tally(), 0, list(self.runs)
        left = []
        while waiting and turns < MAX_TURNS:
            turns += 1
            self._turn(waiting, tally, step.name)
            waiting = [n for n in self.runs if self.runs[n] != wanted[n]]
            left.append(len(waiting))
        self.stuck += len(waiting)
        return {
            "name": step.name,
            "turns": turns,
            "left_after_turn": left,
            "stuck": len(waiting),
            "polls": tally.polls,
            "requests": tally.requests,
            "received_bytes": tally.received,
            "seconds": round(time.monotonic() - began, 2),
        }

    def idle_poll(self) -> Tally:
        """Let every device poll twice more when nothing has changed; return the second."""
        self._turn(list(self.runs), Tally(), "nothing new")
        tally = Tally()
        self._turn(list(self.runs), tally, "nothing new")
        return tally

    def _turn(self, numbers: list[int], tally: Tally, step: str) -> None:
        self.turn += 1
        batches = [numbers[i : i + BATCH] for i in range(0, len(numbers), BATCH)]
        turns = itertools.repeat(self.turn)
        for polls in self.pool.map(poll_devices, itertools.repeat(self.world), batches, turns):
            for polled in polls:
                self.runs[polled.number] = polled.version
                tally.add(polled)
                self.total.add(polled)
        self.mix.append({"step": step, **Counter(self.runs.values())})

    def _act(self, step: Step) -> None:
        change = self.repository.change
        version = step.version
        if step.action == "publish":
            self._publish(step)
        elif step.action == "promote":
            change(lambda s: edits.promote(s, MODEL, version, "staging", "release", step.rollout))
        elif step.action == "halt":
            change(lambda s: edits.set_state(s, step.collection, MODEL, version, "halted"))
        elif step.action == "withdraw":
            change(lambda s: edits.set_state(s, step.collection, MODEL, version, "withdrawn"))
        elif step.action == "rotate":
            keyid = self.repository.load().root.signed.roles["timestamp"].keyids[0]
            founding.rotate_key(self.repository, "timestamp", keyid, self.world.folder / "new-keys")

    def _publish(self, step: Step) -> None:
        path = self.world.folder / "packages" / step.version
        package = write_package(path, step.version, step.kind, PACKAGE_BYTES)
        self.world = replace(self.world, trees=self.world.trees | {tree_sha256(package)})
        model = gate.Model(MODEL, "", (), (gate.App("1.0", CONTRACT),))
        publishing.publish(
            self.repository,
            STAGING,
            publishing.Candidate(package, MODEL, step.version, {}, "simulation"),
            publishing.Terms("15.0", "1.0"),
            gate.Config((model,)),
            lambda package: CONTRACT,
        )

    def report(
        self, rows: list[dict[str, Any]], idle: Tally, faults: Counter[str], seed: int
    ) -> dict[str, Any]:
        """Put the figures together."""
        total = self.total
        return {
            "devices": self.devices,
            "seed": seed,
            "stuck": self.stuck,
            "unverified": total.unverified,
            "polls": total.polls,
            "requests_per_device": round(total.requests / self.devices, 1),
            "received_bytes_per_device": round(total.received / self.devices),
            "idle_requests_per_poll": round(idle.requests / idle.polls, 3),
            "idle_bytes_per_poll": round(idle.received / idle.polls, 1),
            "turns_per_step_median": statistics.median(row["turns"] for row in rows),
            "turns_per_step_most": max(row["turns"] for row in rows),
            "seconds": round(sum(row["seconds"] for row in rows), 1),
            "package_bytes": PACKAGE_BYTES,
            "statuses": dict(sorted(total.statuses.items())),
            "faults": dict(sorted(faults.items())),
            "steps": rows,
            "mix": self.mix,
        }
