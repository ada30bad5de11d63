"""Our detector against the usual choice, MobileNetV2-SSDLite at 300 x 300, in one run.

The peer is built here with random weights: speed does not depend on them. Backbone: MobileNetV2
(alpha 1) of Keras; heads: SSDLite (Sandler et al. 2018, section 6.2), six feature maps from strides
16 and 32 on, separable 3x3 predictors, six anchors a cell (three on the first map) and 91 classes,
as in the TensorFlow Object Detection API's ssd_mobilenet_v2_coco. No suppression and no decoding:
that is in the peer's favour, for our detector decodes in the graph. Everything runs in LiteRT on
one thread, one process a net, in interleaved rounds; a ratio is the median of the rounds' ratios.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from meishi.benchmark.capture_speed import full_frames, load_litert_capture
from meishi.coreml.freeze import write_tflite
from meishi.data.shards import ShardReader
from meishi.keras import keras
from meishi.profiling.latency import LOADERS, TFLITE
from meishi.profiling.timing import Job, host, rounds_of, summary

layers = keras.layers
PEER, SSD, CAPTURE = "mobilenet_v2_ssdlite_300", "ssd", "capture_four_cards"
LIVE = "preview_frame_four_cards"
PEER_PX = 300
CLASSES = 91
ANCHORS = (3, 6, 6, 6, 6, 6)
EXTRAS = ((512, 256), (256, 128), (256, 128), (128, 64))  # channels out, and squeezed to before
RUNS_A_ROUND = 5


def build_peer() -> keras.Model:
    """Build MobileNetV2-SSDLite with random weights.

    Returns:
        A model of (B, PEER_PX, PEER_PX, 3) that gives `boxes` (B, A, 4) and `classes` (B, A, 91).
    """
    image = keras.Input((PEER_PX, PEER_PX, 3), name="image")
    scaled = layers.Rescaling(1 / 127.5, -1.0)(image)
    backbone = keras.applications.MobileNetV2(
        input_tensor=scaled, alpha=1.0, include_top=False, weights=None
    )
    maps = [backbone.get_layer(name).output for name in ("block_13_expand_relu", "out_relu")]
    for channels, squeezed in EXTRAS:
        x = _convolution(maps[-1], squeezed, 1)
        x = _normalised(layers.DepthwiseConv2D(3, 2, "same", use_bias=False)(x))
        maps.append(_convolution(x, channels, 1))
    outputs = []
    for values in (4, CLASSES):
        rows = [
            layers.Reshape((-1, values))(_predictor(x, anchors * values))
            for x, anchors in zip(maps, ANCHORS, strict=True)
        ]
        outputs.append(layers.Concatenate(axis=1)(rows))
    return keras.Model(image, outputs, name=PEER)


def benchmark(models: Path, scenes: Path, rounds: int) -> dict[str, Any]:
    """Time the peer, our detector, and captures of four cards: a photo's, a preview frame's.

    Args:
        models: folder that holds `tflite/`.
        scenes: prepared test split, for frames.
        rounds: of five runs each.

    Returns:
        {"host", "rounds", "threads": 1, name: times, "ratios": the peer's times over our
        detector's}.
    """
    frames = full_frames(ShardReader(scenes))
    with TemporaryDirectory() as folder:
        peer = Path(folder) / f"{PEER}.tflite"
        write_tflite(build_peer(), ["boxes", "classes"], peer)
        load = LOADERS[TFLITE]
        jobs = {
            PEER: Job(load, (str(peer), 1), PEER, 1),
            SSD: Job(load, (str(models / "tflite" / "ssd.tflite"), 1), SSD, 1),
            CAPTURE: Job(load_litert_capture, (models, frames, 1), CAPTURE, 1),
            LIVE: Job(load_litert_capture, (models, frames, 1, True), LIVE, 1),
        }
        found = rounds_of(jobs, RUNS_A_ROUND, rounds)
    return {"host": host(), "rounds": rounds, "threads": 1} | compared(found)


def compared(rounds: Mapping[str, Sequence[Sequence[tuple[float, float]]]]) -> dict[str, Any]:
    """Reduce rounds of (milliseconds, processor seconds) to times and the median ratio.

    The ratio is also given of processor time, which other programs on the host disturb less.
    """
    result: dict[str, Any] = {}
    for name, parts in rounds.items():
        runs = [run for part in parts for run in part]
        result[name] = summary([wall for wall, _ in runs]) | {
            "cpu_s": round(float(np.mean([processor for _, processor in runs])), 5)
        }
    result["ratios"] = {
        kind: round(float(np.median(_ratios(rounds, place))), 2)
        for place, kind in enumerate(("wall_clock", "cpu"))
    }
    return result


def _ratios(rounds: Mapping[str, Sequence], place: int) -> list[float]:
    """Return the peer's median time over our detector's, of each round."""
    medians = {
        name: [float(np.median([run[place] for run in part])) for part in rounds[name]]
        for name in (PEER, SSD)
    }
    return [peer / own for peer, own in zip(medians[PEER], medians[SSD], strict=True)]


def _convolution(x, channels: int, side: int):
    return _normalised(layers.Conv2D(channels, side, padding="same", use_bias=False)(x))


def _normalised(x):
    return layers.ReLU(6.0)(layers.BatchNormalization()(x))


def _predictor(x, channels: int):
    x = _normalised(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
    return layers.Conv2D(channels, 1)(x)
