"""Palettes and int8 grids of weights; how a fine-tuning may be described."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from meishi import schema, tunings
from meishi.compression import grids, palettes
from meishi.errors import InputError
from meishi.variants import Variant

FINITE = st.floats(-8, 8, width=32)
ENTRY = {
    "model": "ssd",
    "samples": "frames",
    "palette_bits": 4,
    "palette_values": 5000,
    "kernel_bits": {},
    "group_channels": 0,
    "frozen_blocks": 3,
    "steps": 10,
    "batch": 8,
    "learning_rate": 0.1,
    "warmup_steps": 2,
    "checkpoint_steps": 5,
}


def test_two_heaps_of_numbers_are_a_palette_of_their_means():
    found = palettes.make_palette(np.array([1.0, 2.0, 3.0, 10.0, 12.0]), 2)
    np.testing.assert_allclose(found, [2.0, 11.0])


def test_few_distinct_numbers_are_their_own_palette():
    found = palettes.make_palette(np.array([[3.0, -1.0], [3.0, 3.0]]), 16)
    assert found.tolist() == [-1.0, 3.0]


@given(arrays(np.float32, array_shapes(max_dims=2, max_side=40), elements=FINITE))
def test_a_palette_is_ascending_no_larger_than_asked_and_within_the_values(values):
    found = palettes.make_palette(values, 4)
    assert len(found) <= 4
    assert (np.diff(found) >= 0).all()
    assert values.min() - 1e-6 <= found.min() <= found.max() <= values.max() + 1e-6


def test_each_entry_is_the_mean_of_the_values_that_it_stands_for():
    values = np.random.default_rng(1).normal(size=3000)
    found = palettes.make_palette(values, 16)
    near = palettes.nearest(values, found)
    means = [values[near == entry].mean() for entry in found]
    np.testing.assert_allclose(found, means, atol=1e-3)


def test_sixteen_entries_err_less_than_a_uniform_grid():
    values = np.random.default_rng(2).normal(size=5000)
    uniform = np.linspace(values.min(), values.max(), 16)
    error = [np.mean((palettes.nearest(values, p) - values) ** 2)
             for p in (palettes.make_palette(values, 16), uniform)]  # fmt: skip
    assert error[0] < 0.6 * error[1]


@given(st.lists(FINITE, min_size=1, max_size=9, unique=True), st.lists(FINITE, min_size=1))
def test_the_nearest_entry_is_nearest(palette, values):
    palette, values = np.sort(np.array(palette)), np.array(values)
    found = palettes.nearest(values, palette)
    best = np.abs(values[:, None] - palette).min(axis=1)
    np.testing.assert_allclose(np.abs(found - values), best, atol=1e-12)


@given(arrays(np.float32, (3, 7), elements=FINITE))
def test_a_grid_is_stored_as_it_is_and_near(values):
    found = grids.int8_grid(values, 0)
    half = found.astype(np.float16)
    assert np.array_equal(half, found)
    assert np.array_equal(grids.stored(half, 0), half)
    # Half a step of the channel, and what rounding the scale to float16 moves its ends by.
    largest = np.abs(values).max(axis=1, keepdims=True)
    assert (np.abs(found - values) <= largest * (0.5 / 127 + 2e-3) + 1e-5).all()


def test_a_grid_has_no_more_levels_than_eight_bits():
    found = grids.int8_grid(np.random.default_rng(3).normal(size=(2, 5000)), 0)
    assert all(len(np.unique(row)) <= 255 for row in found)


def test_the_channels_of_a_grid_may_lie_on_any_axis():
    values = np.random.default_rng(4).normal(size=(3, 3, 5, 4)) * [1.0, 10.0, 0.1, 3.0]
    last = grids.int8_grid(values, 3)
    np.testing.assert_array_equal(last, np.moveaxis(grids.int8_grid(values.T, 0).T, 3, 3))
    assert all(len(np.unique(last[..., c])) > 20 for c in range(4))


def test_a_channel_that_float16_cannot_scale_becomes_zero():
    values = np.array([[1e-7, -3e-6], [1.0, 0.5]])
    assert grids.int8_grid(values, 0)[0].tolist() == [0.0, 0.0]
    assert grids.int8_grid(np.zeros((2, 2)), 0).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_frozen_blocks_begin_with_the_stem():
    entry = tunings.Tuning(**ENTRY)
    assert entry.frozen == ("stem", "block0_", "block1_", "block2_")
    assert dataclasses.replace(entry, frozen_blocks=0).frozen == ()


def test_a_kernel_has_the_bits_of_its_size_unless_its_layer_is_named():
    entry = tunings.Tuning(**ENTRY | {"kernel_bits": {"head0": 2, "large": 0}})
    assert [entry.bits(name, 4999) for name in ("head0", "large", "other")] == [2, 0, 0]
    assert [entry.bits(name, 5000) for name in ("head0", "large", "other")] == [2, 0, 4]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "yolo"}, "model: expected one of ssd, unet, got 'yolo'"),
        ({"samples": "crops"}, "samples: ssd learns from frames, got 'crops'"),
        ({"palette_bits": 3}, "palette_bits: expected one of 0, 2, 4, 6, 8, got 3"),
        ({"kernel_bits": {"head0": 3}}, "kernel_bits.head0: expected one of 0, 2, 4, 6, 8, got 3"),
        (
            {"palette_bits": 0, "kernel_bits": {"head0": 6}},
            "kernel_bits.head0: with palette_bits 0 every kernel is on a grid",
        ),
        ({"palette_values": -1}, "palette_values: expected 0 at least, got -1"),
        ({"steps": 0}, "steps: expected 1 at least, got 0"),
        ({"batch": 0}, "batch: expected 1 at least, got 0"),
        ({"learning_rate": 0.0}, "learning_rate: expected above 0, got 0.0"),
        ({"stepz": 3}, "unknown key 'stepz' (did you mean 'steps'?)"),
        ({"batch": "8"}, "batch: expected int, got str '8'"),
    ],
)
def test_a_tuning_that_cannot_be_is_refused(change, said):
    faults: list[schema.Fault] = []
    tunings.read_tunings({"net": ENTRY | change}, faults)
    assert [(fault.where, fault.what) for fault in faults] == [("tune.net", said)]


def test_an_unknown_tuning_is_refused_with_those_there_are():
    known = tunings.read_tunings({"net": ENTRY}, [])
    with pytest.raises(InputError, match="no entry 'nut'; there are net"):
        tunings.find(known, "nut")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"source": "tuned/other"}, "'tuned/other' is no entry of `tune`"),
        ({"model": "unet"}, "the variant has ('unet', 4, 0)"),
        ({"weights": "palette6"}, "the variant has ('ssd', 6, 0)"),
        ({"weights": "int8"}, "the variant has ('ssd', 0, 0)"),
        ({"group": 8}, "the variant has ('ssd', 4, 8)"),
    ],
)
def test_a_variant_takes_what_was_tuned_for_its_storage(change, fault):
    known = tunings.read_tunings({"net": ENTRY}, [])
    assert (known["net"].palette_bits, known["net"].group_channels) == (4, 0)
    plain = Variant("ssd", "tuned/net", "mlprogram", "iOS18", "palette4", 0.1, 0.1, "fp16")
    found = tunings.source_faults(known, {"small": dataclasses.replace(plain, **change)})
    assert [fault in each.what for each in found] == ([True] if fault else [])
