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
class ContinuedTrainParams(TrainParams):
    """A training that can go on from what an earlier one made, as often as `runs`."""

    pretrained: bool
    continued: bool
    trained_share: PositiveShare
    runs: Count


@dataclass(frozen=True)
class TrainSsdParams(ContinuedTrainParams):
    """Training of the detector: matcher thresholds, loss weights."""

    match_iou: Annotated[PositiveShare, NotBelow("ignore_iou")]
    ignore_iou: Share
    focal_alpha: Share
    focal_gamma: NonNegative
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
class TrainDirectionParams(TrainParams):
    """Training of the direction classifier: what it begins with, and its labels."""

    frozen_blocks: FrozenDirectionBlocks
    pretrained: bool
    label_smoothing: NotAll
