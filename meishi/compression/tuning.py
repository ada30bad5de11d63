"""Fine-tuning onto palettes and grids: what is stored is what was trained.

A kernel of many values gets a palette, if there is one; every other kernel an int8 scale per
channel. Depthwise kernels are small and their channels differ much: they are put on the int8 grid
at once and stay there, while their biases learn.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from meishi.compression import grids, palettes
from meishi.compression.distillation import Distillation
from meishi.compression.folding import CONVOLUTIONS, copy_layer, fold_batch_norms
from meishi.compression.layers import Int8Conv2D, PaletteConv2D
from meishi.data import input_pipeline
from meishi.data.samples import SampleSet
from meishi.keras import keras, tf
from meishi.training import loop, schedule


@dataclass(frozen=True)
class Tuning:
    """How a network is compressed.

    Attributes:
        palette_bits: 2^bits entries a palette; 0 puts every kernel on the int8 grid.
        palette_values: kernels of fewer values lie on the int8 grid.
        group_channels: output channels that share a palette; 0 for all of a kernel.
        frozen: layers whose names begin so do not learn.
        steps, batch, learning_rate, warmup_steps, checkpoint_steps: of the fine-tuning.
    """

    palette_bits: int
    palette_values: int
    group_channels: int
    frozen: tuple[str, ...]
    steps: int
    batch: int
    learning_rate: float
    warmup_steps: int
    checkpoint_steps: int


@dataclass(frozen=True)
class Stored:
    """How a kernel is stored: palette bits (0: int8), and channels that share a palette."""

    palette_bits: int
    group_channels: int


def plan_storage(model: keras.Model, tuning: Tuning) -> dict[str, Stored]:
    """Choose how each convolution's kernel is stored, by layer name."""
    chosen = {}
    for layer in model.layers:
        if isinstance(layer, CONVOLUTIONS):
            large = np.prod(layer.weights[0].shape) >= tuning.palette_values
            paletted = tuning.palette_bits and large and not _is_depthwise(layer)
            shape = (tuning.palette_bits, tuning.group_channels) if paletted else (0, 0)
            chosen[layer.name] = Stored(*shape)
    return chosen


def compress(model: keras.Model, tuning: Tuning) -> keras.Model:
    """Build the network that fine-tuning sees, from a folded one; its weights are not tuned yet."""
    storage = plan_storage(model, tuning)

    def layer_of(layer):
        stored = storage.get(layer.name)
        if stored is None or _is_depthwise(layer):
            return copy_layer(layer, {})
        if not stored.palette_bits:
            return Int8Conv2D(**layer.get_config())
        groups = layer.filters // stored.group_channels if stored.group_channels else 1
        entries = 2**stored.palette_bits
        return PaletteConv2D(**layer.get_config(), entries=entries, groups_of_channels=groups)

    student = keras.models.clone_model(model, clone_function=layer_of)
    for layer in student.layers:
        if isinstance(layer, CONVOLUTIONS):
            _start(layer, *model.get_layer(layer.name).get_weights())
            layer.trainable = not layer.name.startswith(tuning.frozen or (" ",))
    return student


def _start(layer, kernel: np.ndarray, bias: np.ndarray) -> None:
    if _is_depthwise(layer):
        layer.set_weights([grids.int8_grid(kernel, 2), bias])
        return
    unit = np.float32(kernel.std()) or np.float32(1)
    if isinstance(layer, PaletteConv2D):
        rows = _groups(kernel / unit, layer.groups_of_channels)
        found = [palettes.make_palette(row, layer.entries) for row in rows]
        # A palette with free entries repeats its last.
        full = [np.pad(p, (0, layer.entries - len(p)), mode="edge") for p in found]
        _set(layer, kernel / unit, bias, unit, np.array(full))
    else:
        _set(layer, kernel / unit, bias, unit)


def _set(layer, kernel, bias, unit, palette=None) -> None:
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
    layer.unit.assign(unit)
    if palette is not None:
        layer.palette.assign(palette)


def _groups(kernel: np.ndarray, groups: int) -> np.ndarray:
    """Arrange (h, w, in, out) by groups of output channels: (G, values)."""
    return kernel.reshape(-1, kernel.shape[-1]).T.reshape(groups, -1)


