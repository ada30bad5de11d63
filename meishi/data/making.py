"""Making a sample set in memory, scene by scene in worker processes."""

import hashlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from tqdm import tqdm

from meishi.data.samples import SampleSet
from meishi.data.tasks import in_tasks, task_name
from meishi.processes import workers

CODE = ("meishi.data", "meishi.geometry", "meishi.pictures")  # what decides a view
Made = list[list[tuple[bytes, np.ndarray]]]  # by scene its samples: a JPEG file, (n, 4, 2) quads


def make_samples(
    make: Callable[[list], Made], jobs: Iterable[tuple], total: int, processes: int
) -> SampleSet:
    """Make the samples of all scenes.

    Args:
        make: makes those of some jobs; runs in another process, so what decides them is in a job.
        jobs: (number, record, image file, ...) a scene, in order.
        total: how many there are.
        processes: how many workers; the result does not depend on it.

    Returns:
        A set, in the order of the jobs.
    """
    pairs: list[tuple[bytes, np.ndarray]] = []
    with workers.connect(None, processes) as run:
        made = (scene for part in run.map(make, in_tasks(jobs), task_name, CODE) for scene in part)
        for scene in tqdm(made, total=total, unit="scene", desc="flat views"):
            pairs += scene
    jpegs, quads = [jpeg for jpeg, _ in pairs], [quad for _, quad in pairs]
    return SampleSet(jpegs, quads, _key(jpegs, quads))


def _key(jpegs: Sequence[bytes], quads: Sequence[np.ndarray]) -> str:
    digest = hashlib.sha256()
    for jpeg, quad in zip(jpegs, quads, strict=True):
        digest.update(jpeg)
        digest.update(np.ascontiguousarray(quad, np.float64).tobytes())
    return digest.hexdigest()
