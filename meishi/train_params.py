"""Params of the trainings: what all have, and what each has of its own."""

from dataclasses import dataclass
from typing import Annotated

from meishi.ranges import (
    SCORE_TARGETS,
    Count,
    FrozenBlocks,
    FrozenDirectionBlocks,
    Natural,
    NonNegative,
    NotAll,
    NotBelow,
    OneOf,
    Positive,
    PositiveShare,
    Share,
    Strategy,
    ZeroOr,
)


@dataclass(frozen=True)
class TrainParams:
    """What every training has: schedule, checkpoints, and the machines that take part."""

    frozen_blocks: FrozenBlocks
    epochs: Count
    batch: Count
    learning_rate: Positive
    weight_decay: NonNegative
    warmup_steps: Natural
    checkpoint_steps: Count
    strategy: Strategy


@dataclass(frozen=True)
class RepeatedTrainParams(TrainParams):
    """A training that is done as often as `runs` where it begins with weights, to take the mean."""

    pretrained: bool
    runs: Count

    @property
    def missing(self) -> str:
        """Name the param without which several runs have no common beginning; "" if they have."""
        return "" if self.pretrained else "pretrained"


@dataclass(frozen=True)
class ContinuedTrainParams(RepeatedTrainParams):
    """A training that can go on from what an earlier one made."""

    continued: bool
    trained_share: PositiveShare

    @property
    def missing(self) -> str:
        """Name what is missing: ImageNet's weights alone are none of the whole network."""
        return super().missing or ("" if self.continued else "continued")


@dataclass(frozen=True)
class TrainSsdParams(ContinuedTrainParams):
    """Training of the detector: matcher thresholds, loss weights."""

    match_iou: Annotated[PositiveShare, NotBelow("ignore_iou")]
    ignore_iou: Share
    focal_alpha: Share
    focal_gamma: Annotated[float, ZeroOr(1)]
    score_target: Annotated[str, OneOf(SCORE_TARGETS)]
    offset_weight: NonNegative
    offset_beta: Positive
    overlap_weight: NonNegative


@dataclass(frozen=True)
class TrainUnetParams(ContinuedTrainParams):
    """Training of the segmenter: loss weights."""

    dice_weight: NonNegative


@dataclass(frozen=True)
class TrainFlatParams(TrainParams):
    """Training of the flat segmenter, from the segmenter on: loss weights."""

    dice_weight: NonNegative


@dataclass(frozen=True)
class TrainDirectionParams(RepeatedTrainParams):
    """Training of the direction classifier: its blocks, and its labels."""

    frozen_blocks: FrozenDirectionBlocks
    label_smoothing: NotAll
