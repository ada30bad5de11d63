"""What of a Core ML package would leave Apple's Neural Engine, and why, before a phone says so.

It reads the converted program, not the model it came from: what counts is what ships. No finding
means that no known reason is against the Neural Engine; only a device can tell more.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from meishi.coreml import checks, loading
from meishi.coreml.features import Feature
from meishi.coreml.ops import CONSTANTS
from meishi.coreml.package import read_spec
from meishi.coreml.runtime import parts
from meishi.coreml.weight_files import check_weights
from meishi.errors import InputError
from meishi.packages.engine_layers import NETWORKS, layer_reasons
from meishi.packages.engine_rules import of_tensor, reasons

SUPPRESSION = "suppression of a few boxes runs on the CPU by design: it costs less than a transfer"
_LEFT_OUT = CONSTANTS | {"cast"}  # casts: the border where float32 inputs and outputs begin and end


@dataclass(frozen=True)
class Finding:
    """One reason of one layer.

    Attributes:
        package: file name.
        layer: name of the operation's first output, or of an input.
        op: MIL operation; "input" for an input, a neural network's word for a layer.
        reason: why the layer would leave the Neural Engine.
    """

    package: str
    layer: str
    op: str
    reason: str

    def __str__(self) -> str:
        """Name file and layer, then the reason."""
        return f"{self.package}: {self.layer} ({self.op}): {self.reason}"


def lint_package(path: Path | str) -> list[Finding]:
    """List what would leave the Neural Engine, in the order of execution.

    Args:
        path: an `.mlpackage` folder or an `.mlmodel` file.

    Raises:
        InputError: if it is no package, damaged, or holds a program that cannot be read.
    """
    path = Path(path)
    spec, weights = read_spec(path)
    found = list(_inputs(spec, path.name))
    for part in parts(spec):
        kind = part.WhichOneof("Type")
        if kind == "mlProgram":
            found += _program(part, weights, path)
        elif kind in NETWORKS:
            found += [Finding(path.name, *layer) for layer in layer_reasons(part)]
        elif kind != "nonMaximumSuppression":
            found.append(Finding(path.name, kind, kind, "models of this kind run on the CPU"))
    return found


def accepted(path: Path | str) -> list[Finding]:
    """List what leaves the Neural Engine by design: the suppression of a pipeline."""
    path = Path(path)
    spec, _ = read_spec(path)
    kinds = [part.WhichOneof("Type") for part in parts(spec)]
    return [
        Finding(path.name, kind, kind, SUPPRESSION)
        for kind in kinds
        if kind == "nonMaximumSuppression"
    ]


def summary(path: Path | str) -> dict[str, Any]:
    """Return findings and accepted remarks as rows; "refused" says why there can be none."""
    try:
        return {
            "findings": [asdict(finding) for finding in lint_package(path)],
            "accepted": [asdict(finding) for finding in accepted(path)],
        }
    except InputError as error:
        return {"refused": str(error)}


def _inputs(spec, package: str) -> Iterator[Finding]:
    for described in checks.description(spec).input:
        feature = Feature.from_spec(described)
        if any(low != high for low, high in feature.ranges):
            reason = (
                f"its size is a range, {feature.wanted()}: other sizes than the default run on "
                "the CPU or GPU; enumerate them"
            )
            yield Finding(package, feature.name, "input", reason)


def _program(spec, weights: Path, path: Path) -> list[Finding]:
    check_weights(spec, weights, str(path))
    name = checks.function_name(spec)
    function = loading.load(spec, weights, str(path), name)
    operations = [op for op in _walk(function) if op.op_type not in _LEFT_OUT]
    found = [
        Finding(path.name, operation.outputs[0].name, operation.op_type, reason)
        for operation in operations
        for reason in reasons(operation)
    ]
    return found + _single_precision(operations, path.name)


def _walk(block) -> Iterator:
    for operation in block.operations:
        yield operation
        for inner in operation.blocks:
            yield from _walk(inner)


def _single_precision(operations, package: str) -> list[Finding]:
    """One finding for all operations in float32, for there are many or none."""
    wide = [operation for operation in operations if _is_wide(operation)]
    if not wide:
        return []
    reason = f"computes in float32, as {len(wide)} operations do; the Neural Engine has float16"
    return [Finding(package, wide[0].outputs[0].name, wide[0].op_type, reason)]


def _is_wide(operation) -> bool:
    dtypes = [of_tensor(variable, "dtype") for variable in operation.outputs]
    return any(getattr(dtype, "__name__", "") in ("fp32", "fp64") for dtype in dtypes)
