"""Worker processes that end with their parent, even when it is killed.

The workers of a pool whose parent got SIGKILL would wait for work for ever: each holds an end of
the others' pipe. So each looks, once a second, whether its parent is still there.
"""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

INTERVAL_S = 1.0


def pool(
    processes: int, initializer: Callable[..., None] | None = None, *arguments: Any
) -> ProcessPoolExecutor:
    """Start a pool of worker processes.

    Args:
        processes: how many.
        initializer: called in each worker before its first task.
        arguments: of the initializer.

    Returns:
        The pool, to be used as a context manager.
    """
    given = (os.getpid(), initializer, arguments)
    return ProcessPoolExecutor(processes, initializer=_start, initargs=given)


def _start(parent: int, initializer: Callable[..., None] | None, arguments: tuple) -> None:
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if initializer:
        initializer(*arguments)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(INTERVAL_S)
    os._exit(1)
