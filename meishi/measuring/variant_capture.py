"""Capturing with a variant: its package, run on Linux, in place of one of the networks.

The others are the float32 ones under LiteRT, so that a figure tells of this variant alone. None of
them is the flat segmenter, but in a measurement of one: what that adds is then seen.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from meishi.capture.flattening import FlatSegmenter
from meishi.capture.flow import CardCapture
from meishi.coreml.export import PACKAGES
from meishi.coreml.runtime import Package
from meishi.coreml.sources import Source
from meishi.errors import InputError
from meishi.evaluation.losses import losses
from meishi.variants import Variant


class LossError(InputError):
    """A variant's figures fall below those of the float32 network by more than it may lose."""


def with_variant(
    capture: CardCapture, variant: Variant, folder: Path, source: Source
) -> CardCapture:
    """Put a variant's package into a capture; of the detector the one without suppression.

    Args:
        capture: the networks in float32, without the flat one.
        variant: which network it is, and its precision: in "fp16" every operation is rounded.
        folder: holds the variant's packages.
        source: what the variant was converted from.

    Raises:
        InputError: if the package is missing, damaged or cannot be run.
    """
    name = PACKAGES[variant.model][0]
    package = Package.load(folder / f"{name}{variant.suffix}", variant.precision or "fp32")

    def network(image: np.ndarray) -> dict[str, np.ndarray]:
        return package.predict({"image": image})

    if variant.model == "ssd":
        return replace(capture, detector=network)
    if variant.model == "unet":
        return replace(capture, segmenter=network)
    if variant.model == "flat":
        return replace(capture, flat=FlatSegmenter(network, source.side_px, source.margin or 0.0))
    return replace(capture, classifier=network)


def require(
    name: str, original: Mapping[str, Any], metrics: Mapping[str, Any], most: float
) -> None:
    """Refuse a variant that lost more than `most` of a headline share.

    Args:
        name: of the variant, for the message.
        original: figures of the float32 networks on the same scenes.
        metrics: figures with the variant in place of one.
        most: `loss` of its entry.

    Raises:
        LossError: naming each figure.
    """
    faults = [
        f"{name}: {path} lost {lost:.4f} against float32, allowed {most:g}"
        for path, lost in losses(original, metrics).items()
        if lost > most
    ]
    if faults:
        hint = f"nothing is written (params: exports.{name}.loss)"
        raise LossError("\n".join([*faults, hint]))
