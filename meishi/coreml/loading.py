"""Reading an ML program with coremltools' own loader."""

import traceback
from pathlib import Path
from typing import Any

from meishi.coreml import checks, readable
from meishi.coreml.features import Feature
from meishi.coreml.toolkit import OPSETS, load_program, only_errors
from meishi.errors import InputError


def load(spec, weights: Path, where: str, function: str) -> Any:
    """Read a function of a program.

    Args:
        spec: of the package.
        weights: its folder of weights.
        where: names the package in errors.
        function: the one that will run.

    Returns:
        coremltools' function. Operations are run on the shapes of a prediction's inputs, whatever
        sizes it was read with.

    Raises:
        InputError: if it cannot be read.
    """
    if function not in spec.mlProgram.functions:
        raise InputError(f"{where}: the program holds no function; convert again")
    opset = spec.mlProgram.functions[function].opset
    if opset not in OPSETS:
        known = ", ".join(sorted(OPSETS))
        raise InputError(
            f"{where}: the function {function} is of the opset {opset!r}, which is "
            f"unknown; this runtime knows {known}"
        )
    alone = type(spec)()
    try:
        alone = readable.alone(spec, function)
        return _loaded(alone, weights, function)
    except Exception as error:  # coremltools raises whatever a damaged program leads it to
        # Its loader takes every axis of a range for another one, and then some operations for ones
        # whose inputs do not fit: `einsum`, `scatter_along_axis`.
        try:
            if _settle(alone, spec, function):
                return _loaded(alone, weights, function)
        except Exception:
            pass  # the first error tells of the program as it is
        raise InputError(f"{where}: the program cannot be read: {_told(error)}") from error


def _told(error: Exception) -> str:
    """Show an error; of an assertion without words where it stands."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = (
        "" if str(error) else f" ({Path(frame.filename).name}, line {frame.lineno}: {frame.line})"
    )
    return f"{error!r}{place}"


def _loaded(spec, weights: Path, function: str) -> Any:
    """Load a program by the operations of its function's opset.

    That may be an older one than the system asks for that the package is made for: a program of
    iOS 16 in a package of iOS 18 means what it meant.
    """
    version = OPSETS[spec.mlProgram.functions[function].opset]
    with only_errors():
        program = load_program(spec, version, str(weights), force_spec_version=True)
    return program.functions[function]


def _settle(alone, spec, function: str) -> bool:
    """Put the default sizes of a function's inputs in place of ranges; False without any."""
    changed = False
    features = [Feature.from_spec(part) for part in checks.description(spec, function).input]
    shapes = {
        part.name: (1, 1 if part.is_grey else 3, *part.shape)
        if part.kind == "image"
        else part.shape
        for part in features
    }
    for part in alone.mlProgram.functions[function].inputs:
        sizes = part.type.tensorType.dimensions
        for dimension, size in zip(sizes, shapes.get(part.name, ()), strict=False):
            if dimension.WhichOneof("dimension") == "unknown":
                dimension.constant.size = size
                changed = True
    return changed
