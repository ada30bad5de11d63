"""Which channels a narrower layer keeps: those that give most to the layer after them."""

import numpy as np
import pytest

from meishi.backbone.narrowing import strongest

pytestmark = pytest.mark.tf


def kernel(*strengths):
    """A 1x1 kernel that takes so much of each channel."""
    return np.array(strengths, np.float32)[None, None, :, None] * np.ones((1, 1, 1, 2))


def test_channels_that_are_hardly_listened_to_go():
    gamma, beta = np.ones(4), np.ones(4)
    assert strongest(gamma, beta, kernel(0.5, -3.0, 0.0, 1.0), 2).tolist() == [1, 3]


def test_channels_that_are_hardly_ever_above_zero_go():
    assert strongest(np.ones(3), np.array([-5.0, 2.0, 1.0]), kernel(1, 1, 1), 2).tolist() == [1, 2]


def test_a_channel_gives_no_more_than_relu6_lets_through():
    beta = np.array([30.0, 20.0, 6.0])  # each is cut to 6
    assert strongest(np.zeros(3), beta, kernel(1.0, 1.1, 1.2), 1).tolist() == [2]


def test_of_equal_channels_the_first_stay():
    assert strongest(np.ones(4), np.ones(4), kernel(1, 1, 1, 1), 2).tolist() == [0, 1]
