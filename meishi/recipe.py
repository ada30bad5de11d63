"""The augmentation recipe as frozen dataclasses: every transform, its probability and ranges."""

from dataclasses import dataclass
from typing import Annotated

from meishi.ranges import (
    Channel,
    Count,
    Natural,
    NonNegative,
    NotBelow,
    Odd,
    Positive,
    PositiveShare,
    Quality,
    Range,
    Share,
    Turn,
)


@dataclass(frozen=True)
class RangeParams:
    """A transform with a strength drawn between two bounds; params.yaml states their unit."""

    probability: Share
    low: float
    high: Annotated[float, NotBelow("low")]


@dataclass(frozen=True)
class AffineParams:
    """Random scale, shift (relative) and rotation."""

    probability: Share
    scale_low: Positive
    scale_high: Annotated[float, NotBelow("scale_low")]
    shift: Share
    rotate_deg: Turn


@dataclass(frozen=True)
class ColorParams:
    """Random jitter: largest relative change of each property."""

    probability: Share
    brightness: Share
    contrast: Share
    saturation: Share
    hue: Annotated[float, Range(least=0, most=0.5)]


@dataclass(frozen=True)
class CastParams:
    """A colour cast: largest shift of each channel, of 255."""

    probability: Share
    red: Channel
    green: Channel
    blue: Channel


@dataclass(frozen=True)
class GeometryParams:
    """How a frame is flipped, turned, warped and scaled, and which cut cards it may show.

    `flip` and `rotate90` are probabilities, `cut_low` and `cut_high` shares of a card's area.
    """

    flip: Share
    rotate90: Share
    perspective: Annotated[RangeParams, Range(least=0, below=0.5)]
    affine: AffineParams
    cut_low: Share
    cut_high: Annotated[Share, NotBelow("cut_low")]


@dataclass(frozen=True)
class CropParams:
    """How a training crop strays from the card's true box, and how it is flipped and turned."""

    box_jitter: Annotated[float, Range(least=0, below=0.5)]
    rotate_deg: Turn
    flip: Share
    rotate90: Share
    empty_low: PositiveShare
    empty_high: Annotated[PositiveShare, NotBelow("empty_low")]
    outlined: Share


@dataclass(frozen=True)
class LightParams:
    """Light, colour and sensor, of frames or of crops; bare numbers are probabilities.

    Each range is that of what albumentations takes.
    """

    color: ColorParams
    cast: CastParams
    shadow: Annotated[RangeParams, Range(least=0, most=1)]
    illumination: Annotated[RangeParams, Range(least=0.01, most=0.2)]
    blur: Annotated[RangeParams, Range(least=3), Odd()]
    noise: Annotated[RangeParams, Range(least=0, most=1)]
    jpeg: Annotated[RangeParams, Range(least=1, most=100)]
    grey: Share


@dataclass(frozen=True)
class DropShadowParams:
    """The soft shadow around a card that is laid onto a scene."""

    low: Share
    high: Annotated[Share, NotBelow("low")]
    reach_low: NonNegative
    reach_high: Annotated[float, NotBelow("reach_low")]


@dataclass(frozen=True)
class PasteParams:
    """How a card of another scene is laid onto this one; `probability` and `touch` are such.

    `photo_probability` stands for the first where a photo without a card is what it is laid onto.
    """

    probability: Share
    photo_probability: Share
    touch: Share
    scale_low: PositiveShare
    scale_high: Annotated[PositiveShare, NotBelow("scale_low")]
    rotate_deg: Turn
    tilt_deg: Annotated[float, Range(least=0, below=90)]
    shadow: DropShadowParams


@dataclass(frozen=True)
class SwapParams:
    """How often a scene's cards are laid onto another background."""

    probability: Share
    shadow: DropShadowParams


@dataclass(frozen=True)
class ZoomParams:
    """How often a window around a card stands for the scene, and how large it is.

    The card takes a share of the window's area between `share_low` and `share_high`; the window's
    sides differ by the factor `aspect` at most, and leave out a rim of the card of `cut` at most.
    """

    frame_probability: Share
    crop_probability: Share
    share_low: Positive
    share_high: Annotated[float, NotBelow("share_low")]
    aspect: Positive
    cut: Share


@dataclass(frozen=True)
class OverprintParams:
    """How often a card in a frame or a crop gets more print, and what: shares but for `layers`.

    `layers` is the most that lie on one another; `whole` of the first ones cover the card,
    `picture` of the cards get parts of a photo, `ground` of the colours are those beside the card.
    """

    frame_probability: Share
    crop_probability: Share
    layers: Count
    whole: Share
    picture: Share
    ground: Share
    opacity_low: Share


@dataclass(frozen=True)
class SceneParams:
    """Which training scenes are augmented: what an ablation leaves out, of frames and crops.

    `sources` are names of fetch.sources, () for all; without `hard_negatives` scenes that hold
    things which look like cards are left out, with and without cards.
    """

    sources: tuple[str, ...]
    hard_negatives: bool


@dataclass(frozen=True)
class AugmentParams:
    """How many augmented samples, and the recipes."""

    scenes: SceneParams
    frames_draw: Natural
    crops_draw: Natural
    frames_per_scene: Count
    frames_per_photo: Natural
    crops_per_card: Count
    crops_per_empty_scene: Natural
    lookalikes_per_scene: Natural
    jpeg_quality: Quality
    workers: Count
    frame: GeometryParams
    crop: CropParams
    paste: PasteParams
    swap: SwapParams
    overprint: OverprintParams
    zoom: ZoomParams
    frame_light: LightParams
    crop_light: LightParams
