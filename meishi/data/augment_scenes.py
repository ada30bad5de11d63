"""Augmenting many scenes in worker processes; the result does not depend on their number."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain

import cv2
import numpy as np

from meishi.data import pool
from meishi.data.augment import Augmenter, Sample
from meishi.data.mixing import Mixer
from meishi.data.records import Record
from meishi.data.shards import ShardReader
from meishi.data.tasks import in_tasks, task_name
from meishi.pictures import images
from meishi.processes import workers
from meishi.recipe import AugmentParams

CODE = ("meishi.data", "meishi.geometry", "meishi.pictures")  # what decides a sample

Job = tuple[int, Record, bytes]  # a scene with its number
Made = tuple[list[tuple[bytes, list]], list[tuple[bytes, list]]]  # frames, crops


def augment_scenes(
    reader: ShardReader, photos: ShardReader, augmenter: Augmenter, seed: int
) -> Iterator[Made]:
    """Augment scenes in worker processes, in the order of the reader, and photos after them.

    Args:
        reader: of the training scenes.
        photos: without a card, for frames alone: of their own, and as what cards of scenes lie on
            and have in print. None of them is in a crop, where the segmenter would learn that what
            a camera has seen is no card; see docs/experiments.md.
        augmenter: the recipe.
        seed: of every draw.

    Yields:
        Per scene or photo: its frames and its crops, each as (JPEG file, quads).
    """
    params = augmenter.params
    numbered = enumerate(chain(reader, photos))
    jobs = ((number, record, content) for number, (record, content) in numbered)
    with workers.connect(None, params.workers) as run:
        shared = pool.build(reader, seed, partial(run.map, name=_name_cut, code=CODE))
        mixers = _mixers(params, shared, photos)
        augment = partial(
            _augment, augmenter=augmenter, mixers=mixers, seed=seed, scenes=len(reader)
        )
        for made in run.map(augment, in_tasks(jobs), task_name, CODE):
            yield from made


def _name_cut(cut: pool.Cut) -> str:
    return f"a card of {cut[0].id}"


def _mixers(
    params: AugmentParams, shared: pool.Pool, photos: ShardReader
) -> tuple[Mixer, Mixer, Mixer]:
    """Make what mixes frames of scenes, frames of photos, and crops."""
    beside, paste = shared.with_photos(photos), params.paste
    on_photos = replace(params, paste=replace(paste, probability=paste.photo_probability))
    return Mixer(params, beside), Mixer(on_photos, beside), Mixer(params, shared)


def _augment(
    jobs: list[Job],
    augmenter: Augmenter,
    mixers: tuple[Mixer, Mixer, Mixer],
    seed: int,
    scenes: int,
) -> list[Made]:
    cv2.setNumThreads(1)
    params, made = augmenter.params, []
    of_scenes, of_photos, of_crops = mixers
    for number, record, content in jobs:
        image, is_photo = images.decode(content, record.id), number >= scenes
        count = params.frames_per_photo if is_photo else params.frames_per_scene
        frame_seed, crop_seed = (
            [seed + params.frames_draw, number],
            [seed + params.crops_draw, number],
        )
        of_frames = of_photos if is_photo else of_scenes
        frames = scene_frames(augmenter, of_frames, image, record, frame_seed, count)
        crops = [] if is_photo else scene_crops(augmenter, of_crops, image, record, crop_seed)
        packed, packed_crops = (
            [_pack(sample, params) for sample in kind] for kind in (frames, crops)
        )
        made.append((packed, packed_crops))
    return made


def scene_frames(
    augmenter: Augmenter,
    mixer: Mixer,
    image: np.ndarray,
    record: Record,
    seed: list[int],
    count: int,
) -> list[Sample]:
    """Make the frames of one scene."""
    return [
        augmenter.frame(*mixer.frame(image, record, [*seed, 3, i]), [*seed, 0, i])
        for i in range(count)
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
