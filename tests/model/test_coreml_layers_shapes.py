"""Layers of neural networks that move, pick and place values, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meishi.coreml.kernels import resizing
from tests.model.coreml_networks import run_layer
from tests.model.coreml_programs import random

pytestmark = pytest.mark.tf
few = settings(max_examples=15, deadline=None)
X = random(2, 4, 6, 4)
Y = random(2, 4, 6, 4, seed=9)
BLOB = random(3, 1, 4, 2, 5)  # sequence, batch, channels, height, width
EDGES = {"borderAmounts": [{"startEdgeSize": 1, "endEdgeSize": 2}, {"endEdgeSize": 1}]}
PADS = ((0, 0), (0, 0), (1, 2), (0, 1))


def floats(*values):
    return np.float32(values)


def one_hot(indices):
    return np.where(indices[..., None] == np.arange(4), 3.0, -1.0)


def depth_to_space(x):
    n, c, h, w = x.shape
    result = np.zeros((n, c // 4, 2 * h, 2 * w), np.float32)
    for row in range(2):
        for column in range(2):
            first = (2 * row + column) * (c // 4)
            result[:, :, row::2, column::2] = x[:, first : first + c // 4]
    return result


def pixel_shuffle(x):
    n, c, h, w = x.shape
    result = np.zeros((n, c // 4, 2 * h, 2 * w), np.float32)
    for row in range(2):
        for column in range(2):
            result[:, :, row::2, column::2] = x[:, 2 * row + column :: 4]
    return result


INDEX = floats(2, 0, -1)
LONG = np.random.default_rng(0).integers(0, 4, (2, 3, 6, 4)).astype(np.float32)
WHOLE = LONG.astype(int)

# (layer, inputs, fields, expected)
CASES = [
    ("broadcastToDynamic", [X[:1], floats(2, 4, 6, 4)], {}, np.broadcast_to(X[:1], X.shape)),
    ("broadcastToLike", [X[:1], X], {}, np.broadcast_to(X[:1], X.shape)),
    ("broadcastToStatic", [X[:1]], {"targetShape": [2, 4, 6, 4]}, np.broadcast_to(X[:1], X.shape)),
    ("concat", [X, Y], {}, np.concatenate([X, Y], axis=1)),
    ("concat", [BLOB, BLOB], {"sequenceConcat": True}, np.concatenate([BLOB, BLOB])),
    ("concatND", [X, Y], {"axis": -1}, np.concatenate([X, Y], axis=3)),
    ("concatND", [X, Y], {"axis": 1, "interleave": True},
     np.stack([X, Y], axis=2).reshape(2, 8, 6, 4)),
    ("constantPad", [X[0, 0]], {"value": 2.0, "padAmounts": [1, 0, 0, 3]},
     np.pad(X[0, 0], ((1, 0), (0, 3)), constant_values=2)),
    ("constantPad", [X[0, 0]], {"padAmounts": [0, 8, 5, 0], "padToGivenOutputSizeMode": True},
     np.pad(X[0, 0], ((0, 2), (1, 0)))),
    ("crop", [X], {"cropAmounts": EDGES}, X[:, :, 1:-2, :-1]),
    ("crop", [X, X[:, :, :3, :2]], {"offset": [2, 1]}, X[:, :, 2:5, 1:3]),
    ("expandDims", [X], {"axes": [0]}, X[None]),
    ("expandDims", [X[0]], {"axes": [1, -1]}, X[0][:, None, ..., None]),
    ("fillDynamic", [floats(2, 3)], {"value": 4.0}, np.full((2, 3), 4)),
    ("fillDynamic", [floats(3)[None]], {"value": 4.0}, np.full(3, 4)),
    ("fillLike", [X], {"value": 4.0}, np.full(X.shape, 4)),
    ("fillStatic", [], {"value": 4.0, "targetShape": [2, 3]}, np.full((2, 3), 4)),
    ("flatten", [X], {}, X.reshape(2, -1, 1, 1)),
    ("flatten", [X], {"mode": 1}, X.transpose(0, 2, 3, 1).reshape(2, -1, 1, 1)),
    ("flattenTo2D", [X], {"axis": 2}, X.reshape(8, 24)),
    ("getShape", [X], {}, [2, 4, 6, 4]),
    ("loadConstant", [], {"shape": [4, 6, 4], "data": X[0]}, X[0][None, None]),
    ("loadConstantND", [], {"shape": [6, 4], "data": X[0, 0]}, X[0, 0]),
    ("padding", [X], {"constant": {"value": 3.0}, "paddingAmounts": EDGES},
     np.pad(X, PADS, constant_values=3)),
    ("padding", [X], {"reflection": {}, "paddingAmounts": EDGES}, np.pad(X, PADS, mode="reflect")),
    ("padding", [X], {"replication": {}, "paddingAmounts": EDGES}, np.pad(X, PADS, mode="edge")),
    ("permute", [BLOB], {"axis": [0, 3, 1, 2]}, BLOB.transpose(0, 1, 4, 2, 3)),
    ("permute", [BLOB], {"axis": [3, 1, 2, 0]}, BLOB.transpose(4, 1, 2, 3, 0)),
    ("rangeDynamic", [floats(7), floats(1)], {"stepSizeValue": 2.0}, [1, 3, 5]),
    ("rangeStatic", [], {"endValue": 3.0, "stepSizeValue": 1.5}, [0, 1.5]),
    ("rankPreservingReshape", [X], {"targetShape": [0, -1, 3, 4]}, X.reshape(2, 8, 3, 4)),
    ("reorganizeData", [X], {"mode": 1, "blockSize": 2}, depth_to_space(X)),
    ("reorganizeData", [depth_to_space(X)], {"mode": 0, "blockSize": 2}, X),
    ("reorganizeData", [X], {"mode": 2, "blockSize": 2}, pixel_shuffle(X)),
    ("reshape", [BLOB], {"targetShape": [2, 4, 5]}, BLOB.reshape(3, 1, 2, 4, 5)),
    ("reshape", [BLOB], {"targetShape": [1, 2, 6, 10]}, BLOB.reshape(1, 1, 2, 6, 10)),
    ("reshape", [BLOB], {"targetShape": [2, 4, 5], "mode": 1},
     BLOB.transpose(0, 1, 3, 4, 2).reshape(3, 1, 4, 5, 2).transpose(0, 1, 4, 2, 3)),
    ("reshapeDynamic", [X, floats(2, -1)], {}, X.reshape(2, -1)),
    ("reshapeLike", [X, X.reshape(8, 24)], {}, X.reshape(8, 24)),
    ("reshapeStatic", [X], {"targetShape": [8, -1]}, X.reshape(8, 24)),
    ("reverse", [X], {"reverseDim": [False, True, False, True]}, X[:, ::-1, :, ::-1]),
    ("reverseSeq", [X, floats(1, 3)], {"batchAxis": 0, "sequenceAxis": 1},
     np.stack([X[0], np.concatenate([X[1, 2::-1], X[1, 3:]])])),
    ("sequenceRepeat", [BLOB], {"nRepetitions": 2}, np.concatenate([BLOB, BLOB])),
    ("squeeze", [X[:1, :1]], {"axes": [0]}, X[0, :1]),
    ("squeeze", [X[:1, :1]], {"squeezeAll": True}, X[0, 0]),
    ("stack", [X, Y], {"axis": -1}, np.stack([X, Y], axis=-1)),
    ("tile", [X], {"reps": [1, 2, 1, 3]}, np.tile(X, (1, 2, 1, 3))),
    ("tile", [X, floats(2, 3)], {}, np.tile(X, (2, 3))),
    ("transpose", [X], {"axes": [3, 0, 2, 1]}, X.transpose(3, 0, 2, 1)),
    ("upsample", [X], {"scalingFactor": [2, 3]}, X.repeat(2, axis=2).repeat(3, axis=3)),
    # what picks and places
    ("gather", [X, INDEX], {"axis": 1}, X[:, [2, 0, -1]]),
    ("gatherAlongAxis", [X, LONG], {"axis": 1}, np.take_along_axis(X, WHOLE, 1)),
    ("gatherND", [X, floats([0, 1], [1, 3])], {}, X[[0, 1], [1, 3]]),
    ("lowerTriangular", [X], {"k": 1}, np.tril(X, 1)),
    ("upperTriangular", [X], {"k": -1}, np.triu(X, -1)),
    ("matrixBandPart", [X], {"numLower": 1, "numUpper": 0}, np.tril(np.triu(X, -1))),
    ("matrixBandPart", [X], {"numLower": 9, "numUpper": 5}, X),
    ("oneHot", [LONG[0, 0]], {"oneHotVectorSize": 4, "axis": -1, "onValue": 3.0, "offValue": -1.0},
     one_hot(WHOLE[0, 0])),
    ("slice", [X], {"startIndex": 1, "endIndex": -1, "stride": 2, "axis": 1}, X[:, :, 1:-1:2]),
    ("sliceBySize", [X, floats(1)], {"size": 2, "axis": 2}, X[:, :, 1:3]),
    ("sliceDynamic", [X[0, 0], floats(1, 0), floats(5, 3)], {"strides": [1] * 5},
     X[0, 0, 1:5, :3]),
    ("sliceDynamic", [X[0, 0], floats(1, 0), floats(5, 3), floats(2, 1)], {}, X[0, 0, 1:5:2, :3]),
    ("sliceDynamic", [X[0, 0], floats(1), floats(2)],
     {"beginMasks": [False, True], "endMasks": [False, True], "squeezeMasks": [True, False]},
     X[0, 0, 1]),
    ("sliceStatic", [X[0, 0]],
     {"beginIds": [1, 0], "endIds": [0, 3], "strides": [1, 2], "beginMasks": [False, True],
      "endMasks": [True, False], "squeezeMasks": [False, False]}, X[0, 0, 1:, :3:2]),
    ("slidingWindows", [X], {"axis": 2, "windowSize": 4, "step": 2},
     np.stack([X[:, :, :4], X[:, :, 2:]], axis=2)),
    ("whereNonZero", [np.round(X[0, 0])], {}, np.argwhere(np.round(X[0, 0]))),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(CASES)), ids=[case[0] for case in CASES])
def test_moved_values(case):
    name, inputs, fields, expected = CASES[case]
    found = run_layer(name, *inputs, **fields)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_splits():
    parts = run_layer("split", X, count=2, nOutputs=2)
    np.testing.assert_array_equal(parts, np.split(X, 2, axis=1))
    first, rest = run_layer("splitND", X, count=2, axis=2, splitSizes=[2, 4])
    np.testing.assert_array_equal(first, X[:, :, :2])
    np.testing.assert_array_equal(rest, X[:, :, 2:])


def interpolated(x, size, points):
    """Bilinear, by a loop over the points of each axis; clamped to the border."""
    result = np.zeros((*x.shape[:2], *size))
    for i, row in enumerate(np.clip(points[0], 0, x.shape[2] - 1)):
        for j, column in enumerate(np.clip(points[1], 0, x.shape[3] - 1)):
            top, left = int(row), int(column)
            low, right = min(top + 1, x.shape[2] - 1), min(left + 1, x.shape[3] - 1)
            down, across = row - top, column - left
            upper = x[:, :, top, left] * (1 - across) + x[:, :, top, right] * across
            lower = x[:, :, low, left] * (1 - across) + x[:, :, low, right] * across
            result[:, :, i, j] = upper * (1 - down) + lower * down
    return result


@pytest.mark.parametrize("mode", range(3))
def test_bilinear_upsampling(mode):
    """The three grids of the format: from the start, between corners, between edges."""
    grids = (
        lambda n: np.arange(2 * n) / 2,
        lambda n: np.arange(2 * n) * (n - 1) / (2 * n - 1),
        lambda n: (np.arange(2 * n) + 0.5) / 2 - 0.5,
    )
    expected = interpolated(X, (12, 8), [grids[mode](n) for n in (6, 4)])
    found = run_layer("upsample", X, scalingFactor=[2, 2], mode=1, linearUpsampleMode=mode)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@few
@given(size=st.tuples(st.integers(1, 9), st.integers(1, 9)), mode=st.integers(0, 3))
def test_bilinear_resizing(size, mode):
    """Grids as the format gives them in terms of NumPy's linspace."""

    def points(have, want):
        if mode == 0:
            return np.linspace(0, have - 1, want)
        if mode == 1:
            middle = (have - 1) / 2
            return np.full(1, middle) if want == 1 else np.linspace(0, have - 1, want)
        if mode == 2:
            return np.linspace(0, have - have / want, want)
        spacing = max(1, have - 1) / want
        return 0.5 * spacing + spacing * np.arange(want)

    expected = interpolated(X, size, [points(*pair) for pair in zip((6, 4), size, strict=True)])
    found = run_layer("resizeBilinear", X, targetSize=list(size), mode={"samplingMethod": mode})
    np.testing.assert_allclose(found, expected, atol=1e-4)


