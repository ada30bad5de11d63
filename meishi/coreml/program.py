"""An ML program as a TensorFlow function.

The MIL operations are read with coremltools' own loader, which also expands compressed weights, and
each is handed to its function in `ops.OPS`. The walk is traced once; predictions run the graph.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from meishi.coreml.ops import OPS
from meishi.coreml.toolkit import load_program, only_errors
from meishi.errors import InputError
from meishi.keras import tf

# A constant in a weight file starts with a record: sentinel, type, size and place of its data
# (coremltools, mlmodel/src/MILBlob/Blob/StorageFormat.hpp).
_RECORD = struct.Struct("<IIQQ")
_SENTINEL = 0xDEADBEEF


@dataclass(frozen=True)
class Program:
    """One "main" function of an ML program, checked and traced."""

    where: str  # names the package in errors
    image_sizes: dict[str, tuple[int, int]]  # image input -> (width, height)
    function: Callable
    signature: dict[str, tf.TensorSpec]
    outputs: tuple[str, ...]

    @classmethod
    def from_spec(cls, spec, weights: Path, where: str) -> "Program":
        """Check and trace a program; InputError says why it cannot run."""
        _check_operations(spec, where)
        _check_weights(spec, weights, where)
        with only_errors():
            mil = load_program(spec, spec.specificationVersion, str(weights)).functions["main"]
        signature = {
            name: tf.TensorSpec(placeholder.shape, tf.float32, name=name)
            for name, placeholder in mil.inputs.items()
        }

        def walk(**inputs):
            return _walk(mil, inputs)

        return cls(
            where=where,
            image_sizes=_image_sizes(spec),
            function=tf.function(walk, autograph=False).get_concrete_function(**signature),
            signature=signature,
            outputs=tuple(feature.name for feature in spec.description.output),
        )

    def run(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run on the inputs found in `values`; other names are ignored."""
        missing = sorted(set(self.signature) - set(values))
        if missing:
            raise ValueError(f"{self.where}: missing inputs {missing}")
        tensors = {name: self._tensor(name, values[name]) for name in self.signature}
        return {name: value.numpy() for name, value in self.function(**tensors).items()}

    def _tensor(self, name: str, value: np.ndarray) -> tf.Tensor:
        array = np.asarray(value, dtype=np.float32)
        expected = tuple(self.signature[name].shape)
        if name in self.image_sizes:
            width, height = self.image_sizes[name]
            expected = (height, width, 3)
        if array.shape != expected:
            raise ValueError(f"{self.where}: {name} must be {expected}, got {array.shape}")
        if name in self.image_sizes:
            array = array.transpose(2, 0, 1)[None]  # (1, 3, H, W)
        return tf.constant(array)


def _walk(mil, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    known = dict(inputs)
    for operation in mil.operations:
        if operation.op_type == "const" or operation.op_type.startswith("constexpr_"):
            continue  # read where it is used
        arguments = {name: _value(part, known) for name, part in operation.inputs.items()}
        result = OPS[operation.op_type](_Arguments(**arguments))
        results = result if isinstance(result, tuple) else (result,)
        for variable, value in zip(operation.outputs, results, strict=True):
            known[variable.name] = value
    return {variable.name: _value(variable, known) for variable in mil.outputs}


class _Arguments(SimpleNamespace):
    """Inputs of an operation; an optional one that is not given reads as None."""

    def __getattr__(self, name: str) -> None:
        return None


def _value(part, known: dict):
    if isinstance(part, list | tuple):
        return [_value(item, known) for item in part]
    if part is None or part.name in known:
        return None if part is None else known[part.name]
    constant = part.val
    if constant is None and part.op is not None and part.op.op_type.startswith("constexpr_"):
        constant = part.op.materialized_val_inference()
    if isinstance(constant, np.ndarray | np.generic) and constant.dtype.kind == "f":
        return constant.astype(np.float32)
    return constant


def _image_sizes(spec) -> dict[str, tuple[int, int]]:
    kinds = {feature.name: feature.type for feature in spec.description.input}
    return {
        name: (kind.imageType.width, kind.imageType.height)
        for name, kind in kinds.items()
        if kind.WhichOneof("Type") == "imageType"
    }


def _operations(spec) -> Iterator:
    function = spec.mlProgram.functions["main"]
    yield from function.block_specializations[function.opset].operations


def _check_operations(spec, where: str) -> None:
    found = {operation.type for operation in _operations(spec)}
    constants = {kind for kind in found if kind == "const" or kind.startswith("constexpr_")}
    unknown = sorted(found - constants - set(OPS))
    if unknown:
        raise InputError(
            f"{where}: operations {unknown} are not implemented by this runtime; it knows "
            f"{', '.join(sorted(OPS))} and constants. Add a function to meishi/coreml/ops.py"
        )


def _check_weights(spec, weights: Path, where: str) -> None:
    """Check that each constant kept in a weight file is there in full."""
    found = {_weight_fault(weights, value.fileName, value.offset) for value in _file_values(spec)}
    faults = [fault for fault in found if fault]
    if faults:
        raise InputError(f"{where}: weights: {'; '.join(sorted(faults))}; convert again")


def _weight_fault(weights: Path, name: str, offset: int) -> str | None:
    file = weights / name.rsplit("/", 1)[-1]
    if not file.is_file():
        return f"{file.name} is missing"
    with file.open("rb") as stream:
        stream.seek(offset)
        record = stream.read(_RECORD.size)
    if len(record) < _RECORD.size:
        return f"{file.name} is cut short"
    sentinel, _, data_bytes, data_offset = _RECORD.unpack(record)
    if sentinel != _SENTINEL:
        return f"{file.name} is damaged"
    return f"{file.name} is cut short" if data_offset + data_bytes > file.stat().st_size else None


def _file_values(spec) -> Iterator:
    for operation in _operations(spec):
        bound = [part.value for given in operation.inputs.values() for part in given.arguments]
        for value in [*operation.attributes.values(), *bound]:
            if value.WhichOneof("value") == "blobFileValue":
                yield value.blobFileValue
