"""An ML program as a TensorFlow function.

The MIL operations are read with coremltools' own loader, which also expands compressed weights, and
each is handed to its function in `ops.OPS`. The walk is traced once for each shape of the inputs
and predictions run the graph; operations on constants are computed while it is traced. A program
whose shapes depend on values runs operation by operation instead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from meishi.coreml import checks, execution
from meishi.coreml.compression import expanded
from meishi.coreml.features import Feature
from meishi.coreml.kernels.arguments import Arguments
from meishi.coreml.ops import CONSTANTS, OPS
from meishi.coreml.toolkit import load_program, only_errors
from meishi.errors import InputError
from meishi.keras import tf

PRECISIONS = ("fp32", "fp16")


@dataclass(frozen=True)
class Program:
    """One function of an ML program, checked and ready to run."""

    where: str  # names the package in errors
    features: dict[str, Feature]  # inputs
    pictures: dict[str, Feature]  # image outputs
    outputs: dict[str, str]  # feature -> variable
    mil: object  # coremltools' function
    labels: dict[str, list]  # a classifier's outputs: the label and the probabilities
    precision: str
    _graphs: dict = field(default_factory=dict, repr=False)

    @classmethod
    def from_spec(cls, spec, weights: Path, where: str, precision: str = "fp32") -> "Program":
        """Check and load a program; InputError says why it cannot run."""
        checks.check_operations(spec, where)
        checks.check_weights(spec, weights, where)
        name = checks.function_name(spec)
        try:
            with only_errors():
                program = load_program(spec, spec.specificationVersion, str(weights))
        except (ValueError, NotImplementedError, AssertionError, KeyError, TypeError) as error:
            raise InputError(f"{where}: the program cannot be read: {error}") from error
        mil = program.functions[name]
        description = checks.description(spec)
        return cls(
            where=where,
            features={part.name: Feature.from_spec(part) for part in description.input},
            pictures={
                part.name: Feature.from_spec(part)
                for part in description.output
                if part.type.WhichOneof("Type") == "imageType"
            },
            outputs=_output_variables(mil, description),
            mil=mil,
            labels=_labels(mil),
            precision=precision,
        )

    def run(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run on the inputs found in `values`; other names are ignored."""
        missing = [
            name
            for name, feature in self.features.items()
            if name not in values and feature.default is None
        ]
        if missing:
            raise InputError(f"{self.where}: missing inputs {sorted(missing)}")
        tensors = {name: self._tensor(name, values) for name in self.features}
        results = self._graph(tensors)(**tensors)
        named = {name: self._decoded(name, results[var]) for name, var in self.outputs.items()}
        return {name: value for name, value in named.items() if value is not None}

    def _tensor(self, name: str, values: Mapping[str, np.ndarray]) -> tf.Tensor:
        feature = self.features[name]
        value = values.get(name)
        if value is None:
            value = np.full(feature.shape, feature.default)
        try:
            return tf.constant(feature.tensor(value))
        except InputError as error:
            raise InputError(f"{self.where}: {error}") from None

    def _graph(self, tensors: dict[str, tf.Tensor]) -> Callable:
        key = tuple(tuple(tensor.shape) for tensor in tensors.values())
        if key not in self._graphs:
            rounded = self.precision == "fp16"
            self._graphs[key] = execution.traced(
                lambda **inputs: _walk(self.mil, inputs, rounded), tensors
            )
        return self._graphs[key]

    def _decoded(self, name: str, value):
        variable = self.outputs[name]
        array = value.numpy() if tf.is_tensor(value) else np.asarray(value)
        if variable in self.labels:
            labels = self.labels[variable]
            if array.ndim == 0:
                return np.array(labels[int(array)])
            return {label: float(p) for label, p in zip(labels, array, strict=True)}
        if name in self.pictures:
            return self.pictures[name].picture(array)
        return array


def _output_variables(mil, description) -> dict[str, str]:
    """Return the variable of each output feature; they share names, or at least their order."""
    variables = [variable.name for variable in mil.outputs]
    features = [feature.name for feature in description.output]
    if set(features) <= set(variables) or len(features) != len(variables):
        return {name: name for name in features}
    return dict(zip(features, variables, strict=True))


def _labels(mil) -> dict[str, list]:
    found: dict[str, list] = {}
    for operation in mil.operations:
        if operation.op_type == "classify":
            classes = operation.inputs["classes"].val
            names = [getattr(item, "val", item) for item in getattr(classes, "ls", classes)]
            found |= {variable.name: list(names) for variable in operation.outputs}
    return found


def _walk(mil, inputs: dict[str, tf.Tensor], rounded: bool) -> dict[str, tf.Tensor]:
    known = dict(inputs)
    for operation in mil.operations:
        if operation.op_type in CONSTANTS:
            continue  # read where it is used
        arguments = {
            name: _value(part, known)
            for name, part in operation.inputs.items()
            if operation.op_type != "classify" or name != "classes"
        }
        kernel = partial(OPS[operation.op_type], Arguments(**arguments))
        result = execution.apply(kernel, list(arguments.values()), rounded)
        results = result if isinstance(result, tuple | list) else (result,)
        for variable, value in zip(operation.outputs, results, strict=True):
            known[variable.name] = value
    return {variable.name: _value(variable, known) for variable in mil.outputs}


def _value(part, known: dict):
    if isinstance(part, list | tuple):
        return [_value(item, known) for item in part]
    if part is None or part.name in known:
        return None if part is None else known[part.name]
    constant = expanded(part)
    if not isinstance(constant, np.ndarray | np.generic):
        return constant
    kinds = {"f": np.float32, "i": np.int32, "u": np.int32}
    return constant.astype(kinds.get(constant.dtype.kind, constant.dtype))
