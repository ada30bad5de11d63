"""Params of the two networks that see a card's flat view: which way it reads, and where it ends."""

from dataclasses import dataclass
from typing import Annotated

from meishi.ranges import (
    Count,
    Filled,
    NonNegative,
    NotAll,
    Quality,
    Range,
    Share,
)
from meishi.recipe import RangeParams


@dataclass(frozen=True)
class DirectionParams:
    """Shape of the direction classifier, and the flat views of cards it is trained on."""

    sources: tuple[str, ...]
    view_px: Count
    dropout: NotAll
    views_per_card: Count
    corner_sigma: Share
    shuffled: Share
    jpeg_quality: Quality
    pictured: Share = 0.0
    on_photo: Share = 0.0
    inverted: Share = 0.0


@dataclass(frozen=True)
class WrongQuadParams:
    """How first quads are wrong, in the card's plane; lengths are shares of the card's side.

    Corners stray by one of `corner_sigmas`. With `shift.probability` a side lies elsewhere, further
    out if positive, two of them with `two_sides`; `far` gives the share and the bounds of those
    that stray more, `tilt` is the deviation of a side's ends. Of the other quads the share
    `corner` has one corner off by `corner_sigma`.
    """

    corner_sigmas: Annotated[tuple[NonNegative, ...], Filled()]
    shift: Annotated[RangeParams, Range(above=-1, below=1)]
    far: Annotated[RangeParams, Range(above=-1, below=1)]
    two_sides: Share
    tilt: NonNegative
    corner: Share
    corner_sigma: NonNegative


@dataclass(frozen=True)
class FlatParams:
    """The flat views that the second segmenter looks at, and is trained on.

    `margin` lies around the quad, of its own side in the view, on each side.
    """

    margin: NonNegative
    views_per_card: Count
    overprinted: Share
    jpeg_quality: Quality
    wrong: WrongQuadParams