def _ungrouped(rows: np.ndarray, shape: tuple) -> np.ndarray:
    return rows.reshape(shape[-1], -1).T.reshape(shape)


def finished(model: keras.Model, student: keras.Model) -> keras.Model:
    """Copy a folded model with the student's weights: rounded, in float16 steps."""
    result = fold_batch_norms(model)
    for layer in student.layers:
        if isinstance(layer, CONVOLUTIONS):
            bias = palettes.to_float16(layer.bias.numpy())
            result.get_layer(layer.name).set_weights([_rounded(layer), bias])
    return result


def _rounded(layer) -> np.ndarray:
    if _is_depthwise(layer):
        return grids.int8_grid(layer.depthwise_kernel.numpy(), 2)
    unit = layer.unit.numpy()
    kernel = layer.kernel.numpy()
    if isinstance(layer, Int8Conv2D):
        return grids.int8_grid(kernel * unit, 3)
    rows = _groups(kernel, layer.groups_of_channels)
    sorted_palettes = np.sort(layer.palette.numpy(), axis=-1)
    near = [palettes.nearest(*pair) for pair in zip(rows, sorted_palettes, strict=True)]
    return _ungrouped(palettes.to_float16(np.array(near) * unit), kernel.shape)


def tune(
    model: keras.Model,
    distillation: Distillation,
    samples: SampleSet,
    tuning: Tuning,
    seed: int,
    folder: Path,
) -> tuple[keras.Model, list[dict]]:
    """Compress a network and fine-tune it until it does what it did.

    Args:
        model: trained; `image` (B, S, S, 3) float32 RGB in [0, 255] to anything.
        distillation: what is compared.
        samples: pictures of the model's input size; their labels are not used.
        tuning: settings.
        seed: of the order of the samples.
        folder: parent of the checkpoints.

    Returns:
        The model with folded batch norms, its kernels as `plan_storage` says, and the history.
    """
    folded = fold_batch_norms(model)
    student = compress(folded, tuning)
    if tuning.steps:
        chosen, plan = _plan(samples, tuning, seed, folder)
        both = _side_by_side(student, folded, distillation.heads)
        optimizer = schedule.make_optimizer(
            tuning.learning_rate, tuning.warmup_steps, plan.steps, 0.0
        )
        signature = (tf.TensorSpec((), tf.float32),)
        batches = partial(input_pipeline.batches, chosen, _unlabelled, signature)
        history = loop.fit(both, optimizer, partial(_losses, distillation), batches, plan)
    else:
        history = []
    return finished(folded, student), history


def _plan(samples: SampleSet, tuning: Tuning, seed: int, folder: Path):
    count = min(tuning.steps * tuning.batch, len(samples.jpegs))
    picks = np.random.default_rng([seed, len(samples.jpegs)]).permutation(len(samples.jpegs))
    chosen = SampleSet(
        [samples.jpegs[n] for n in picks[:count]],
        [samples.quads[n] for n in picks[:count]],
        samples.key,
    )
    epochs = -(-tuning.steps * tuning.batch // count)
    return chosen, loop.Plan(count, tuning.batch, epochs, seed, tuning.checkpoint_steps, folder)


def _unlabelled(quads: np.ndarray) -> tuple[np.float32]:
    return (np.float32(len(quads)),)


def _side_by_side(student, teacher, heads: tuple[str, ...]) -> keras.Model:
    """Join both networks: an image to the student's heads, then the teacher's."""
    image = keras.Input(teacher.input_shape[1:], name="image")
    outputs = []
    for name, net in (("student", student), ("teacher", teacher)):
        ends = keras.Model(net.input, [net.get_layer(head).output for head in heads], name=name)
        ends.trainable = ends.trainable if name == "student" else False
        found = ends(image)
        outputs += found if isinstance(found, list) else [found]
    return keras.Model(image, outputs, name=f"{teacher.name}_compressed")


def _losses(distillation: Distillation, outputs: list, _targets) -> dict:
    half = len(outputs) // 2
    return distillation.distance(outputs[:half], outputs[half:])


def _is_depthwise(layer) -> bool:
    return isinstance(layer, keras.layers.DepthwiseConv2D)
