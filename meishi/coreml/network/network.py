"""A neural network (the older format of Core ML, a `.mlmodel`) as a TensorFlow function.

Up to specification version 3, and where a model says so later, every value has five axes: sequence,
batch, channels, height, width. Inputs are given as their description says and brought to that form;
outputs are brought back.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from meishi.coreml import described, execution
from meishi.coreml.features import Feature, by_label
from meishi.coreml.network import running
from meishi.coreml.network.table import CONTROL, LAYERS, REFUSED
from meishi.errors import InputError
from meishi.keras import tf

KINDS = ("neuralNetwork", "neuralNetworkClassifier", "neuralNetworkRegressor")


def network_of(spec):
    """Return the message with the layers."""
    return getattr(spec, spec.WhichOneof("Type"))


def unknown_layers(spec) -> list[str]:
    """List the layers that this runtime does not know, custom ones with their class."""
    found = set()
    for layer in running.every_layer(network_of(spec)):
        kind = layer.WhichOneof("layer")
        if kind == "custom":
            found.add(f"custom layer {layer.custom.className or layer.name}")
        elif kind is None:
            found.add(f"layer {layer.name} of no type")
        elif kind not in LAYERS and kind not in CONTROL:
            found.add(kind)
    return sorted(found)


@dataclass(frozen=True)
class NeuralNetwork:
    """A neural network, checked and ready to run."""

    where: str  # names the file in errors
    spec: Any
    features: dict[str, Feature]  # inputs
    outputs: dict[str, Feature]
    precision: str
    _graphs: execution.Graphs = field(default_factory=execution.Graphs, repr=False)

    @classmethod
    def from_spec(cls, spec, where: str, precision: str = "fp32") -> "NeuralNetwork":
        """Check a network; InputError says why it cannot run."""
        unknown = unknown_layers(spec)
        if unknown:
            reasons = [f" ({name}: {REFUSED[name]})" for name in unknown if name in REFUSED]
            raise InputError(
                f"{where}: layers {unknown} are not implemented by this runtime"
                f"{''.join(reasons)}; it knows "
                f"{', '.join(sorted({*LAYERS, *CONTROL}))}. Add a function to meishi/coreml/network"
            )
        described = spec.description
        network = cls(
            where=where,
            spec=spec,
            features={part.name: Feature.from_spec(part) for part in described.input},
            outputs={part.name: Feature.from_spec(part) for part in described.output},
            precision=precision,
        )
        network.check_names()
        return network

    def check_names(self) -> None:
        """Refuse a network of whose layers one takes what nothing makes."""
        known = set(self.features)
        for layer in running.every_layer(network_of(self.spec)):
            missing = [name for name in layer.input if name not in known]
            if missing:
                raise InputError(f"{self.where}: layer {layer.name} takes {missing}: not made yet")
            known.update(layer.output)
        open_outputs = sorted(self._wanted() - known)
        if open_outputs:
            raise InputError(f"{self.where}: no layer makes the outputs {open_outputs}")
        made = [
            name
            for layer in network_of(self.spec).layers
            if layer.WhichOneof("layer") != "copy"  # which may write over a value
            for name in layer.output
        ]
        twice = sorted({name for name in made if made.count(name) > 1})
        if twice:
            raise InputError(f"{self.where}: several layers make {twice}")

    @property
    def of_five_axes(self) -> tuple[bool, bool]:
        """Whether arrays, and pictures, are brought to five axes."""
        network = network_of(self.spec)
        return network.arrayInputShapeMapping == 0, network.imageInputShapeMapping == 0

    @property
    def takes(self) -> set[str]:
        """The inputs that a prediction must have."""
        return described.required(self.features)

    @property
    def makes(self) -> set[str]:
        """The outputs, also those of a classifier that are not described."""
        return {*self.outputs, *self._label_outputs()} - {""}

    def run(self, values: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Run on the inputs found in `values`; other names are ignored."""
        missing = sorted(self.takes - set(values))
        if missing:
            raise InputError(f"missing inputs {missing}")
        tensors = {name: tf.constant(self._input(name, values)) for name in self.features}
        key = tuple(tuple(tensor.shape) for tensor in tensors.values())
        graph = self._graphs.of(key, lambda: execution.traced([self._walk], tensors))
        return dict(self._named(graph(tensors)))

    def shapes(self, observe: running.Observer) -> None:
        """Walk the network on zeros of the default shapes, calling `observe` for each layer."""
        blank = {
            name: np.zeros(
                (*f.shape, *(() if f.is_grey else (3,))) if f.kind == "image" else f.shape
            )
            for name, f in self.features.items()
        }
        known = {name: tf.constant(self._input(name, blank)) for name in self.features}
        running.run(network_of(self.spec).layers, known, False, observe)

    def _walk(self, inputs: Mapping[str, tf.Tensor]) -> dict:
        network = network_of(self.spec)
        known = {name: self._preprocessed(name, value) for name, value in inputs.items()}
        running.run(network.layers, known, self.precision == "fp16")
        return {name: known[name] for name in self._wanted()}

    def _wanted(self) -> set[str]:
        label, probabilities = self._label_outputs()
        names = set(self.outputs) - {label, probabilities}
        return names | ({self._probability_blob()} if label else set())

    def _label_outputs(self) -> tuple[str, str]:
        """Return the outputs of a classifier that hold its label and the probabilities."""
        if self.spec.WhichOneof("Type") != "neuralNetworkClassifier":
            return "", ""
        described = self.spec.description
        return described.predictedFeatureName, described.predictedProbabilitiesName

    def _probability_blob(self) -> str:
        classifier = self.spec.neuralNetworkClassifier
        made = [name for layer in classifier.layers for name in layer.output[:1]]
        return classifier.labelProbabilityLayerName or (made[-1] if made else "of a last layer")

    def _named(self, results: Mapping) -> Iterator[tuple[str, Any]]:
        label, probabilities = self._label_outputs()
        if label:
            values = np.asarray(results[self._probability_blob()]).reshape(-1)
            names = _labels(self.spec.neuralNetworkClassifier) or list(range(len(values)))
            if len(names) != len(values):
                raise InputError(f"{len(names)} class labels, but {len(values)} probabilities")
            yield label, np.array(names[int(values.argmax())])
            if probabilities:
                yield probabilities, by_label(names, values)
        for name, feature in self.outputs.items():
            if name not in (label, probabilities):
                yield name, self._output(feature, np.asarray(results[name]))

    def _input(self, name: str, values: Mapping[str, np.ndarray]) -> np.ndarray:
        feature = self.features[name]
        arrays, pictures = self.of_five_axes
        value = values.get(name)
        if value is None:
            value = feature.blank()
        if feature.kind == "image":
            x = feature.tensor(value)
            return x[None] if pictures else x
        return _five_axes(feature, value) if arrays else feature.tensor(value)

    def _preprocessed(self, name: str, value):
        """Scale and shift a picture, or subtract a mean picture from it."""
        value = tf.cast(value, tf.float32)
        feature = self.features[name]
        if feature.kind != "image":
            return value
        for part in network_of(self.spec).preprocessing:
            if part.featureName not in ("", name):
                continue
            kind = part.WhichOneof("preprocessor")
            if kind == "scaler":
                value = part.scaler.channelScale * value + _bias(part.scaler, feature)
            elif kind == "meanImage":
                value = value - _mean_picture(part.meanImage, name, value.shape[-3:])
        return value

    def _output(self, feature: Feature, value: np.ndarray):
        if feature.kind == "image":
            return feature.picture(value.reshape(-1, *value.shape[-3:]))
        if feature.kind in ("double", "int64"):
            return feature.number(value)
        if self.of_five_axes[0] and value.ndim == 5:
            value = _declared_axes(feature, value)
        return value.astype(np.int32) if feature.type == "int32" else value


