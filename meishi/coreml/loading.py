"""Reading an ML program with coremltools' own loader."""

from pathlib import Path
from typing import Any

from meishi.coreml import checks
from meishi.coreml.toolkit import load_program, only_errors
from meishi.errors import InputError


def load(spec, weights: Path, where: str, function: str) -> Any:
    """Read a program.

    Args:
        spec: of the package.
        weights: its folder of weights.
        where: names the package in errors.
        function: the one that will run.

    Returns:
        coremltools' program. Operations are run on the shapes of a prediction's inputs, whatever
        sizes the program was read with.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        return _loaded(spec, weights)
    except Exception as error:  # coremltools raises whatever a damaged program leads it to
        # Its loader takes every axis of a range for another one, and then some operations for ones
        # whose inputs do not fit: `einsum`, `scatter_along_axis`.
        settled = _settled(spec, function)
        try:
            if settled is not None:
                return _loaded(settled, weights)
        except Exception:
            pass  # the first error tells of the program as it is
        raise InputError(f"{where}: the program cannot be read: {error!r}") from error


def _loaded(spec, weights: Path) -> Any:
    with only_errors():
        return load_program(spec, spec.specificationVersion, str(weights))


def _settled(spec, function: str) -> Any:
    """Copy a program with the default sizes of its inputs in place of ranges; None without any."""
    settled = type(spec)()
    settled.CopyFrom(spec)
    changed = False
    arrays = {
        part.name: list(part.type.multiArrayType.shape)
        for part in checks.description(spec, function).input
        if part.type.WhichOneof("Type") == "multiArrayType"
    }
    for part in settled.mlProgram.functions[function].inputs:
        sizes = part.type.tensorType.dimensions
        for dimension, size in zip(sizes, arrays.get(part.name, ()), strict=False):
            if dimension.WhichOneof("dimension") == "unknown":
                dimension.constant.size = size
                changed = True
    return settled if changed else None
