"""Feeding a sample set to training, in exactly the order it is given."""

from collections.abc import Callable

import numpy as np

from meishi.data.samples import SampleSet
from meishi.keras import tf


def batches(
    samples: SampleSet, encode: Callable, signature: tuple, order: np.ndarray, batch: int
) -> tf.data.Dataset:
    """Decode samples and encode their targets.

    Args:
        samples: the set.
        encode: (n, 4, 2) quads to a tuple of arrays.
        signature: tf.TensorSpec of each of those arrays.
        order: sample numbers.
        batch: size; a rest is dropped.

    Returns:
        Data set of ((B, S, S, 3) float32 RGB in [0, 255], tuple of targets).
    """
    jpegs = tf.constant(samples.jpegs)

    def load(number):
        image = tf.io.decode_jpeg(jpegs[number], channels=3, dct_method="INTEGER_ACCURATE")
        targets = tf.numpy_function(
            lambda n: encode(samples.quads[n]), [number], [s.dtype for s in signature]
        )
        for target, spec in zip(targets, signature, strict=True):
            target.set_shape(spec.shape)
        return tf.cast(image, tf.float32), tuple(targets)

    dataset = tf.data.Dataset.from_tensor_slices(order)
    dataset = dataset.map(load, num_parallel_calls=2, deterministic=True)
    return dataset.batch(batch, drop_remainder=True).prefetch(4)