SCATTERS = {
    0: None,
    1: np.add,
    2: np.subtract,
    3: np.multiply,
    4: np.divide,
    5: np.maximum,
    6: np.minimum,
}


@pytest.mark.parametrize("mode", SCATTERS)
def test_scatters(mode):
    container, slices = np.abs(X[0]) + 1, np.abs(Y[0, :2]) + 1

    def placed(places, values):
        result = container.copy()
        result[places] = values if mode == 0 else SCATTERS[mode](result[places], values)
        return result

    found = run_layer("scatter", container, floats(3, 1), slices, axis=0, mode=mode)
    np.testing.assert_allclose(found, placed([3, 1], slices), rtol=1e-5)
    found = run_layer("scatterND", container, floats([3, 1], [0, 2]), slices[:, 0], mode=mode)
    np.testing.assert_allclose(found, placed(([3, 0], [1, 2]), slices[:, 0]), rtol=1e-5)
    indices = np.full((1, 6, 4), 2, np.float32)
    found = run_layer("scatterAlongAxis", container, indices, slices[:1], axis=0, mode=mode)
    np.testing.assert_allclose(found, placed([2], slices[:1]), rtol=1e-5)


def test_suppression_keeps_the_best_of_overlapping_boxes():
    boxes = floats([[5, 5, 4, 4], [5.2, 5, 4, 4], [20, 20, 4, 4], [40, 40, 4, 4]])
    scores = floats([[0.8], [0.9], [0.7], [0.1]])
    limits = {"iouThreshold": 0.5, "scoreThreshold": 0.3, "maxBoxes": 3}
    kept, values, indices, number = run_layer(
        "NonMaximumSuppression", boxes, scores, count=4, **limits
    )
    assert indices.tolist() == [[1, 2, -1]] and number.tolist() == [2]
    np.testing.assert_array_equal(kept[0], [boxes[0, 1], boxes[0, 2], np.zeros(4)])
    assert values[0, :, 0].tolist() == pytest.approx([0.9, 0.7, 0])


def test_regions_are_cropped_and_resized():
    x = random(1, 1, 3, 6, 8)  # sequence, batch, channels, height, width
    box = floats(1, 2, 4, 6).reshape(1, 1, 4, 1, 1)
    found = run_layer("cropResize", x, box, targetSize=[4, 5], mode={"samplingMethod": 0})
    np.testing.assert_allclose(found[0], x[0][:, :, 1:5, 2:7], atol=1e-5)
    assert resizing.grid(4, 4, "STRICT_ALIGN_CORNERS").tolist() == [0, 1, 2, 3]
