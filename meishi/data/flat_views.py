"""Flat views of cards by quads that are wrong, for the second segmenter."""

from functools import partial
from itertools import product

import cv2
import numpy as np

from meishi.data import wrong_quads
from meishi.data.augment import develop, photometric
from meishi.data.making import Made, make_samples
from meishi.data.overprint import is_printable, overprint
from meishi.data.records import Record
from meishi.data.samples import SampleSet
from meishi.data.shards import ShardReader
from meishi.flat_params import FlatParams
from meishi.geometry import crops, flat_views, quads
from meishi.pictures import images
from meishi.recipe import AugmentParams


def make_flat_views(
    reader: ShardReader, side_px: int, params: FlatParams, recipe: AugmentParams, seed: int
) -> SampleSet:
    """Make `views_per_card` views of each card, in worker processes.

    Args:
        reader: prepared scenes.
        side_px: of a view.
        params: the views, and how their quads are wrong.
        recipe: `crop_light`, `overprint`, and how many `workers`.
        seed: of every draw; the result does not depend on the number of processes.

    Returns:
        A set; the quad of each view is the card's, relative to it.
    """
    shown = [record for record in reader.records if record.cards]
    jobs = ((number, *scene) for number, scene in enumerate(reader.scenes(shown)))
    make = partial(_make, side_px=side_px, params=params, recipe=recipe, seed=seed)
    return make_samples(make, jobs, len(shown), recipe.workers)


def _make(
    jobs: list[tuple[int, Record, bytes]],
    side_px: int,
    params: FlatParams,
    recipe: AugmentParams,
    seed: int,
) -> Made:
    cv2.setNumThreads(1)
    light = photometric(recipe.crop_light)
    made = []
    for number, record, content in jobs:
        image = images.decode(content, record.id)
        views = []
        for card, view in product(range(len(record.quads)), range(params.views_per_card)):
            rng = np.random.default_rng([seed, number, card, view])
            quad, printed = record.quads[card], image
            if rng.random() < params.overprinted and is_printable(record, record.quads, card):
                printed = overprint(image, quad, None, recipe.overprint, rng)
            shown, seen = _view(printed, quads.to_px(quad, record.size_px), side_px, params, rng)
            jpeg = images.encode(develop(light, shown, rng), ".jpg", params.jpeg_quality)
            views.append((jpeg, seen[None]))
        made.append(views)
    return made


def _view(
    image: np.ndarray, quad_px: np.ndarray, side_px: int, params: FlatParams, rng
) -> tuple[np.ndarray, np.ndarray]:
    """Show a card by a wrong quad, from either long side, half of them mirrored; and its quad."""
    wrong = wrong_quads.misplaced(quad_px, params.wrong, rng)
    either_way = np.roll(wrong, 2 * int(rng.integers(2)), axis=0)
    view, view_from_image = flat_views.cut(image, either_way, side_px, params.margin)
    seen = quads.to_relative(crops.transform(quad_px, view_from_image), (side_px, side_px))
    if rng.random() < 0.5:
        view, seen = np.ascontiguousarray(view[:, ::-1]), (seen * [-1, 1] + [1, 0])[::-1]
    return view, seen
