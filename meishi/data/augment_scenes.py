"""Augmenting many scenes in worker processes; the result does not depend on their number."""

from collections.abc import Iterator
from functools import partial
from itertools import islice

import cv2
import numpy as np

from meishi import images, workers
from meishi.data.augment import Augmenter, Sample
from meishi.data.records import Record
from meishi.data.shards import ShardReader
from meishi.recipe import AugmentParams

CHUNK = 200  # scenes handed out at a time: what waits for a worker stays within bounds
_augmenter: Augmenter  # one per worker process, set by _start_worker


def augment_scenes(
    reader: ShardReader, augmenter: Augmenter, seed: int
) -> Iterator[tuple[list[tuple[bytes, list]], list[tuple[bytes, list]]]]:
    """Augment scenes in worker processes, in the order of the reader.

    Yields:
        Per scene: its frames and its crops, each as (JPEG file, quads).
    """
    with workers.pool(augmenter.params.workers, _start_worker, augmenter) as pool:
        jobs = ((number, record, content) for number, (record, content) in enumerate(reader))
        while chunk := list(islice(jobs, CHUNK)):
            yield from pool.map(partial(_augment_scene, seed=seed), chunk, chunksize=8)


def _start_worker(augmenter: Augmenter) -> None:
    global _augmenter
    cv2.setNumThreads(1)
    _augmenter = augmenter


def _augment_scene(job: tuple[int, Record, bytes], seed: int) -> tuple[list, list]:
    number, record, content = job
    image = images.decode(content, record.id)
    return scene_frames(_augmenter, image, record.quads, [seed, number]), scene_crops(
        _augmenter, image, record.quads, [seed, number]
    )


def scene_frames(
    augmenter: Augmenter, image: np.ndarray, quads: np.ndarray, seed: list[int]
) -> list:
    """Make the frames of one scene."""
    count = augmenter.params.frames_per_scene
    return [
        _pack(augmenter.frame(image, quads, [*seed, 0, i]), augmenter.params) for i in range(count)
    ]


def scene_crops(
    augmenter: Augmenter, image: np.ndarray, quads: np.ndarray, seed: list[int]
) -> list:
    """Make the crops of one scene: of each card, or of nothing where there is none."""
    params = augmenter.params
    made = [
        augmenter.crop(image, quad, [*seed, 1, card, i])
        for card, quad in enumerate(quads)
        for i in range(params.crops_per_card)
    ]
    if len(quads) == 0:
        made = [
            augmenter.empty_crop(image, [*seed, 2, i]) for i in range(params.crops_per_empty_scene)
        ]
    return [_pack(sample, params) for sample in made]


def _pack(sample: Sample, params: AugmentParams) -> tuple[bytes, list]:
    return images.encode(sample.image, ".jpg", params.jpeg_quality), sample.quads.round(6).tolist()
