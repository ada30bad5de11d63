"""An ML program as a TensorFlow function.

The MIL operations are read with coremltools' own loader, which also expands compressed weights, and
each is handed to its function in `ops.OPS`. The walk is traced once for each shape of the inputs
and predictions run the graph; operations on constants are computed while it is traced. A program
whose shapes depend on values runs operation by operation instead. The states of a program (iOS 18)
are arrays that go in and come out beside its inputs and outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from meishi.coreml import checks, described, execution, loading, walking
from meishi.coreml.features import Feature, by_label
from meishi.coreml.weight_files import check_weights
from meishi.errors import InputError
from meishi.keras import tf

PRECISIONS = ("fp32", "fp16")
States = dict[str, np.ndarray]


@dataclass(frozen=True)
class Program:
    """One function of an ML program, checked and ready to run."""

    where: str  # names the package in errors
    features: dict[str, Feature]  # inputs
    pictures: dict[str, Feature]  # image outputs
    outputs: dict[str, str]  # feature -> variable
    states: dict[str, tuple[int, ...]]  # shapes
    mil: Any  # coremltools' function
    labels: dict[str, list]  # a classifier's outputs: the label and the probabilities
    precision: str
    _graphs: execution.Graphs = field(default_factory=execution.Graphs, repr=False)

    @classmethod
    def from_spec(
        cls, spec, weights: Path, where: str, precision: str = "fp32", function: str | None = None
    ) -> "Program":
        """Check and load a program; InputError says why it cannot run."""
        name = checks.function_name(spec, function, where)
        checks.check_operations(spec, where, name)
        check_weights(spec, weights, where)
        mil = loading.load(spec, weights, where, name)
        checks.check_names(spec, where, name)
        described.check_inputs(spec, where, name)
        description = checks.description(spec, name)
        outputs = _output_variables(mil, description, where)
        labels = _labels(mil)
        features = [Feature.from_spec(part) for part in description.output]
        described.check_outputs(_made(mil, outputs, labels), features, where)
        return cls(
            where=where,
            features={part.name: Feature.from_spec(part) for part in description.input},
            pictures={part.name: part for part in features if part.kind == "image"},
            outputs=outputs,
            states={
                part.name: tuple(part.type.stateType.arrayType.shape) for part in description.state
            },
            mil=mil,
            labels=labels,
            precision=precision,
        )

    @property
    def takes(self) -> set[str]:
        """The inputs that a prediction must have."""
        return described.required(self.features)

    @property
    def makes(self) -> set[str]:
        """The outputs."""
        return set(self.outputs)

    def run(self, values: Mapping[str, np.ndarray], states: States | None = None) -> dict:
        """Run on the inputs found in `values`; other names are ignored.

        Args:
            values: by input name.
            states: by name, changed in place; zeros where there are none.
        """
        missing = sorted(self.takes - set(values))
        if missing:
            raise InputError(f"missing inputs {missing}")
        states = {} if states is None else states
        tensors = {name: self._tensor(name, values) for name in self.features}
        for name, shape in self.states.items():
            tensors[name] = self._stored(tf.constant(states.get(name, np.zeros(shape, np.float32))))
        results = self._graph(tensors)(tensors)
        states.update((name, np.asarray(results[name])) for name in self.states)
        named = {name: self._decoded(name, results[var]) for name, var in self.outputs.items()}
        return {name: value for name, value in named.items() if value is not None}

    def _tensor(self, name: str, values: Mapping[str, np.ndarray]) -> tf.Tensor:
        feature = self.features[name]
        value = values.get(name)
        if value is None:
            value = feature.blank()
        tensor = tf.constant(feature.tensor(value))
        return self._stored(tensor) if feature.is_half else tensor

    def _stored(self, tensor: tf.Tensor) -> tf.Tensor:
        """Round what comes as float16, in the precision that rounds."""
        return execution.half(tensor) if self.precision == "fp16" else tensor

    def _graph(self, tensors: dict[str, tf.Tensor]) -> Callable:
        key = tuple(tuple(tensor.shape) for tensor in tensors.values())
        return self._graphs.of(key, lambda: execution.traced(self._walks(), tensors))

    def _walks(self) -> list[execution.Walk]:
        """List the ways to walk the program, that of the smallest graph first."""
        rounded = self.precision == "fp16"
        mixed = walking.declares_half(self.mil)
        manners = [walking.Manner(rounded, unrolled, mixed) for unrolled in (False, True)]
        has_loop = any(part.op_type == "while_loop" for part in self.mil.operations)
        return [partial(self._walk, manner) for manner in manners[0 if has_loop else 1 :]]

    def _walk(self, manner: walking.Manner, inputs: Mapping[str, tf.Tensor]) -> dict:
        known = dict(inputs)
        outputs = walking.walk(self.mil, known, manner)
        if tf.inside_function():
            manner.constants.clear()  # a graph holds what it needs
        named = {v.name: x for v, x in zip(self.mil.outputs, outputs, strict=True)}
        return named | {name: known[name] for name in self.states}

    def _decoded(self, name: str, value):
        variable = self.outputs[name]
        array = value.numpy() if tf.is_tensor(value) else np.asarray(value)
        if variable in self.labels:
            labels = self.labels[variable]
            if array.ndim == 0:
                return np.array(labels[int(array)])
            return by_label(labels, array)
        if name in self.pictures:
            return self.pictures[name].picture(array)
        return array


def _output_variables(mil, description, where: str) -> dict[str, str]:
    """Return the variable of each output feature; they share names, or none, but their order."""
    variables = [variable.name for variable in mil.outputs]
    features = [feature.name for feature in description.output]
    shared = set(features) & set(variables)
    if features and shared == set(features):
        return {name: name for name in features}
    if shared or len(features) != len(variables):
        raise InputError(
            f"{where}: its description has the outputs {features}, but the function makes "
            f"{variables}; convert again"
        )
    return dict(zip(features, variables, strict=True))


def _made(mil, outputs: dict[str, str], labels: Mapping) -> dict[str, tuple[Sequence, str]]:
    """Return shape and kind of numbers of each output feature, a classifier's left out."""
    made = {variable.name: variable for variable in mil.outputs if variable.name not in labels}
    return {
        name: (made[variable].shape, made[variable].dtype.__name__)
        for name, variable in outputs.items()
        if variable in made
    }


def _labels(mil) -> dict[str, list]:
    found: dict[str, list] = {}
    for operation in mil.operations:
        if operation.op_type == "classify":
            classes = operation.inputs["classes"].val
            names = np.array(
                [getattr(item, "val", item) for item in getattr(classes, "ls", classes)]
            )
            found |= {variable.name: names.tolist() for variable in operation.outputs}
    return found
