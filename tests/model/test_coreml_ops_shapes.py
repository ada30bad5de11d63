"""Operations of saved MIL programs that move values, pick them, or make new ones."""

import numpy as np
import pytest

from meishi.coreml.kernels.arguments import Arguments
from meishi.coreml.ops import OPS
from tests.model.coreml_programs import random, run

pytestmark = pytest.mark.tf
X = random(2, 3, 4, 6)


def check(tmp_path, build, expected, *values, ios=15):
    found = run(tmp_path, build, *values, ios=ios)
    found = found if isinstance(found, list) else [found]
    assert len(found) == len(expected)
    for place, (value, wanted) in enumerate(zip(found, expected, strict=True)):
        assert value.shape == wanted.shape, place
        np.testing.assert_allclose(value, wanted, atol=1e-6, err_msg=str(place))


def test_new_shapes(tmp_path):
    def build(mb, x):
        return [
            mb.reshape(x=x, shape=[6, -1]),
            mb.reshape(x=x, shape=[0, 3, -1, 0]),
            mb.transpose(x=x, perm=[3, 0, -2, 1]),
            mb.expand_dims(x=x, axes=[-1]),
            mb.squeeze(x=mb.expand_dims(x=x, axes=[0]), axes=[0]),
            mb.flatten2d(x=x, axis=2),
            mb.tile(x=x, reps=[1, 2, 1, 3]),
            mb.reverse(x=x, axes=[1, -1]),
        ]

    expected = [
        X.reshape(6, -1),
        X,
        X.transpose(3, 0, 2, 1),
        X[..., None],
        X,
        X.reshape(6, 24),
        np.tile(X, (1, 2, 1, 3)),
        X[:, ::-1, :, ::-1],
    ]
    check(tmp_path, build, expected, X)


def test_joining_and_parting(tmp_path):
    y = random(2, 3, 4, 6, seed=4)

    def build(mb, x, y):
        parts = mb.split(x=x, split_sizes=[1, 5], axis=-1)
        halves = mb.split(x=x, num_splits=2, axis=2)
        joined = mb.concat(values=[x, y], axis=1)
        woven = mb.concat(values=[x, y], axis=1, interleave=True)
        return [joined, woven, mb.stack(values=[x, y], axis=2), *parts, *halves]

    woven = np.stack([X, y], axis=2).reshape(2, 6, 4, 6)
    expected = [
        np.concatenate([X, y], axis=1),
        woven,
        np.stack([X, y], axis=2),
        *np.split(X, [1], axis=-1),
        *np.split(X, 2, axis=2),
    ]
    check(tmp_path, build, expected, X, y)


def blocks(x, b):
    """Yield (row, column, pixels) of the places in each block."""
    for i in range(b):
        for j in range(b):
            yield i, j, x[:, :, i::b, j::b]


def test_space_and_depth(tmp_path):
    deep = random(2, 8, 3, 2)
    in_tf_order = np.zeros((2, 2, 6, 4), np.float32)
    in_torch_order = np.zeros((2, 2, 6, 4), np.float32)
    for c in range(2):
        for i in range(2):
            for j in range(2):
                in_tf_order[:, c, i::2, j::2] = deep[:, (i * 2 + j) * 2 + c]
                in_torch_order[:, c, i::2, j::2] = deep[:, c * 4 + i * 2 + j]

    def build(mb, x, deep):
        return [
            mb.depth_to_space(x=deep, block_size=2),
            mb.pixel_shuffle(x=deep, upscale_factor=2),
            mb.space_to_depth(x=x, block_size=2),
            mb.pixel_unshuffle(x=x, downscale_factor=np.uint32(2)),
            mb.space_to_batch(x=x, block_shape=[2, 2], paddings=[[0, 0], [2, 0]]),
            mb.batch_to_space(
                x=mb.space_to_batch(x=x, block_shape=[2, 3], paddings=[[0, 0], [0, 0]]),
                block_shape=[2, 3],
                crops=[[1, 0], [0, 2]],
            ),
        ]

    depth = np.concatenate([part for _, _, part in blocks(X, 2)], axis=1)
    unshuffled = np.stack([part for _, _, part in blocks(X, 2)], axis=2).reshape(2, 12, 2, 3)
    wide = np.pad(X, ((0, 0), (0, 0), (0, 0), (2, 0)))
    batch = np.concatenate([part for _, _, part in blocks(wide, 2)])
    expected = [in_tf_order, in_torch_order, depth, unshuffled, batch, X[:, :, 1:, :4]]
    check(tmp_path, build, expected, X, deep, ios=16)


