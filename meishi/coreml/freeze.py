"""One frozen graph per net: the source of every export.

A frozen graph holds its weights as constants, takes one RGB image (1, height, width, 3) float32 in
0..255 named "image", and gives outputs under their own names. The `.pb` is the baseline the other
formats are timed against; Core ML and TFLite are converted from the same model.
"""

from pathlib import Path

from google.protobuf.message import DecodeError

from meishi.errors import InputError
from meishi.files.atomic import atomic_write_bytes
from meishi.keras import convert_variables_to_constants_v2, keras, tf
from meishi.processes.quiet import without_startup_notes

IMAGE = "image"
DETECTOR_OUTPUTS = ["coordinates", "confidence"]
SEGMENTER_OUTPUTS = ["mask"]
CLASSIFIER_OUTPUTS = ["start"]
OUTPUTS = {
    "ssd": DETECTOR_OUTPUTS,
    "unet": SEGMENTER_OUTPUTS,
    "flat": SEGMENTER_OUTPUTS,
    "direction": CLASSIFIER_OUTPUTS,
}


def trace(model: keras.Model, names: list[str], keep_batch: bool = True):
    """Trace a functional model for one image.

    Args:
        model: one input (B, H, W, 3) float32; outputs a tensor, list or dict.
        names: names of the outputs, in the model's order, or the keys of its dict.
        keep_batch: False drops the batch axis of 1 from every output.

    Returns:
        A concrete function of one argument, "image", giving a dict by output name.

    Raises:
        ValueError: if the model's outputs do not fit the names or the size is not fixed.
    """
    height, width = _size(model)

    def predict(image):
        outputs = by_name(model(image, training=False), names)
        if not keep_batch:
            outputs = {name: tf.squeeze(value, axis=0) for name, value in outputs.items()}
        return {name: tf.identity(value, name=name) for name, value in outputs.items()}

    signature = tf.TensorSpec((1, height, width, 3), tf.float32, name=IMAGE)
    return tf.function(predict, autograph=False).get_concrete_function(signature)


def freeze(model: keras.Model, names: list[str], keep_batch: bool = True):
    """Trace `model` and turn its variables into constants; arguments as in `trace`."""
    with without_startup_notes():
        return convert_variables_to_constants_v2(trace(model, names, keep_batch))


def by_name(outputs, names: list[str]) -> dict:
    """Pair a model's outputs (tensor, list or dict) with their names."""
    if isinstance(outputs, dict):
        pairs = outputs
    else:
        values = outputs if isinstance(outputs, list | tuple) else [outputs]
        if len(values) != len(names):
            raise ValueError(f"the model has {len(values)} outputs, the names are {names}")
        pairs = dict(zip(names, values, strict=True))
    if set(pairs) != set(names):
        raise ValueError(f"the model's outputs are {sorted(pairs)}, expected {sorted(names)}")
    return {name: pairs[name] for name in names}


def output_names(frozen) -> list[str]:
    """Return the names `trace` gave to the outputs, in the order of `frozen.outputs`.

    TensorFlow wraps each output of a function in a node called Identity, Identity_1, …: the name
    is that of the node before.
    """
    return [tensor.op.inputs[0].op.name for tensor in frozen.outputs]


def graph_def(frozen) -> tf.compat.v1.GraphDef:
    """Return the nodes that lead to the named outputs, sorted by name.

    The order of nodes carries no meaning; sorting makes it the same from run to run.
    """
    names = output_names(frozen)
    graph = tf.compat.v1.graph_util.extract_sub_graph(frozen.graph.as_graph_def(), names)
    nodes = sorted(graph.node, key=lambda node: node.name)
    del graph.node[:]
    graph.node.extend(nodes)
    return graph


def write_frozen_pb(frozen, path: Path) -> None:
    """Write a frozen graph as a byte-stable `.pb`, whole or not at all."""
    atomic_write_bytes(Path(path), graph_def(frozen).SerializeToString(deterministic=True))


def read_frozen_pb(path: Path) -> tf.compat.v1.GraphDef:
    """Read a `.pb`; InputError if it is not a frozen graph."""
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(Path(path).read_bytes())
    except DecodeError as error:
        raise InputError(f"{path}: not a TensorFlow graph ({error}); write it again") from error
    if not graph.node:
        raise InputError(f"{path}: the graph has no nodes; write it again")
    return graph


def write_tflite(model: keras.Model, names: list[str], path: Path) -> None:
    """Write a float32 `.tflite` of the model, batch axis kept, with a named signature.

    `Interpreter.get_signature_runner()` then takes `image` and returns a dict by output name.
    """
    # The converter saves what it is given: a bare module, for saving the Keras model takes minutes.
    module = tf.Module()
    module.weights = model.weights
    with without_startup_notes():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([trace(model, names)], module)
        content = converter.convert()
    atomic_write_bytes(Path(path), content)


def _size(model: keras.Model) -> tuple[int, int]:
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[3] != 3 or None in shape[1:]:
        raise ValueError(
            f"{model.name}: expected one RGB input (batch, height, width, 3) of fixed size, "
            f"got {shape}"
        )
    return shape[1], shape[2]
