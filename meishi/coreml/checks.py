"""What is checked of an ML program before it is loaded: its operations and its names."""

from collections import Counter
from collections.abc import Iterator

from meishi.coreml.ops import CONSTANTS, CONTROL, OPS, REFUSED
from meishi.errors import InputError

AGAIN = "convert again"


def function_name(spec, wanted: str | None = None, where: str = "") -> str:
    """Return the function that runs: the wanted one, else the default one of several.

    Raises:
        InputError: if there is no function of that name.
    """
    functions = spec.mlProgram.functions
    if wanted is not None:
        if wanted not in functions:
            known = sorted(functions) or "none"
            raise InputError(f"{where}: there is no function {wanted!r}; its functions: {known}")
        return wanted
    name = spec.description.defaultFunctionName or "main"
    return name if name in functions or not functions else next(iter(functions))


def description(spec, name: str | None = None):
    """Return what holds the inputs and outputs of a function, by default of the one that runs."""
    name = name or function_name(spec)
    for function in spec.description.functions:
        if function.name == name:
            return function
    return spec.description


def operations(spec, function: str | None = None) -> Iterator:
    """Yield the operations of one function or of all, those of nested blocks too."""
    for name, part in spec.mlProgram.functions.items():
        if function in (None, name) and part.opset in part.block_specializations:
            yield from _of_block(part.block_specializations[part.opset])


def _of_block(block) -> Iterator:
    for operation in block.operations:
        yield operation
        for inner in operation.blocks:
            yield from _of_block(inner)


def unknown_operations(spec, function: str | None = None) -> list[str]:
    """List the operations that this runtime does not know."""
    named = {operation.type for operation in operations(spec, function)}
    return sorted(named - CONSTANTS - CONTROL - set(OPS))


def check_operations(spec, where: str, function: str | None = None) -> None:
    """Refuse operations that this runtime does not know; InputError names them."""
    unknown = unknown_operations(spec, function)
    if not unknown:
        return
    reasons = [f"{name}: {REFUSED[name]}" for name in unknown if name in REFUSED]
    raise InputError(
        f"{where}: operations {unknown} are not implemented by this runtime"
        f"{''.join(f' ({reason})' for reason in reasons)}; it knows "
        f"{', '.join(sorted({*OPS, *CONTROL}))} and constants. "
        "Add a function to meishi/coreml/kernels"
    )


def check_names(spec, where: str, function: str) -> None:
    """Refuse a program of which two values share a name, or whose inputs are called otherwise."""
    held = spec.mlProgram.functions[function]
    described = description(spec, function)
    blocks = [held.block_specializations[name] for name in held.block_specializations]
    for block in blocks:
        made = [part.name for operation in block.operations for part in operation.outputs]
        _check_once(where, "values", [*(part.name for part in held.inputs), *made])
    taken = {part.name for part in (*described.input, *described.state)}
    wanted = {part.name for part in held.inputs}
    if taken != wanted:
        raise InputError(
            f"{where}: its description has the inputs {sorted(taken)}, but the function "
            f"{function} takes {sorted(wanted)}; convert again"
        )


def check_features(spec, where: str) -> None:
    """Refuse a description that names an input or an output twice, or of an unknown kind."""
    for kind, features, remedy in (
        ("inputs", spec.input, AGAIN),
        ("outputs", spec.output, f"{AGAIN}: a network that returns a value twice returns a copy"),
    ):
        _check_once(where, kind, [feature.name for feature in features], remedy)
        for feature in features:
            _check_kind(where, feature)


def _check_kind(where: str, feature) -> None:
    array, picture = feature.type.multiArrayType, feature.type.imageType
    for what, number, kinds in (
        ("numbers", array.dataType, array.ArrayDataType),
        ("colours", picture.colorSpace, picture.ColorSpace),
    ):
        if number not in kinds.values():
            raise InputError(
                f"{where}: {feature.name}: {what} of the unknown kind {number}; this runtime "
                f"knows {', '.join(kinds.keys()[1:])}. The model is damaged, or too new"
            )


def _check_once(where: str, kind: str, names: list[str], remedy: str = AGAIN) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise InputError(f"{where}: {kind} {twice} are there more than once; {remedy}")
