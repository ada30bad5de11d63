"""Augmenting many scenes in worker processes; the result does not depend on their number."""

from collections.abc import Iterator
from functools import partial
from itertools import islice

import cv2
import numpy as np

from meishi.data import pool
from meishi.data.augment import Augmenter, Sample
from meishi.data.mixing import Mixer
from meishi.data.records import Record
from meishi.data.shards import ShardReader
from meishi.pictures import images
from meishi.processes import workers
from meishi.recipe import AugmentParams

SCENES_PER_TASK = 16  # a second of work: handing it out costs little beside it
CODE = ("meishi.data", "meishi.geometry", "meishi.pictures")  # what decides a sample

Job = tuple[int, Record, bytes]  # a scene with its number


def augment_scenes(
    reader: ShardReader, augmenter: Augmenter, seed: int
) -> Iterator[tuple[list[tuple[bytes, list]], list[tuple[bytes, list]]]]:
    """Augment scenes in worker processes, in the order of the reader.

    Yields:
        Per scene: its frames and its crops, each as (JPEG file, quads).
    """
    jobs = ((number, record, content) for number, (record, content) in enumerate(reader))
    tasks = iter(lambda: list(islice(jobs, SCENES_PER_TASK)), [])
    params = augmenter.params
    mixer = Mixer(params, pool.build(reader, seed))
    augment = partial(_augment, augmenter=augmenter, mixer=mixer, seed=seed)
    with workers.connect(None, params.workers) as run:
        for made in run.map(augment, tasks, _name, CODE):
            yield from made


def _name(jobs: list[Job]) -> str:
    return f"scenes {jobs[0][1].id} to {jobs[-1][1].id}"


def _augment(
    jobs: list[Job], augmenter: Augmenter, mixer: Mixer, seed: int
) -> list[tuple[list, list]]:
    cv2.setNumThreads(1)
    params, made = augmenter.params, []
    for number, record, content in jobs:
        scene = (images.decode(content, record.id), record, [seed + params.draw, number])
        samples = (scene_frames(augmenter, mixer, *scene), scene_crops(augmenter, mixer, *scene))
        frames, crops = ([_pack(sample, params) for sample in kind] for kind in samples)
        made.append((frames, crops))
    return made


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
    card_crops = [
        augmenter.crop(*mixer.crop(image, record, card, [*seed, 4, card, i]), [*seed, 1, card, i])
        for card in range(len(record.quads))
        for i in range(params.crops_per_card)
    ]
    others = (
        augmenter.lookalike_crop(image, record.quads, [*seed, 5, i])
        for i in range(params.lookalikes_per_scene)
    )
    return card_crops + [crop for crop in others if crop is not None]


def _pack(sample: Sample, params: AugmentParams) -> tuple[bytes, list]:
    return images.encode(sample.image, ".jpg", params.jpeg_quality), sample.quads.round(6).tolist()