def test_slices(tmp_path):
    def build(mb, x):
        return [
            mb.slice_by_index(x=x, begin=[0, 1, 0, 1], end=[2, 3, 4, 5], stride=[1, 1, 2, 3]),
            mb.slice_by_index(
                x=x,
                begin=[0, 0, -1, 5],
                end=[1, 0, 0, 0],
                stride=[1, 1, -1, -2],
                begin_mask=[True, True, False, False],
                end_mask=[False, True, True, False],
            ),
            mb.slice_by_index(
                x=x,
                begin=[1, 0, -1, 0],
                end=[0] * 4,
                end_mask=[True] * 4,
                squeeze_mask=[True, False, True, False],
            ),
            mb.slice_by_size(x=x, begin=[0, 1, -3, 2], size=[2, -1, 2, 3]),
            mb.crop(x=x, crop_height=[1, 1], crop_width=[2, 0]),
            mb.sliding_windows(x=x, axis=3, size=3, stride=2),
        ]

    windows = np.stack([X[..., 0:3], X[..., 2:5]], axis=3)
    expected = [
        X[:, 1:3, ::2, 1:5:3],
        X[:1, :, -1::-1, 5:0:-2],
        X[1, :, -1, :],
        X[:, 1:, 1:3, 2:5],
        X[:, :, 1:3, 2:],
        windows,
    ]
    check(tmp_path, build, expected, X)


def test_a_slice_bounds_the_first_axes_only():
    masks = {"begin_mask": [False] + [True] * 3, "end_mask": [False] + [True] * 3}
    row = Arguments(x=X, begin=[1], end=[2], squeeze_mask=[True] + [False] * 3, **masks)
    np.testing.assert_array_equal(OPS["slice_by_index"](row), X[1])
    corner = Arguments(x=X, begin=[1, 1], end=[2, 3], stride=[1, 1])
    np.testing.assert_array_equal(OPS["slice_by_index"](corner), X[1:2, 1:3])


@pytest.mark.parametrize(("mode", "name"), [("reflect", "reflect"), ("replicate", "edge")])
def test_padding_repeats(tmp_path, mode, name):
    found = run(tmp_path, lambda mb, x: mb.pad(x=x, pad=[1, 2, 3, 0], mode=mode), X)
    expected = np.pad(X, ((0, 0), (0, 0), (1, 2), (3, 0)), mode=name)
    np.testing.assert_array_equal(found, expected)


def test_padding_with_a_constant(tmp_path):
    def build(mb, x):
        return mb.pad(x=x, pad=[1, 0, 0, 2, 3, 0], mode="constant", constant_val=7.0)

    wide = np.pad(X, ((0, 0), (1, 0), (0, 2), (3, 0)), constant_values=7)
    check(tmp_path, build, [wide], X)


def test_gathers(tmp_path):
    along = np.random.default_rng(1).integers(-4, 4, (2, 3, 5, 6)).astype(np.int32)
    places = np.int32([[[1, 2], [0, -1]], [[1, 0], [1, 1]]])

    def build(mb, x):
        return [
            mb.gather(x=x, indices=np.int32([2, 0, -1]), axis=1),
            mb.gather(x=x, indices=np.int32(1), axis=2),
            mb.gather(x=x, indices=np.int32([[0, 1], [2, 1]]), axis=3),
            mb.gather_along_axis(x=x, indices=along, axis=2),
            mb.gather_nd(x=x, indices=places),
        ]

    expected = [
        X[:, [2, 0, -1]],
        X[:, :, 1],
        X[..., [[0, 1], [2, 1]]],
        np.take_along_axis(X, along, axis=2),
        X[places[..., 0], places[..., 1]],
    ]
    check(tmp_path, build, expected, X)


MODES = {
    "update": None,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
}


