"""Whether a model takes and makes what its description says."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from meishi.coreml import checks
from meishi.coreml.features import Feature
from meishi.coreml.toolkit import ct
from meishi.errors import InputError

_KINDS = ct.proto.MIL_pb2.DataType
_INTEGERS = ("INT", "UINT")
_FLOATS = ("FLOAT", "BFLOAT")


def required(features: Mapping[str, Feature]) -> set[str]:
    """Name the inputs, given by name, that a prediction must have."""
    return {name for name, feature in features.items() if not feature.may_lack}


def check_inputs(spec, where: str, function: str) -> None:
    """Refuse a program whose function takes other inputs and states than are described.

    Args:
        spec: of an ML program, whose inputs have the names that are described.
        where: names the package in errors.
        function: the one that runs.

    Raises:
        InputError: that names each of another shape, colour, or type of numbers.
    """
    described = checks.description(spec, function)
    features = {part.name: Feature.from_spec(part) for part in (*described.input, *described.state)}
    states = {part.name for part in described.state}
    faults: list[str] = []
    for part in spec.mlProgram.functions[function].inputs:
        feature, taken = features[part.name], part.type
        is_state = taken.WhichOneof("type") == "stateType"
        if is_state != (part.name in states):
            faults.append(f"{part.name} is {'a' if is_state else 'no'} state")
            continue
        tensor = taken.stateType.wrappedType.tensorType if is_state else taken.tensorType
        sizes = tuple(_size(dimension) for dimension in tensor.dimensions)
        faults += _faults(feature, sizes, _KINDS.Name(tensor.dataType))
    _refuse(faults, f"{where}: described otherwise than the function {function} takes it")


def _refuse(faults: list[str], what: str) -> None:
    if faults:
        raise InputError(f"{what}: {'; '.join(faults)}. Convert again")


def _faults(feature: Feature, sizes: tuple[int | None, ...], kind: str) -> Iterator[str]:
    """Say how a tensor differs from its description.

    Args:
        feature: its description.
        sizes: of its axes; None of one that is open.
        kind: of its numbers, as MIL calls them.
    """
    if feature.kind not in ("image", "array"):
        yield f"{feature.name}, a {feature.kind}, is an array"
        return
    described = f"{feature.name}, {feature.type} {feature.wanted()}"
    if not any(_fits(sizes, shape) for shape in _allowed(feature, sizes)):
        yield f"{described}, is {sizes}".replace("None", "?")
    others = _FLOATS if feature.type.startswith("int") else _INTEGERS
    if kind.startswith(others):
        yield f"{described}, is {kind}"


def _size(dimension) -> int | None:
    fixed = dimension.WhichOneof("dimension") == "constant"
    return int(dimension.constant.size) if fixed else None


def _allowed(feature: Feature, sizes: Sequence[int | None]) -> list[tuple[int | None, ...]]:
    """List the shapes that a description allows a function, of which `sizes` are known."""
    if feature.kind == "image":
        fixed = not (feature.choices or feature.ranges)
        return [(1, 1 if feature.is_grey else 3, *(feature.shape if fixed else (None, None)))]
    if not feature.shape or (feature.shape == (1,) and not sizes):
        return [tuple(sizes)]  # nothing is said; Core ML has no arrays without axes
    if feature.choices:
        return [*feature.choices]
    bounds = feature.ranges or [(size, size) for size in feature.shape]
    if len(bounds) != len(sizes):
        return [tuple(low for low, _ in bounds)]
    inside = [
        None if size is None or (low <= size and (high is None or size <= high)) else low
        for size, (low, high) in zip(sizes, bounds, strict=True)
    ]
    return [tuple(inside)]


def _fits(sizes: Sequence[int | None], shape: Sequence[int | None]) -> bool:
    return len(sizes) == len(shape) and all(
        size is None or wanted is None or size == wanted
        for size, wanted in zip(sizes, shape, strict=True)
    )


def check_outputs(made: Mapping[str, tuple[Sequence, str]], outputs: Sequence, where: str) -> None:
    """Refuse a program that makes other pictures and arrays than are described.

    Args:
        made: the shape of each output but a classifier's, of which an axis that is no integer is
            not known, and the kind of its numbers.
        outputs: their descriptions.
        where: names the package in errors.

    Raises:
        InputError: that names each of another shape, colour, or type of numbers.
    """
    faults: list[str] = []
    for feature in outputs:
        if feature.name not in made:
            continue
        shape, kind = made[feature.name]
        sizes = tuple(size if isinstance(size, int) else None for size in shape)
        if feature.kind == "image" and not all(feature.shape):  # of a size that is not stated
            feature = replace(feature, ranges=((1, None), (1, None)))
        faults += _faults(feature, sizes, kind.upper().replace("FP", "FLOAT"))
    _refuse(faults, f"{where}: described otherwise than the function makes it")


def check_chain(
    stages: Sequence, inputs: Sequence[str], outputs: Sequence[str], where: str
) -> None:
    """Refuse a pipeline of which a model takes, or that returns, what nothing makes.

    Args:
        stages: its models, in the order in which they run, as `runtime.Stage`.
        inputs: of the pipeline.
        outputs: of the pipeline.
        where: names the package in errors.

    Raises:
        InputError: at the first of them.
    """
    known = set(inputs)
    for number, stage in enumerate(stages, 1):
        lacking = sorted(stage.takes - known)
        if lacking:
            raise InputError(
                f"{where}: model {number} of the pipeline takes {lacking}, which neither a model "
                "before it makes nor the pipeline takes"
            )
        known |= stage.makes
    missing = sorted(set(outputs) - known)
    if missing:
        raise InputError(f"{where}: no part of the model makes the outputs {missing}")
