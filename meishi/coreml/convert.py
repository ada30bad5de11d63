"""From a frozen graph to Core ML: a program or network, and a detector pipeline on top of it.

It takes an RGB image of 0..255 (its preprocessing is part of the graph), computes in the precision
of its variant and gives float32 outputs without a batch axis. The pipeline adds Core ML's own
non-maximum suppression: with inputs `image`, `iouThreshold`, `confidenceThreshold` and outputs
`confidence` (boxes, labels) and `coordinates` (boxes, [x, y, width, height] of the centre form,
relative, origin top left) Vision returns `VNRecognizedObjectObservation`. The suppression is added
to weights already compressed, and is not padded to more classes than there are.
"""

from dataclasses import dataclass, field

import numpy as np

from meishi.coreml.freeze import IMAGE, output_names
from meishi.coreml.storage import stored
from meishi.coreml.toolkit import ct, only_errors
from meishi.variants import ML_PROGRAM, Variant

LICENCE = "Apache-2.0"
CONFIDENCE = "confidence"
COORDINATES = "coordinates"
_PRECISIONS = {"fp16": ct.precision.FLOAT16, "fp32": ct.precision.FLOAT32}


@dataclass(frozen=True)
class Metadata:
    """What Xcode shows about a model."""

    author: str
    version: str
    description: str
    inputs: dict[str, str] = field(default_factory=dict)  # feature name -> one sentence
    outputs: dict[str, str] = field(default_factory=dict)
    user: dict[str, str] = field(default_factory=dict)  # free keys an app can read


def convert_program(frozen, variant: Variant, metadata: Metadata) -> "ct.models.MLModel":
    """Convert a frozen function to the format and precision of a variant, with plain weights.

    Args:
        frozen: from `freeze.freeze`; the program's outputs keep its names and shapes.
        variant: a checked entry of `exports`.
        metadata: what Xcode is to show.
    """
    shape = frozen.inputs[0].shape.as_list()
    image = ct.ImageType(name=IMAGE, shape=shape, color_layout=ct.colorlayout.RGB)
    converted_names = [tensor.op.name for tensor in frozen.outputs]
    program = variant.format == ML_PROGRAM
    outputs = [
        ct.TensorType(name=name, **({"dtype": np.float32} if program else {}))
        for name in converted_names
    ]
    precision = {"compute_precision": _PRECISIONS[variant.precision]} if program else {}
    with only_errors():
        model = ct.convert(
            [frozen],
            source="tensorflow",
            convert_to=variant.format,
            inputs=[image],
            outputs=outputs,
            minimum_deployment_target=ct.target[variant.target],
            skip_model_load=True,
            **precision,
        )
        model = stored(model, variant)
        model = _renamed(model, dict(zip(converted_names, output_names(frozen), strict=True)))
        if not program:
            model = _shaped(model, frozen)
    return _described(model, metadata)


def detector_pipeline(
    raw_model: "ct.models.MLModel",
    labels: list[str],
    score_threshold: float,
    iou_threshold: float,
    max_boxes: int,
    metadata: Metadata,
) -> "ct.models.MLModel":
    """Join a raw detector and a non-maximum suppression into one model.

    Core ML's suppression has no limit on the number of boxes: `max_boxes` is written to the
    metadata, and the caller keeps that many of the first rows (they come best first).

    Args:
        raw_model: gives `coordinates` (A, 4) and `confidence` (A, labels) for every anchor.
        labels: class names, one for each column of `confidence`.
        score_threshold: default of the input `confidenceThreshold`.
        iou_threshold: default of the input `iouThreshold`.
        max_boxes: as many as the caller wants at most.
        metadata: what Xcode is to show; labels and thresholds are added to its free keys.

    Raises:
        ValueError: if the raw detector's outputs do not fit.
    """
    raw_spec = raw_model.get_spec()
    suppression = _suppression_spec(raw_spec, labels, score_threshold, iou_threshold)
    with only_errors():
        stages = [raw_model, ct.models.MLModel(suppression, skip_model_load=True)]
        pipeline = ct.utils.make_pipeline(*stages)
    user = {
        "classes": ",".join(labels),
        "confidence_threshold": str(score_threshold),
        "iou_threshold": str(iou_threshold),
        "max_boxes": str(max_boxes),
    }
    return _described(pipeline, metadata, user)