@pytest.mark.parametrize("mode", MODES)
def test_scatters(tmp_path, mode):
    data, rows = random(4, 3), random(2, 3, seed=2) + 3
    some = random(4, 2, seed=3) + 3
    along = np.int32([[0, 2, 1], [3, 1, 0]])

    def changed(places, values):
        result = data.copy()
        if MODES[mode] is None:
            result[places] = values
        else:
            MODES[mode].at(result, places, values)
        return result

    def build(mb, data, rows, some):
        return [
            mb.scatter(data=data, indices=[2, 0], updates=rows, axis=0, mode=mode),
            mb.scatter(data=data, indices=[2, 0], updates=some, axis=1, mode=mode),
            mb.scatter_along_axis(data=data, indices=along, updates=rows, axis=0, mode=mode),
            mb.scatter_nd(data=data, indices=[[1], [3]], updates=rows, mode=mode),
        ]

    expected = [
        changed([2, 0], rows),
        changed((slice(None), [2, 0]), some),
        changed((along, np.arange(3)[None]), rows),
        changed([1, 3], rows),
    ]
    check(tmp_path, build, expected, data, rows, some)


@pytest.mark.parametrize("axis", [-3, -2, -1, 0, 1, 2])
def test_one_hot_along_any_axis(axis):
    indices = np.int32([[2, 0, 1, 1]])
    given = Arguments(indices=indices, one_hot_vector_size=np.int32(3), axis=np.int32(axis))
    expected = np.moveaxis(np.eye(3)[indices], -1, axis)
    np.testing.assert_array_equal(OPS["one_hot"](given), expected)


def test_made_values(tmp_path):
    def build(mb, x):
        sizes = mb.shape(x=x)
        ones = mb.fill(shape=sizes, value=1.5)
        flat = mb.reshape(
            x=x, shape=mb.concat(values=[mb.gather(x=sizes, indices=[0]), [-1]], axis=0)
        )
        hot = mb.one_hot(indices=[2, 0], one_hot_vector_size=3, axis=0, on_value=2.0, off_value=0.5)
        return [
            sizes,
            mb.add(x=ones, y=x),
            flat,
            mb.add(x=hot, y=mb.reduce_sum(x=x, keep_dims=False)),
            mb.range_1d(start=1, end=8, step=3),
            mb.band_part(x=x, lower=1, upper=0),
            mb.band_part(x=x, lower=-1, upper=9),
        ]

    hot = np.full((3, 2), 0.5, np.float32)
    hot[[2, 0], [0, 1]] = 2
    lower = np.tril(np.ones((4, 6)))
    near = lower - np.tril(np.ones((4, 6)), -2)
    expected = [
        np.array(X.shape),
        1.5 + X,
        X.reshape(2, -1),
        hot + X.sum(),
        np.arange(1, 8, 3),
        X * near,
        X,
    ]
    found = run(tmp_path, build, X)
    for value, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(value, wanted, atol=1e-4)


def test_values_that_decide_a_shape_are_run_step_by_step(tmp_path):
    x = np.float32([0, 3, 0, -2, 5])

    def build(mb, x):
        places = mb.non_zero(x=x)
        kept = mb.gather_nd(x=x, indices=places)
        return [places, mb.mul(x=kept, y=2.0)]

    places, kept = run(tmp_path, build, x)
    assert places.tolist() == [[1], [3], [4]] and kept.tolist() == [6, -4, 10]


def test_shapes_taken_from_other_tensors(tmp_path):
    def build(mb, x):
        y = mb.transpose(x=x, perm=[3, 0, 2, 1])
        like = mb.reshape_like(
            x=x, ref_tensors=(y, y), begins=(0, 2), ends=(2, 0), end_masks=(False, True)
        )
        return [like, mb.fill_like(ref_tensor=y, value=3.0)]

    check(tmp_path, build, [X.reshape(6, 2, 4, 3), np.full((6, 2, 4, 3), 3.0)], X, ios=16)


def test_a_slice_is_replaced(tmp_path):
    new = random(2, 3, 2, 6, seed=8)

    def build(mb, x, new):
        return mb.slice_update(
            x=x, update=new, begin=[0, 0, 1, 0], end=[2, 3, 4, 6], stride=[1, 1, 2, 1]
        )

    expected = X.copy()
    expected[:, :, 1:4:2] = new
    check(tmp_path, build, [expected], X, new, ios=18)
