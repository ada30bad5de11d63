"""MIL's operations that move values, over shapes, axes and amounts: their kernels alone."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from meishi.coreml.kernels.arguments import Arguments
from meishi.coreml.ops import OPS
from meishi.keras import tf
from tests.model.coreml_programs import random

pytestmark = pytest.mark.tf
few = settings(max_examples=30, deadline=None, derandomize=True)
shapes = st.lists(st.integers(1, 5), min_size=1, max_size=5).map(tuple)


def result(name, x, **inputs):
    return OPS[name](Arguments(x=tf.constant(x), **inputs))


def same(found, expected):
    np.testing.assert_array_equal(found, expected)


def axis_of(draw, shape, more=0):
    """An axis of a shape, counted from either end; `more` axes may join it."""
    rank = len(shape) + more
    return draw(st.integers(-rank, rank - 1))


@few
@given(data=st.data(), shape=shapes)
def test_axes_that_come_move_and_go(data, shape):
    x = random(*shape)
    order = data.draw(st.permutations(range(len(shape))))
    turned = [axis - len(shape) if data.draw(st.booleans()) else axis for axis in order]
    same(result("transpose", x, perm=turned), x.transpose(order))
    new = axis_of(data.draw, shape, more=1)
    wide = np.expand_dims(x, new)
    same(result("expand_dims", x, axes=[new]), wide)
    same(result("squeeze", wide, axes=[new]), x)
    same(result("squeeze", wide), x.squeeze())
    flat = data.draw(st.integers(0, len(shape)))
    sizes = (int(np.prod(shape[:flat])), int(np.prod(shape[flat:])))
    same(result("flatten2d", x, axis=flat), x.reshape(sizes))


@few
@given(data=st.data(), shape=shapes)
def test_reshape(data, shape):
    x = random(*shape)
    target = list(data.draw(st.permutations(shape)))
    expected = x.reshape(target)
    same(result("reshape", x, shape=target), expected)
    open_axis = data.draw(st.integers(0, len(shape) - 1))
    asked = [-1 if axis == open_axis else n for axis, n in enumerate(target)]
    same(result("reshape", x, shape=asked), expected)
    kept = [0 if n == have else n for n, have in zip(asked, shape, strict=True)]
    same(result("reshape", x, shape=kept), expected)


@few
@given(data=st.data(), shape=shapes)
def test_joining_and_parting(data, shape):
    axis = axis_of(data.draw, shape)
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    parts = []
    for size in sizes:
        part = list(shape)
        part[axis] = size
        parts.append(random(*part))
    whole = np.concatenate(parts, axis=axis)
    values = [tf.constant(part) for part in parts]
    same(OPS["concat"](Arguments(values=values, axis=axis)), whole)
    for found, part in zip(
        result("split", whole, split_sizes=sizes, axis=axis), parts, strict=True
    ):
        same(found, part)
    equal = np.concatenate([parts[0]] * 3, axis=axis)
    for found in result("split", equal, num_splits=3, axis=axis):
        same(found, parts[0])
    place = axis_of(data.draw, shape, more=1)
    pair = [values[0], values[0] * 2]
    expected = np.stack([parts[0], parts[0] * 2], axis=place)
    same(OPS["stack"](Arguments(values=pair, axis=place)), expected)
    woven = np.stack([parts[0], parts[0] * 2], axis=axis % len(shape) + 1)
    woven = woven.reshape(
        equal.shape[: axis % len(shape)] + (-1,) + parts[0].shape[axis % len(shape) + 1 :]
    )
    same(OPS["concat"](Arguments(values=pair, axis=axis, interleave=True)), woven)


@st.composite
def slices(draw):
    """A shape, and for each axis begin, end, stride and three masks that leave something over."""
    shape, cuts = draw(shapes), []
    for size in shape:
        begin, stride = draw(st.integers(0, size - 1)), draw(st.sampled_from([1, 2, -1, -2]))
        if stride > 0:
            end, mask = draw(st.integers(begin + 1, size + 2)), draw(st.booleans())
        else:  # an end before the first value cannot be told from one counted from the last
            end, mask = draw(st.integers(-1, begin - 1)), draw(st.booleans())
            mask = mask or end < 0
        from_last = draw(st.booleans())
        cuts.append((begin - size if from_last else begin, end, stride, draw(st.booleans()), mask))
    squeezed = [draw(st.sampled_from([False, False, True])) for _ in shape]
    return shape, cuts, squeezed


@few
@given(case=slices())
def test_slice_by_index(case):
    shape, cuts, squeezed = case
    x = random(*shape)
    begin, end, stride, first, last = zip(*cuts, strict=True)
    places = []
    for (b, e, s, from_first, to_last), squeeze in zip(cuts, squeezed, strict=True):
        whole = slice(None if from_first else b, None if to_last else e, s)
        places.append((0 if from_first else b) if squeeze else whole)
    expected = x[tuple(places)]
    assume(expected.size)
    masks = {"begin_mask": first, "end_mask": last, "squeeze_mask": squeezed}
    found = result("slice_by_index", x, begin=begin, end=end, stride=stride, **masks)
    same(found, expected)
    replaced = x.copy()
    replaced[tuple(places)] = 7
    update = tf.fill(expected.shape, 7.0)
    given = {"begin": begin, "end": end, "stride": stride, "update": update}
    same(result("slice_update", x, **given, **masks), replaced)


@few
@given(data=st.data(), shape=shapes)
def test_slice_by_size(data, shape):
    begin = [data.draw(st.integers(0, n - 1)) for n in shape]
    size = [data.draw(st.integers(1, n - b)) for n, b in zip(shape, begin, strict=True)]
    x, rest = random(*shape), data.draw(st.booleans())
    places = tuple(slice(b, None if rest else b + n) for b, n in zip(begin, size, strict=True))
    from_last = [
        b - n if data.draw(st.booleans()) else b for b, n in zip(begin, shape, strict=True)
    ]
    found = result("slice_by_size", x, begin=from_last, size=[-1] * len(shape) if rest else size)
    same(found, x[places])


@few
@given(data=st.data(), shape=shapes)
def test_gather(data, shape):
    x, axis = random(*shape), axis_of(data.draw, shape)
    size = shape[axis]
    inner = data.draw(st.lists(st.integers(1, 3), max_size=2).map(tuple))
    count = int(np.prod(inner))
    numbers = st.lists(st.integers(-size, size - 1), min_size=count, max_size=count)
    indices = np.reshape(np.int32(data.draw(numbers)), inner)
    found = result("gather", x, indices=tf.constant(indices), axis=axis)
    same(found, np.take(x, indices, axis=axis))
    along = np.moveaxis(np.broadcast_to(indices.ravel(), (*shape[:-1], count)), -1, axis)
    if axis % len(shape) == len(shape) - 1:
        found = result("gather_along_axis", x, indices=tf.constant(along), axis=axis)
        same(found, np.take_along_axis(x, along, axis))


@few
@given(data=st.data(), shape=shapes.filter(lambda shape: len(shape) > 1))
def test_gather_in_batches(data, shape):
    x, batches = random(*shape), data.draw(st.integers(1, len(shape) - 1))
    axis = data.draw(st.integers(batches, len(shape) - 1))
    indices = np.random.default_rng(sum(shape)).integers(0, shape[axis], (*shape[:batches], 3))
    indices = indices.astype(np.int32)
    found = result("gather", x, indices=tf.constant(indices), axis=axis, batch_dims=batches)
    expected = np.stack(
        [np.take(x[place], indices[place], axis - batches) for place in np.ndindex(shape[:batches])]
    )
    same(found, expected.reshape(*shape[:batches], *expected.shape[1:]))


@few
@given(data=st.data(), shape=st.lists(st.integers(2, 5), min_size=1, max_size=4).map(tuple))
def test_pad(data, shape):
    x, last = random(*shape), data.draw(st.integers(1, len(shape)))
    pads = [data.draw(st.tuples(*[st.integers(0, 1)] * 2)) for _ in range(last)]
    amounts = [(0, 0)] * (len(shape) - last) + pads
    flat = np.ravel(pads)
    found = result("pad", x, pad=flat, mode="constant", constant_val=np.float32(3))
    same(found, np.pad(x, amounts, constant_values=3))
    same(result("pad", x, pad=flat, mode="reflect"), np.pad(x, amounts, mode="reflect"))
    same(result("pad", x, pad=flat, mode="replicate"), np.pad(x, amounts, mode="edge"))


@few
@given(sizes=st.tuples(*[st.integers(1, 3)] * 4), block=st.integers(1, 3))
def test_space_and_depth(sizes, block):
    n, c, h, w = sizes
    x = random(n, c * block**2, h, w)
    deep = result("depth_to_space", x, block_size=block)
    expected = tf.nn.depth_to_space(x.transpose(0, 2, 3, 1), block) if block > 1 else None
    same(deep, x if block == 1 else tf.transpose(expected, (0, 3, 1, 2)))
    same(result("space_to_depth", deep, block_size=block), x)
    shuffled = result("pixel_shuffle", x, upscale_factor=block).numpy()
    for channel, row, column in np.ndindex(c, block, block):  # as PyTorch defines it
        part = x[:, channel * block**2 + row * block + column]
        same(shuffled[:, channel, row::block, column::block], part)
    same(result("pixel_unshuffle", shuffled, downscale_factor=block), x)


@few
@given(data=st.data(), shape=shapes, ascending=st.booleans())
def test_sorted_values(data, shape, ascending):
    x, axis = random(*shape), axis_of(data.draw, shape)
    k = data.draw(st.integers(1, shape[axis]))
    order = np.argsort(x if ascending else -x, axis=axis, kind="stable")
    same(result("argsort", x, axis=axis, ascending=ascending), order)
    values, indices = result("topk", x, k=k, axis=axis, ascending=ascending)
    order = order.take(range(k), axis)
    same(indices, order)
    same(values, np.take_along_axis(x, order, axis))


@few
@given(data=st.data(), shape=shapes)
def test_repeated_and_reversed(data, shape):
    x = random(*shape)
    reps = [data.draw(st.integers(1, 3)) for _ in shape]
    same(result("tile", x, reps=reps), np.tile(x, reps))
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    same(result("reverse", x, axes=axes), np.flip(x, axes))
    axis = axis_of(data.draw, shape)
    total = result("cumsum", x, axis=axis)
    np.testing.assert_allclose(total, x.cumsum(axis), atol=1e-5)
