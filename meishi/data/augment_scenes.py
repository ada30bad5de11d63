"""Augmenting many scenes in worker processes; the result does not depend on their number."""

from collections.abc import Iterator
from functools import partial
from itertools import islice

import cv2
import numpy as np

from meishi import images, workers
from meishi.data import pool as lending
from meishi.data.augment import Augmenter, Sample
from meishi.data.mixing import Mixer
from meishi.data.records import Record
from meishi.data.shards import ShardReader
from meishi.recipe import AugmentParams

CHUNK = 200  # scenes handed out at a time: what waits for a worker stays within bounds
_augmenter: Augmenter  # one per worker process, set by _start_worker, as is the next
_mixer: Mixer


def augment_scenes(
    reader: ShardReader, augmenter: Augmenter, seed: int
) -> Iterator[tuple[list[tuple[bytes, list]], list[tuple[bytes, list]]]]:
    """Augment scenes in worker processes, in the order of the reader.

    Yields:
        Per scene: its frames and its crops, each as (JPEG file, quads).
    """
    params = augmenter.params
    # In a process of its own: one in which OpenCV has run its threads must not be forked.
    with workers.pool(1, cv2.setNumThreads, 1) as apart:
        shared = apart.submit(lending.build, reader, seed).result()
    mixer = Mixer(params.paste, params.swap, shared)
    with workers.pool(params.workers, _start_worker, augmenter, mixer) as pool:
        jobs = ((number, record, content) for number, (record, content) in enumerate(reader))
        while chunk := list(islice(jobs, CHUNK)):
            yield from pool.map(partial(_augment_scene, seed=seed), chunk, chunksize=8)


def _start_worker(augmenter: Augmenter, mixer: Mixer) -> None:
    global _augmenter, _mixer
    cv2.setNumThreads(1)
    _augmenter, _mixer = augmenter, mixer


def _augment_scene(job: tuple[int, Record, bytes], seed: int) -> tuple[list, list]:
    number, record, content = job
    image = images.decode(content, record.id)
    tools, params = (_augmenter, _mixer, image, record, [seed, number]), _augmenter.params
    frames, crops = scene_frames(*tools), scene_crops(*tools)
    return [_pack(sample, params) for sample in frames], [_pack(sample, params) for sample in crops]


def scene_frames(
    augmenter: Augmenter, mixer: Mixer, image: np.ndarray, record: Record, seed: list[int]
) -> list[Sample]:
    """Make the frames of one scene."""
    return [
        augmenter.frame(*mixer.frame(image, record, [*seed, 3, i]), [*seed, 0, i])
        for i in range(augmenter.params.frames_per_scene)
    ]


def scene_crops(
    augmenter: Augmenter, mixer: Mixer, image: np.ndarray, record: Record, seed: list[int]
) -> list[Sample]:
    """Make the crops of one scene: of each card, or of nothing where there is none."""
    params = augmenter.params
    if not record.cards:
        return [
            augmenter.empty_crop(image, [*seed, 2, i]) for i in range(params.crops_per_empty_scene)
        ]
    return [
        augmenter.crop(mixer.crop(image, record, [*seed, 4, card, i]), quad, [*seed, 1, card, i])
        for card, quad in enumerate(record.quads)
        for i in range(params.crops_per_card)
    ]


def _pack(sample: Sample, params: AugmentParams) -> tuple[bytes, list]:
    return images.encode(sample.image, ".jpg", params.jpeg_quality), sample.quads.round(6).tolist()
