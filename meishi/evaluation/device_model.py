"""How long a net would take on an iPhone: a model of published times, never a measurement.

Three times, kept apart as those who publish them do:

    isolated      the network alone, called again and again (Apple's own figures)
    single image  an image through Vision in an app: scaling, copies, waking the engine
    live          a frame of a camera loop: capture and drawing besides, at most the camera's rate

The isolated time is (a + b dense + c depthwise) (17 / TOPS)^k ms, with the multiply-accumulates in
10^9 and a, b, c >= 0; a single image is d + e isolated; live adds a constant. All are fitted to
`device_figures` in relative terms. Each published figure is then predicted by a fit without it,
and without every other figure of the same net: those errors are what a prediction is worth.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from meishi.evaluation.device_figures import (
    CAMERA_FPS,
    CHIPS,
    ISOLATED,
    LIVE,
    SINGLE_IMAGE,
    Published,
    PublishedLive,
)

REFERENCE_TOPS = CHIPS["A16"].tops
EXPONENTS = np.linspace(0.0, 2.0, 201)
KIND = "modelled, not measured"


@dataclass(frozen=True)
class DeviceModel:
    """The fitted coefficients.

    Attributes:
        isolated: (a, b, c) in ms, ms and ms a 10^9 multiply-accumulates, on an A16.
        exponent: k, how much of a chip's announced speed arrives.
        single: (d, e), ms and a factor.
        live_ms: what a frame of a camera loop takes besides.
    """

    isolated: tuple[float, float, float]
    exponent: float
    single: tuple[float, float]
    live_ms: float

    def isolated_ms(self, chip: str, dense: float, depthwise: float) -> float:
        """Return the network's time alone; multiply-accumulates in 10^9."""
        base = float(np.dot(self.isolated, (1.0, dense, depthwise)))
        return base * _slowness(chip) ** self.exponent

    def single_image_ms(self, isolated_ms: float) -> float:
        """Return an image's time in an app."""
        return self.single[0] + self.single[1] * isolated_ms

    def live_frame_ms(self, single_ms: float) -> float:
        """Return a frame's time in a camera loop, no less than the camera's."""
        return max(1000.0 / CAMERA_FPS, single_ms + self.live_ms)


def fit(
    isolated: Sequence[Published] = ISOLATED,
    single: Sequence[Published] = SINGLE_IMAGE,
    live: Sequence[PublishedLive] = LIVE,
) -> DeviceModel:
    """Fit the model to published figures."""
    exponent, coefficients = _fit_isolated(isolated)
    alone = DeviceModel(coefficients, exponent, (0.0, 0.0), 0.0)
    times = [alone.isolated_ms(row.chip, row.dense, row.depthwise) for row in single]
    design = np.column_stack([np.ones(len(times)), times])
    overhead, factor = _positive_fit(design, np.array([row.ms for row in single]))
    rest = float(np.median([1000.0 / row.fps - row.single_ms for row in live]))
    return DeviceModel(coefficients, exponent, (float(overhead), float(factor)), rest)


def held_out_errors() -> dict[str, dict[str, float]]:
    """Predict each published figure by a fit that knows no figure of its net.

    A live time is predicted from the published time of the single image, not from the network.

    Returns:
        For each kind of time the relative errors in percent: mean, largest, and how many.
    """
    return {
        "isolated": _errors(
            ISOLATED,
            lambda model, row: model.isolated_ms(row.chip, row.dense, row.depthwise),
            lambda row: row.ms,
        ),
        "single_image": _errors(
            SINGLE_IMAGE,
            lambda model, row: model.single_image_ms(
                model.isolated_ms(row.chip, row.dense, row.depthwise)
            ),
            lambda row: row.ms,
        ),
        "live": _errors(
            LIVE,
            lambda model, row: model.live_frame_ms(row.single_ms),
            lambda row: 1000.0 / row.fps,
        ),
    }


def estimate(
    nets: Mapping[str, Mapping[str, float]], capture_runs: Mapping[str, int]
) -> dict[str, Any]:
    """Model each net and a capture on each chip.

    Args:
        nets: by name {"dense", "depthwise"}, multiply-accumulates of one image.
        capture_runs: how often each net runs in a capture of four cards.

    Returns:
        {"kind", "error_pct", "coefficients", "chips": {chip: {part: {time: {"ms", "fps"}}}}} with
        the nets and "capture" (all runs of them, without the fitting of quads) as parts.
    """
    model = fit()
    return {
        "kind": KIND,
        "error_pct": held_out_errors(),
        "coefficients": {
            "isolated_ms": dict(zip(("call", "dense", "depthwise"), model.isolated, strict=True)),
            "tops_exponent": model.exponent,
            "single_image": {"overhead_ms": model.single[0], "factor": model.single[1]},
            "live_overhead_ms": model.live_ms,
        },
        "chips": {chip: _chip(model, chip, nets, capture_runs) for chip in CHIPS},
    }


def _chip(model: DeviceModel, chip: str, nets: Mapping, capture_runs: Mapping) -> dict[str, Any]:
    alone = {
        name: model.isolated_ms(chip, part["dense"] / 1e9, part["depthwise"] / 1e9)
        for name, part in nets.items()
    }
    # The runs follow each other while the engine is awake: its overhead is paid once.
    alone["capture"] = sum(count * alone[name] for name, count in capture_runs.items())
    rows = {}
    for name, isolated in alone.items():
        single = model.single_image_ms(isolated)
        live = model.live_frame_ms(single)
        times = (("isolated", isolated), ("single_image", single), ("live", live))
        rows[name] = {
            kind: {"ms": round(ms, 2), "fps": round(1000.0 / ms, 1)} for kind, ms in times
        }
    return rows


def _fit_isolated(rows: Sequence[Published]) -> tuple[float, tuple[float, float, float]]:
    times = np.array([row.ms for row in rows])
    work = np.array([(1.0, row.dense, row.depthwise) for row in rows])
    slowness = np.array([_slowness(row.chip) for row in rows])
    best: tuple[float, float, np.ndarray] | None = None
    for exponent in EXPONENTS:
        design = work * slowness[:, None] ** exponent
        coefficients = _positive_fit(design, times)
        error = float(np.sum((design @ coefficients / times - 1.0) ** 2))
        if best is None or error < best[0]:
            best = error, float(exponent), coefficients
    assert best is not None
    a, b, c = (float(value) for value in best[2])
    return best[1], (a, b, c)


def _positive_fit(design: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Fit coefficients >= 0 to relative errors."""
    coefficients, _ = nnls(design / times[:, None], np.ones(len(times)))
    return coefficients


def _errors(rows: Sequence, predict: Callable, truth: Callable) -> dict:
    errors = []
    for row in rows:
        model = fit(
            [known for known in ISOLATED if known.net != row.net],
            [known for known in SINGLE_IMAGE if known.net != row.net],
            [known for known in LIVE if known.net != row.net],
        )
        errors.append(abs(predict(model, row) / truth(row) - 1.0) * 100.0)
    return {
        "mean": round(float(np.mean(errors)), 1),
        "largest": round(float(np.max(errors)), 1),
        "figures": len(errors),
    }


def _slowness(chip: str) -> float:
    return REFERENCE_TOPS / CHIPS[chip].tops
