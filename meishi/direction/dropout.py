"""Dropout that a resumed training goes on with."""

from meishi.keras import keras, tf


class KeptDropout(keras.layers.Layer):
    """Dropout (Srivastava et al. 2014) whose generator is part of a checkpoint.

    Keras leaves out of a checkpoint what its own layer draws from, so that a training that was
    killed would drop other values afterwards.
    """

    def __init__(self, rate: float, seed: int, **settings):
        """Drop a share `rate` of the values, in [0, 1), drawn from `seed` on."""
        super().__init__(**settings)
        self.rate = rate
        self.generator = tf.random.Generator.from_seed(seed)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Drop values of float32 inputs in training, and scale the others by 1 / (1 - rate)."""
        if not training or not self.rate:
            return inputs
        seed = self.generator.make_seeds()[:, 0]
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, seed)
