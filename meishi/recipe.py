"""The augmentation recipe as frozen dataclasses: every transform, its probability and ranges."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RangeParams:
    """A transform with a strength drawn between two bounds; params.yaml states their unit."""

    probability: float
    low: float
    high: float


@dataclass(frozen=True)
class AffineParams:
    """Random scale, shift (relative) and rotation."""

    probability: float
    scale_low: float
    scale_high: float
    shift: float
    rotate_deg: float


@dataclass(frozen=True)
class ColorParams:
    """Random jitter: largest relative change of each property."""

    probability: float
    brightness: float
    contrast: float
    saturation: float
    hue: float


@dataclass(frozen=True)
class CastParams:
    """A colour cast: largest shift of each channel, of 255."""

    probability: float
    red: int
    green: int
    blue: int


@dataclass(frozen=True)
class GeometryParams:
    """How a frame is flipped, turned, warped and scaled, and which cut cards it may show.

    `flip` and `rotate90` are probabilities, `cut_low` and `cut_high` shares of a card's area.
    """

    flip: float
    rotate90: float
    perspective: RangeParams
    affine: AffineParams
    cut_low: float
    cut_high: float


@dataclass(frozen=True)
class CropParams:
    """How a training crop strays from the card's true box, and how it is flipped and turned."""

    box_jitter: float
    rotate_deg: float
    flip: float
    rotate90: float
    empty_low: float
    empty_high: float
    outlined: float


@dataclass(frozen=True)
class LightParams:
    """Light, colour and sensor, of frames or of crops; bare numbers are probabilities."""

    color: ColorParams
    cast: CastParams
    shadow: RangeParams
    illumination: RangeParams
    blur: RangeParams
    noise: RangeParams
    jpeg: RangeParams
    grey: float


@dataclass(frozen=True)
class DropShadowParams:
    """The soft shadow around a card that is laid onto a scene."""

    low: float
    high: float
    reach_low: float
    reach_high: float


@dataclass(frozen=True)
class PasteParams:
    """How a card of another scene is laid onto this one; `probability` and `touch` are such."""

    probability: float
    touch: float
    scale_low: float
    scale_high: float
    rotate_deg: float
    tilt_deg: float
    shadow: DropShadowParams


@dataclass(frozen=True)
class SwapParams:
    """How often a scene's cards are laid onto another background."""

    probability: float
    shadow: DropShadowParams


@dataclass(frozen=True)
class ZoomParams:
    """How often a window around a card stands for the scene, and how large it is.

    The card takes a share of the window's area between `share_low` and `share_high`; the window's
    sides differ by the factor `aspect` at most, and leave out a rim of the card of `cut` at most.
    """

    frame_probability: float
    crop_probability: float
    share_low: float
    share_high: float
    aspect: float
    cut: float


@dataclass(frozen=True)
class OverprintParams:
    """How often a card in a frame or a crop gets more print, and what: shares but for `layers`.

    `layers` is the most that lie on one another; `whole` of the first ones cover the card,
    `picture` of the cards get parts of a photo, `ground` of the colours are those beside the card.
    """

    frame_probability: float
    crop_probability: float
    layers: int
    whole: float
    picture: float
    ground: float
    opacity_low: float


@dataclass(frozen=True)
class SceneParams:
    """Which training scenes are augmented: what an ablation leaves out.

    `sources` are names of fetch.sources, () for all; without `hard_negatives` scenes that hold
    things which look like cards are left out, with and without cards.
    """

    sources: tuple[str, ...]
    hard_negatives: bool


@dataclass(frozen=True)
class AugmentParams:
    """How many augmented samples, and the recipes."""

    scenes: SceneParams
    draw: int
    frames_per_scene: int
    crops_per_card: int
    crops_per_empty_scene: int
    lookalikes_per_scene: int
    jpeg_quality: int
    workers: int
    frame: GeometryParams
    crop: CropParams
    paste: PasteParams
    swap: SwapParams
    overprint: OverprintParams
    zoom: ZoomParams
    frame_light: LightParams
    crop_light: LightParams


@dataclass(frozen=True)
class DirectionParams:
    """Shape of the direction classifier, and the flat views of cards it is trained on."""

    sources: tuple[str, ...]
    view_px: int
    dropout: float
    views_per_card: int
    corner_sigma: float
    shuffled: float
    jpeg_quality: int


@dataclass(frozen=True)
class TrainDirectionParams:
    """Training of the direction classifier: schedule."""

    pretrained: bool
    frozen_blocks: int
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    label_smoothing: float
    checkpoint_steps: int
    strategy: str