def _labels(classifier) -> list:
    kind = classifier.WhichOneof("ClassLabels")
    return list(getattr(classifier, kind).vector) if kind else []


def _mean_picture(spec, name: str, shape) -> np.ndarray:
    mean = np.array(spec.meanImage, np.float32)
    if mean.size != np.prod(shape):
        raise InputError(f"{name}: a mean picture of {mean.size} values for {tuple(shape)}")
    return mean.reshape(shape)


def _bias(scaler, feature: Feature) -> np.ndarray:
    if feature.is_grey:
        return np.array(scaler.grayBias, np.float32)
    rgb = [scaler.redBias, scaler.greenBias, scaler.blueBias]
    values = rgb[::-1] if feature.type == "BGR" else rgb
    return np.array(values, np.float32).reshape(3, 1, 1)


def _five_axes(feature: Feature, value) -> np.ndarray:
    """Bring (C,) or (C, H, W), behind a sequence and a batch or without, to five axes."""
    array = np.asarray(value)
    inner = len(feature.shape)
    leading = array.shape[: max(array.ndim - inner, 0)]
    if len(leading) > 2 or inner not in (1, 3):
        return feature.tensor(value).reshape(*(1,) * (5 - inner), *feature.shape)
    body = array.reshape(-1, *array.shape[len(leading) :])[0] if leading else array
    feature.tensor(body)
    sizes = array.shape[len(leading) :] + (1,) * (3 - inner)
    return array.astype(np.float32).reshape(*leading, *(1,) * (2 - len(leading)), *sizes)


def _declared_axes(feature: Feature, value: np.ndarray) -> np.ndarray:
    """Bring five axes back to those of the description; without one they stay, as on a device."""
    if not feature.shape:
        return value
    if np.prod(feature.shape) == value.size:
        return value.reshape(feature.shape)
    body = value.shape[2:3] if value.shape[3:] == (1, 1) else value.shape[2:]
    return value.reshape(*(() if value.shape[:2] == (1, 1) else value.shape[:2]), *body)
