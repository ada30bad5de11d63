"""Batch norms folded into convolutions that have a bias of their own."""

import numpy as np
import pytest

from meishi.compression.folding import fold_batch_norms
from meishi.keras import keras

pytestmark = pytest.mark.tf


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("kind", [keras.layers.Conv2D, keras.layers.DepthwiseConv2D])
def test_a_bias_before_a_batch_norm_is_folded_with_the_kernel(kind, use_bias):
    rng = np.random.default_rng(1)
    image = keras.Input((6, 6, 3))
    sizes = (3, 3) if kind is keras.layers.Conv2D else (3,)
    features = kind(*sizes, use_bias=use_bias, name="conv")(image)
    model = keras.Model(image, keras.layers.BatchNormalization(name="norm")(features))
    for layer in model.layers[1:]:
        layer.set_weights([rng.uniform(0.5, 2, value.shape) for value in layer.get_weights()])
    folded, given = fold_batch_norms(model), rng.uniform(-1, 1, (2, 6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(folded(given), model(given), rtol=1e-4, atol=1e-4)
    assert len(folded.get_weights()) == 2
