"""Convolutions whose weights are rounded while they learn.

The forward pass sees weights on a palette or an int8 grid. The gradient passes to the weights
themselves as if they were not rounded (straight-through estimator, Bengio et al. 2013), and to each
palette's entry from all weights that it stands for (deep compression, Han et al. 2016, sec. 3.2).
"""

from meishi.compression.grids import LEVELS
from meishi.keras import keras, tf


class PaletteConv2D(keras.layers.Conv2D):
    """A convolution whose kernel takes its values from palettes.

    Weights: the kernel in units of `unit`, the bias, `palette` (G, K) in units of `unit`, one for
    each group of output channels, and `unit` (), fixed: so one learning rate fits every layer.
    """

    def __init__(self, convolution: dict, entries: int, groups: int = 1):
        """Take the settings of a Conv2D, K entries and G groups."""
        super().__init__(**convolution)
        self.entries, self.groups_of_channels = entries, groups

    def build(self, input_shape):
        """Add the palette to the weights."""
        super().build(input_shape)
        shape = (self.groups_of_channels, self.entries)
        self.palette = self.add_weight("palette", shape, initializer="zeros")
        self.unit = self.add_weight("unit", (), initializer="ones", trainable=False)

    def convolution_op(self, inputs, kernel):
        """Convolve with the rounded kernel."""
        palette = tf.sort(self.palette, axis=-1)
        columns = tf.reshape(
            tf.transpose(tf.reshape(kernel, (-1, self.filters))), (self.groups_of_channels, -1)
        )
        edges = (palette[:, 1:] + palette[:, :-1]) / 2
        entries = tf.searchsorted(tf.stop_gradient(edges), tf.stop_gradient(columns), side="right")
        rounded = tf.gather(palette, entries, batch_dims=1)
        rounded += columns - tf.stop_gradient(columns)
        rounded = tf.reshape(tf.transpose(tf.reshape(rounded, (self.filters, -1))), kernel.shape)
        return super().convolution_op(inputs, rounded * self.unit)


class Int8Conv2D(keras.layers.Conv2D):
    """A convolution whose kernel lies on an int8 grid, a scale for each output channel.

    Weights: the kernel in units of `unit`, the bias, and `unit` (), fixed.
    """

    def build(self, input_shape):
        """Add the unit to the weights."""
        super().build(input_shape)
        self.unit = self.add_weight("unit", (), initializer="ones", trainable=False)

    def convolution_op(self, inputs, kernel):
        """Convolve with the rounded kernel."""
        return super().convolution_op(inputs, _on_grid(kernel, (0, 1, 2)) * self.unit)


class Int8DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """A depthwise convolution whose kernel lies on an int8 grid, a scale for each channel.

    Weights: see `Int8Conv2D`.
    """

    def build(self, input_shape):
        """Add the unit to the weights."""
        super().build(input_shape)
        self.unit = self.add_weight("unit", (), initializer="ones", trainable=False)

    def call(self, inputs):
        """Convolve with the rounded kernel; Keras' own layer has no place to put one in."""
        found = keras.backend.depthwise_conv2d(
            inputs,
            _on_grid(self.depthwise_kernel, (0, 1, 3)) * self.unit,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        if self.use_bias:
            found = keras.backend.bias_add(found, self.bias, data_format=self.data_format)
        return self.activation(found)


def _on_grid(kernel, axes: tuple[int, ...]):
    """Round a kernel to an int8 grid, whose scales are its largest values along the axes."""
    scale = tf.reduce_max(tf.abs(kernel), axis=axes, keepdims=True) / LEVELS
    levels = tf.round(tf.math.divide_no_nan(kernel, scale))
    return kernel + tf.stop_gradient(levels * scale - kernel)
