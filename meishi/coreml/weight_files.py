"""What is checked of the weight files of an ML program before it is loaded.

A constant in such a file begins with a record: sentinel, type, size and place of its data, which
lie behind it, both at multiples of 64 bytes (coremltools, MILBlob/Blob/StorageFormat.hpp).
"""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from meishi.coreml.checks import operations
from meishi.coreml.features import kind_name
from meishi.coreml.package import leaves
from meishi.coreml.toolkit import ct
from meishi.errors import InputError

_RECORD = struct.Struct("<IIQQ")
_SENTINEL, _ALIGNMENT = 0xDEADBEEF, 64
# By MIL's name of a type: its code in a record, and the bytes of a value where these are whole.
_CODES = {
    "FLOAT16": (1, 2),
    "FLOAT32": (2, 4),
    "UINT8": (3, 1),
    "INT8": (4, 1),
    "BFLOAT16": (5, 2),
    "INT16": (6, 2),
    "UINT16": (7, 2),
    "INT4": (8, None),
    "UINT1": (9, None),
    "UINT2": (10, None),
    "UINT4": (11, None),
    "UINT3": (12, None),
    "UINT6": (13, None),
    "INT32": (14, 4),
    "UINT32": (15, 4),
}


class StoredValue(NamedTuple):
    """A constant that lies in a weight file.

    Attributes:
        name: of what is made of it.
        file: path of the file, as the program states it.
        offset: of its record in the file, bytes.
        kind: MIL's name of its type.
        size: how many values it has; None where the program does not tell.
    """

    name: str
    file: str
    offset: int
    kind: str
    size: int | None


def check_weights(spec, weights: Path, where: str) -> None:
    """Check that each constant kept in a weight file is there in full, as the program states it.

    Args:
        spec: of an ML program.
        weights: folder of its weight files.
        where: names the package in errors.

    Raises:
        InputError: that names each fault, and what it is of.
    """
    found: dict[str, list[str]] = {}
    for value in stored_values(spec):
        if fault := _fault(weights, value):
            found.setdefault(fault, []).append(value.name)
    if found:
        told = (f"{fault} ({_some(names)})" for fault, names in sorted(found.items()))
        raise InputError(f"{where}: weights: {'; '.join(told)}; convert again")


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def stored_values(spec) -> Iterator[StoredValue]:
    """Yield each constant of a program that lies in a weight file."""
    for operation in operations(spec):
        bound = [part.value for given in operation.inputs.values() for part in given.arguments]
        for value in [*operation.attributes.values(), *bound]:
            if value.WhichOneof("value") == "blobFileValue":
                made = operation.outputs[0].name if operation.outputs else operation.type
                place, tensor = value.blobFileValue, value.type.tensorType
                kind = kind_name(ct.proto.MIL_pb2.DataType, tensor.dataType)
                yield StoredValue(made, place.fileName, place.offset, kind, _size(tensor))


def _size(tensor) -> int | None:
    """Count the values of a tensor type; None where an axis is open."""
    sizes = tensor.dimensions
    if any(size.WhichOneof("dimension") != "constant" for size in sizes):
        return None
    return math.prod(size.constant.size for size in sizes)


def _fault(weights: Path, value: StoredValue) -> str | None:
    if ".." in value.file.split("/"):
        return f"{value.file} leaves the package"
    name = value.file.rsplit("/", 1)[-1]
    file = weights / name
    if not file.is_file():  # nor is a circle of links
        return f"{name or repr(value.file)} is missing"
    if not file.resolve().is_relative_to(weights.parent.resolve()):
        return leaves(file, file.name)
    if value.offset + _RECORD.size > file.stat().st_size:
        return f"{file.name} is cut short"
    with file.open("rb") as stream:
        stream.seek(value.offset)
        record = _RECORD.unpack(stream.read(_RECORD.size))
    return _record_fault(record, value, file)


def _record_fault(record: tuple[int, int, int, int], value: StoredValue, file: Path) -> str | None:
    sentinel, code, data_bytes, place = record
    aligned = not (value.offset % _ALIGNMENT or place % _ALIGNMENT)
    if sentinel != _SENTINEL or not aligned or place < value.offset + _ALIGNMENT:
        return f"{file.name} is damaged"
    if place + data_bytes > file.stat().st_size:
        return f"{file.name} is cut short"
    expected, width = _CODES.get(value.kind, (code, None))
    if code != expected:
        kinds = {number: name for name, (number, _) in _CODES.items()}
        held = kinds.get(code, f"the unknown type {code}")
        return f"{file.name} holds {held}, expected {value.kind}"
    if width and value.size is not None and data_bytes != value.size * width:
        wanted = value.size * width
        return f"{file.name} holds {data_bytes} bytes, expected {wanted} ({value.kind})"
    return None
