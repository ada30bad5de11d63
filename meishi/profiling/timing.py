"""Timing what runs in processes of its own, in turn.

TensorFlow's threads belong to the process, whatever a later session asks for: so each runtime and
number of threads is a process of its own. They are timed in turn (A B A B ...), so that a machine
that slows down or speeds up meanwhile does so for all. What a run costs is counted too, in seconds
of processor over all threads: a runtime may be quick by keeping every core busy.
"""

import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import numpy as np

from meishi.processes.spawning import without_script

ROUNDS = 5
KIND = ("cpu family", "model")  # of a processor
WARM_UP_RUNS = 5

Key = tuple[str, str]  # runtime, label of the number of threads
K = TypeVar("K")
Run = tuple[float, float]  # milliseconds; seconds of processor, over all threads


def thread_counts() -> dict[str, int]:
    """Return the numbers of threads that are compared, by label."""
    return {"one_thread": 1, "all_cores": _cores()}


@dataclass(frozen=True)
class Job:
    """What one process loads and runs.

    Attributes:
        load: a function of a module, called in the process; returns what is timed.
        args: its arguments.
        what: names it in errors.
        threads: that it uses.
    """

    load: Callable[..., Callable[[], object]]
    args: tuple
    what: str
    threads: int


def rounds_for(runs: int) -> tuple[int, int]:
    """Spread runs over rounds: how many in one, and how many rounds; at least `runs` in all."""
    rounds = min(ROUNDS, runs)
    return -(-runs // rounds), rounds


def measure_jobs(jobs: Mapping[Key, Job], runs: int) -> dict[Key, dict]:
    """Run jobs in turn, each in a process of its own; return the times of each."""
    found = rounds_of(jobs, *rounds_for(runs))
    return {key: _times([run for part in parts for run in part]) for key, parts in found.items()}


def rounds_of(jobs: Mapping[K, Job], per_round: int, rounds: int) -> dict[K, list[list[Run]]]:
    """Run jobs in turn, each in a process of its own; return the runs of each round.

    Before the first round each runs a few times for nothing: not more often than it is timed.
    """
    warm_up = min(per_round * rounds, WARM_UP_RUNS)
    with ExitStack() as stack:
        # All start before the first is waited for: they load side by side, and are timed in turn.
        workers = {key: stack.enter_context(_Worker(job, warm_up)) for key, job in jobs.items()}
        for worker in workers.values():
            worker.wait()
        found: dict[K, list[list[Run]]] = {key: [] for key in jobs}
        for _ in range(rounds):
            for key, worker in workers.items():
                found[key].append(worker.time(per_round))
    return found


def by_runtime(times: Mapping[tuple[str, str], dict]) -> dict:
    """Nest times by runtime, then by number of threads."""
    nested: dict[str, dict] = {}
    for (runtime, label), found in times.items():
        nested.setdefault(runtime, {})[label] = found
    return nested


def _times(runs: list[Run]) -> dict[str, float]:
    wall, processor = zip(*runs, strict=True)
    return summary(list(wall)) | {"cpu_s": round(float(np.mean(processor)), 5)}


def host() -> dict[str, str | int]:
    """Name the machine and the runtimes, without which a time means nothing."""
    return {
        "cpu": _cpu_model(),
        "cores": _cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "tensorflow": version("tensorflow"),
        "ai_edge_litert": version("ai-edge-litert"),
    }


def summary(times_ms: list[float]) -> dict[str, float]:
    """Return the median and the 95th percentile of run times, and frames a second."""
    median, slow = np.percentile(times_ms, [50, 95])
    return {
        "p50_ms": round(float(median), 3),
        "p95_ms": round(float(slow), 3),
        "fps": round(1000.0 / float(median), 1),
    }


class _Worker:
    """A process that holds one model in one runtime and times it on demand."""

    def __init__(self, job: Job, warm_up: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would inherit TensorFlow's threads
        self.what = f"{job.what}, {job.threads} thread(s)"
        self.pipe, far_end = context.Pipe()
        self.process = context.Process(
            target=_work, args=(far_end, job.load, job.args, warm_up), daemon=True
        )
        with without_script():
            self.process.start()
        far_end.close()

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *_) -> None:
        self.pipe.close()
        self.process.join(timeout=10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def wait(self) -> None:
        """Wait until it is ready and warm."""
        self._answer()

    def time(self, runs: int) -> list[Run]:
        """Return milliseconds, and seconds of processor, of each of `runs` runs."""
        self.pipe.send(runs)
        return self._answer()

    def _answer(self) -> list[Run]:
        try:
            answer = self.pipe.recv()
        except EOFError:
            raise RuntimeError(f"latency: {self.what}: the process died") from None
        if isinstance(answer, str):
            raise RuntimeError(f"latency: {self.what}: {answer}")
        return answer


def _work(pipe, load: Callable, args: tuple, warm_up: int) -> None:
    try:
        run = load(*args)
        for _ in range(warm_up):
            run()
    except Exception as error:  # handed to the parent, which raises it with the model's name
        pipe.send(f"{type(error).__name__}: {error}")
        return
    pipe.send([])
    while True:
        try:
            runs = pipe.recv()
        except EOFError:
            return  # the parent is done
        pipe.send([_timed(run) for _ in range(runs)])


def _timed(run: Callable[[], object]) -> Run:
    start, processor = time.perf_counter(), time.process_time()
    run()
    return (time.perf_counter() - start) * 1000.0, time.process_time() - processor


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    """Name the processor; on Linux with family and model, which a virtual one's name leaves out."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(reversed([_field(line) for line in lines if ":" in line]))
    if "model name" not in fields:
        return platform.machine()
    kind = [f"{key.removeprefix('cpu ')} {fields[key]}" for key in KIND if key in fields]
    return ", ".join([fields["model name"], *kind])


def _field(line: str) -> tuple[str, str]:
    key, _, value = line.partition(":")
    return key.strip(), value.strip()
