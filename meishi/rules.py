"""What a variant must keep to be shipped and a change to be taken: sections `ship` and `gate`."""

from dataclasses import dataclass
from typing import Annotated

from meishi.ranges import Like, NonNegative, OneOf

# The figures that are measured of a variant, as measuring/outcome.py reduces them: of what it is,
# and of the capture that it is a part of.
_DETECTION = ("ap50", "ap75", "ap50_95", "recall")
_DIRECTION = ("right", "sure", "right_of_sure")
_CAPTURE = (
    "iou_mean",
    "iou_p05",
    "recall50",
    "corner_error_mean_pct",
    "corner_error_p95_pct",
    "exact_count",
    "false_cards_per_image",
    "empty_with_false_card",
)
CAPTURE_FIGURES = tuple(f"capture.{key}" for key in _CAPTURE)
SSD_FIGURES = (*(f"detection.{key}" for key in _DETECTION), *CAPTURE_FIGURES)
UNET_FIGURES = ("segmentation.mask_iou", *CAPTURE_FIGURES)
FLAT_FIGURES = CAPTURE_FIGURES
DIRECTION_FIGURES = (*(f"direction.{key}" for key in _DIRECTION), *CAPTURE_FIGURES)


@dataclass(frozen=True)
class LossParams:
    """The most that a figure of metrics/measure/KEY.json may lose; `figure` is its path there."""

    figure: str
    loss: NonNegative


@dataclass(frozen=True)
class SsdLossParams(LossParams):
    """Of a variant of the detector."""

    figure: Annotated[str, OneOf(SSD_FIGURES)]


@dataclass(frozen=True)
class UnetLossParams(LossParams):
    """Of a variant of the segmenter."""

    figure: Annotated[str, OneOf(UNET_FIGURES)]


@dataclass(frozen=True)
class FlatLossParams(LossParams):
    """Of a variant of the flat segmenter, against a capture without one."""

    figure: Annotated[str, OneOf(FLAT_FIGURES)]


@dataclass(frozen=True)
class DirectionLossParams(LossParams):
    """Of a variant of the direction classifier."""

    figure: Annotated[str, OneOf(DIRECTION_FIGURES)]


@dataclass(frozen=True)
class ShipParams:
    """The smallest variant is shipped that runs on `target` and loses no more of each network."""

    target: Annotated[str, Like(r"iOS[0-9]+", "iOS and its number, such as iOS15")]
    ssd: tuple[SsdLossParams, ...]
    unet: tuple[UnetLossParams, ...]
    flat: tuple[FlatLossParams, ...]
    direction: tuple[DirectionLossParams, ...]


@dataclass(frozen=True)
class LimitParams:
    """What a figure of metrics/ must reach (or not exceed), and the most a change may lose."""

    figure: str
    limit: float
    loss: NonNegative


@dataclass(frozen=True)
class GateParams:
    """The quality gate."""

    limits: tuple[LimitParams, ...]
