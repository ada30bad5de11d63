"""Work spread over worker processes, on this machine or on several, by Dask Distributed.

What a worker that died had in hand is done again by another; a local one is replaced. Local
workers end with their parent, even when that is killed: each watches a pipe that it holds open.
"""

import hashlib
import importlib.util
import logging
import os
import pickle
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from meishi.errors import InputError
from meishi.processes import dask_settings
from meishi.processes.spawning import without_script

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S = 10.0
WORKERS_S = 30.0  # for a scheduler's first worker
CLOSE_S = 30.0
TASK_TIMEOUT_S = 1800.0
LOGGERS = ("distributed", "distributed.client")  # they tell of each worker that comes or goes
AHEAD = 4  # tasks in flight for each thread of a worker: enough that none waits for the next
GONE = "the scheduler is gone, and what its workers had in hand; start it and this again"

Task = TypeVar("Task")
Result = TypeVar("Result")


class WorkersError(InputError):
    """The workers are at fault: not there, lost, stuck, or of another version."""


@contextmanager
def connect(
    scheduler: str | None, processes: int, timeout_s: float = TASK_TIMEOUT_S
) -> Iterator["Workers"]:
    """Connect to workers: those of a scheduler, or processes started here for the time being.

    Args:
        scheduler: address, `tcp://host:port`. If None, Dask's own setting `scheduler-address`
            (DASK_SCHEDULER_ADDRESS in the environment) counts; without it workers are started.
        processes: how many to start here; a scheduler's workers are as many as they are.
        timeout_s: how long to wait for one result, see `Workers.map`.

    Raises:
        WorkersError: if the scheduler cannot be reached or has no workers.
    """
    import dask

    address = scheduler or dask.config.get("scheduler-address", None)
    with _quiet(), _remote(address) if address else _local(processes) as client:
        yield Workers(client, timeout_s)


@contextmanager
def start(processes: int, timeout_s: float = TASK_TIMEOUT_S) -> Iterator["Workers"]:
    """Start processes on this machine, whatever Dask is set to: for tasks that name files of it.

    Args:
        processes: how many.
        timeout_s: see `connect`.
    """
    with _quiet(), _local(processes) as client:
        yield Workers(client, timeout_s)


class Workers:
    """Connected workers."""

    def __init__(self, client: "Client", timeout_s: float):
        """Use the workers of a client."""
        self._client, self._timeout_s = client, timeout_s

    def map(
        self,
        function: Callable[[Task], Result],
        tasks: Iterable[Task],
        name: Callable[[Task], str] = str,
        code: tuple[str, ...] = (),
    ) -> Iterator[Result]:
        """Call a function with each task, in the workers.

        Args:
            function: sent to the workers with what it carries, and unpacked there once. It must
                depend on nothing but its task: a task is done again if its worker dies.
            tasks: taken as they are needed; only a few for each worker are in flight at a time.
            name: what to call a task in a message.
            code: packages and modules that decide the results; see `code_digest`.

        Yields:
            The results in the order of the tasks.

        Raises:
            WorkersError: if a task gave no result in time, or killed several workers; if the
                scheduler is lost; if a worker has other code than this process.
            Exception: what the function raised, as itself.
        """
        call = _packed((function, code, code_digest(code)))
        todo = iter(tasks)
        flying: deque[tuple[str, Future]] = deque()
        while True:
            for task in islice(todo, max(self._room() - len(flying), 0)):
                future = self._client.submit(_call, call, _packed(task), pure=False)
                flying.append((name(task), future))
            if not flying:
                return
            yield self._result(*flying.popleft())

    def processes(self) -> dict[str, int]:
        """Return the process id of each worker by its address."""
        return self._client.run(os.getpid)

    def _room(self) -> int:
        # Asked anew each time: workers come and go.
        try:
            return AHEAD * max(sum(self._client.nthreads().values()), 1)
        except OSError as error:
            raise WorkersError(GONE) from error

    def _result(self, name: str, future: "Future") -> Any:
        from distributed import CancelledError, KilledWorker

        try:
            return future.result(self._timeout_s)
        except TimeoutError as error:
            if future.status == "error":
                raise  # the function's own
            raise WorkersError(
                f"{name}: no result after {self._timeout_s:.0f} s; a worker hangs, or none is "
                "left: look at them, then start again"
            ) from error
        except KilledWorker as error:
            raise WorkersError(
                f"{name}: several workers died one after another with it in hand, the last was "
                f"{error.last_worker.address}; is there memory enough? Start again with fewer"
            ) from error
        except CancelledError as error:
            raise WorkersError(f"{name}: {GONE}") from error


@lru_cache(maxsize=8)
def code_digest(names: tuple[str, ...]) -> str:
    """Hash the Python files of packages and modules, given by their dotted names.

    What a process has imported stays as it is: so does the digest, once it was asked for.
    """
    digest = hashlib.sha256()
    for name in names:
        spec = importlib.util.find_spec(name)
        assert spec and spec.origin, f"{name}: no such module"
        file = Path(spec.origin)
        for source in sorted(file.parent.rglob("*.py")) if file.stem == "__init__" else [file]:
            digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def _packed(value: Any) -> bytes:
    # Bytes say nothing to Dask, which would look for its own things in tuples and dataclasses.
    import cloudpickle

    return cloudpickle.dumps(value)


def _call(packed: bytes, task: bytes) -> Any:
    function, code, wanted = _unpacked(packed)
    if code_digest(code) != wanted:
        raise WorkersError(
            f"worker on {socket.gethostname()}: its {', '.join(code)} is {code_digest(code)}, "
            f"expected {wanted}: check out the same commit there, and restart the worker"
        )
    return function(pickle.loads(task))


@lru_cache(maxsize=2)
def _unpacked(packed: bytes) -> tuple[Callable, tuple[str, ...], str]:
    return pickle.loads(packed)


@contextmanager
def _remote(address: str) -> Iterator["Client"]:
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise WorkersError(
            f"scheduler {address}: not reached within {CONNECT_S:.0f} s ({error}); start one with "
            "`dask scheduler`, or leave it out to work on this machine"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WORKERS_S)
        except TimeoutError as error:
            raise WorkersError(
                f"scheduler {address}: no workers within {WORKERS_S:.0f} s; start some with "
                f"`dask worker {address} --nworkers 2 --nthreads 1`"
            ) from error
        yield client


@contextmanager
def _local(processes: int) -> Iterator["Client"]:
    import dask
    from distributed import Client, LocalCluster

    environment = dict(os.environ)
    with dask.config.set(dask_settings.lean()), without_script():
        cluster = LocalCluster(
            n_workers=processes,
            threads_per_worker=1,
            processes=True,
            # A worker near its limit is paused, and what libraries hold is never given back.
            memory_limit=None,
            silence_logs=logging.CRITICAL,
            # Any port: on its usual one a second run beside this one would find the first.
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
        )
    try:
        with Client(cluster, set_as_default=False) as client:
            yield client
    finally:
        with suppress(TimeoutError):  # of a worker that does not end: it will, with this process
            cluster.close(timeout=CLOSE_S)
        # Dask sets the workers' environment in this process too, one thread for OpenMP and so on.
        os.environ.clear()
        os.environ.update(environment)


@contextmanager
def _quiet() -> Iterator[None]:
    import dask
    import distributed  # noqa: F401  (importing it sets the levels)

    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        # What a function carries goes along with each task: some 20 MB take milliseconds.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "100 MB"}):
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