def _suppression_spec(raw_spec, labels: list[str], score_threshold: float, iou_threshold: float):
    spec = ct.proto.Model_pb2.Model()
    spec.specificationVersion = max(5, raw_spec.specificationVersion)
    outputs = {output.name: output for output in raw_spec.description.output}
    for name in (CONFIDENCE, COORDINATES):
        columns = _columns(outputs, name)
        spec.description.input.add().CopyFrom(outputs[name])
        _add_rows_output(spec, name, columns)
        if name == CONFIDENCE and columns != len(labels):
            raise ValueError(f"confidence has {columns} columns, there are {len(labels)} labels")
    for name in ("iouThreshold", "confidenceThreshold"):
        threshold = spec.description.input.add(name=name)
        threshold.type.doubleType.MergeFromString(b"")
        threshold.type.isOptional = True

    nms = spec.nonMaximumSuppression
    nms.confidenceInputFeatureName = nms.confidenceOutputFeatureName = CONFIDENCE
    nms.coordinatesInputFeatureName = nms.coordinatesOutputFeatureName = COORDINATES
    nms.iouThresholdInputFeatureName = "iouThreshold"
    nms.confidenceThresholdInputFeatureName = "confidenceThreshold"
    nms.iouThreshold = iou_threshold
    nms.confidenceThreshold = score_threshold
    nms.pickTop.perClass = True
    nms.stringClassLabels.vector.extend(labels)
    return spec


def _columns(outputs: dict, name: str) -> int:
    shape = list(outputs[name].type.multiArrayType.shape) if name in outputs else None
    if shape is None or len(shape) != 2:
        raise ValueError(
            f"the raw detector's output {name!r} must be a (boxes, values) matrix, got "
            f"{shape} among {sorted(outputs)}; freeze it with keep_batch=False"
        )
    return shape[1]


def _add_rows_output(spec, name: str, columns: int) -> None:
    """Declare an output of any number of rows (Vision wants the range, not a fixed shape)."""
    array = spec.description.output.add(name=name).type.multiArrayType
    array.dataType = ct.proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32
    for low, high in ((0, -1), (columns, columns)):
        array.shapeRange.sizeRanges.add(lowerBound=low, upperBound=high)


def _renamed(model: "ct.models.MLModel", names: dict[str, str]) -> "ct.models.MLModel":
    spec = model.get_spec()
    for old, new in names.items():
        # In a neural network coremltools renames a layer's outputs along with its inputs only.
        ct.utils.rename_feature(spec, old, new, rename_inputs=True)
    return ct.models.MLModel(spec, weights_dir=model.weights_dir, skip_model_load=True)


def _shaped(model: "ct.models.MLModel", frozen) -> "ct.models.MLModel":
    """Declare the outputs of a neural network, whose shapes the converter leaves open."""
    spec = model.get_spec()
    shapes = dict(
        zip(output_names(frozen), (t.shape.as_list() for t in frozen.outputs), strict=True)
    )
    for output in spec.description.output:
        array = output.type.multiArrayType
        array.dataType = ct.proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32
        array.shape[:] = shapes[output.name]
    return ct.models.MLModel(spec, skip_model_load=True)


def _described(
    model: "ct.models.MLModel", metadata: Metadata, user: dict[str, str] | None = None
) -> "ct.models.MLModel":
    model.author = metadata.author
    model.license = LICENCE
    model.version = metadata.version
    model.short_description = metadata.description
    for name, text in metadata.inputs.items():
        model.input_description[name] = text
    for name, text in metadata.outputs.items():
        model.output_description[name] = text
    model.user_defined_metadata.update((user or {}) | metadata.user)
    return model
