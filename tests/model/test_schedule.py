"""The optimizer: how the learning rate runs, what decays, what a freak batch may do."""

import numpy as np
import pytest

from meishi.keras import keras, tf
from meishi.training.schedule import CLIP_NORM, make_optimizer

pytestmark = pytest.mark.tf
PEAK, FALLING = 0.25, 8


def moved(optimizer, *gradients):
    """Return where variables that begin at 0 are after steps, each with a gradient for each."""
    variables = [tf.Variable(tf.zeros(len(gradient))) for gradient in gradients[0]]
    for step in gradients:
        given = [tf.constant(gradient, tf.float32) for gradient in step]
        optimizer.apply_gradients(zip(given, variables, strict=True))
    return [variable.numpy() for variable in variables]


@pytest.mark.parametrize("warmup", [0, 4])
def test_the_rate_rises_from_zero_to_the_peak_and_falls_to_zero_at_the_end(warmup):
    optimizer = make_optimizer(PEAK, warmup, warmup + FALLING, 0.0)
    variable = tf.Variable([0.0])
    places = [0.0]
    for _ in range(warmup + FALLING + 1):  # of a constant gradient, Adam makes steps of the rate
        optimizer.apply_gradients([(tf.constant([-1.0]), variable)])
        places.append(float(variable[0]))
    rising = [PEAK * step / 4 for step in range(warmup)]
    falling = [PEAK * (1 + np.cos(np.pi * step / FALLING)) / 2 for step in range(FALLING + 1)]
    np.testing.assert_allclose(np.diff(places), rising + falling, atol=1e-5)


def test_kernels_decay_biases_and_batch_norms_do_not():
    inputs = keras.Input((4, 4, 3))
    features = keras.layers.Conv2D(2, 3, bias_initializer="ones", name="conv")(inputs)
    norm = keras.layers.BatchNormalization(beta_initializer="ones", name="norm")
    model = keras.Model(inputs, norm(features))
    before = {variable.name: variable.numpy() for variable in model.trainable_variables}
    optimizer = make_optimizer(PEAK, 0, FALLING, 0.1)
    still = [(tf.zeros_like(variable), variable) for variable in model.trainable_variables]
    optimizer.apply_gradients(still)
    left = {v.name: np.median(v.numpy() / before[v.name]) for v in model.trainable_variables}
    kept = dict.fromkeys(["conv/bias:0", "norm/gamma:0", "norm/beta:0"], 1.0)
    assert left == pytest.approx({"conv/kernel:0": 1 - PEAK * 0.1, **kept}, abs=1e-6)


def test_the_gradient_of_a_freak_batch_counts_as_one_at_the_limit():
    later = [[1.0, 0.0]]
    clipped = [[0.6 * CLIP_NORM, 0.8 * CLIP_NORM]]
    ends = [
        moved(make_optimizer(PEAK, 0, FALLING, 0.0), first, later)[0]
        for first in ([[300.0, 400.0]], clipped)
    ]
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-5)


def test_a_freak_gradient_of_one_variable_leaves_the_steps_of_the_others():
    later = [[1.0, 0.0], [1.0]]
    ends = [
        moved(make_optimizer(PEAK, 0, FALLING, 0.0), [first, [0.5]], later)[1]
        for first in ([300.0, 400.0], [0.3, 0.4])
    ]
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-6)
