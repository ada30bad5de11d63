"""What the workers of tests/unit/test_workers.py do: they import it by name."""

import ctypes
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from meishi.scenes.compose import Scene
from meishi.scenes.placement import SIZE_PX
from meishi.scenes.render import Drawn, World


class TaskError(Exception):
    """An exception of one's own."""


def square(number: int) -> int:
    return number * number


def blas_kernels(_number: int) -> str:
    """Name the kernels that NumPy's OpenBLAS runs, as it says itself."""
    [library] = Path(np.__file__).parents[1].glob("numpy.libs/libscipy_openblas*.so")
    corename = ctypes.CDLL(str(library)).scipy_openblas_get_corename64_
    corename.restype = ctypes.c_char_p
    return corename().decode()


def fail_at_three(number: int) -> int:
    if number == 3:
        raise TaskError("three")
    return number


def time_out(number: int) -> int:
    raise TimeoutError(f"of task {number}")


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def sleeper() -> Callable[[], float]:
    return partial(sleep, 0.0)


def die(number: int) -> int:
    os._exit(9)


def announce(task: tuple[int, Path]) -> bytes:
    """Leave a file that says that the task has begun, and take a little while."""
    number, folder = task
    (folder / f"{number:02d}").touch()
    time.sleep(0.05)
    return np.random.default_rng(number).bytes(1000)


def announced(world: World, numbers: range) -> Iterator[Drawn]:
    """Draw scenes of noise; leave a file for each."""
    for number in numbers:
        (world.wheels / f"{world.number}-{number}").touch()
        time.sleep(0.02)
        rng = np.random.default_rng([world.number, number])
        image = rng.integers(0, 256, (SIZE_PX[1] // 8, SIZE_PX[0] // 8, 3), dtype=np.uint8)
        scene = Scene(image, [], [], {"cards": 0})
        yield Drawn(f"w{world.number:03d}-s{number:03d}", scene, "noise", (f"noise/{number}",))
