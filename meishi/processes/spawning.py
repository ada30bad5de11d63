"""Processes that are spawned import the modules they need, and not the script that spawns them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_script() -> Iterator[None]:
    """Spawn processes that do not import this one's script.

    `multiprocessing` imports it in each of them, for the sake of functions that it defines itself.
    Ours come from modules; what a stage imports besides, TensorFlow first of all, takes seconds.
    """
    script = vars(sys.modules["__main__"])
    held: dict[str, Any] = {
        name: script[name] for name in ("__file__", "__spec__") if name in script
    }
    try:
        # Without these, multiprocessing.spawn.get_preparation_data finds nothing to import.
        script.pop("__file__", None)
        script["__spec__"] = None
        yield
    finally:
        script.update(held)
