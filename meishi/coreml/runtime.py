"""Run an `.mlpackage` without a Mac: walk its MIL program with TensorFlow kernels.

It proves the package's graph, layout, weights and their rounding, not Apple's float16 arithmetic:
everything is computed in float32. A program is checked before it runs (its operations, its weight
files), so that a package which cannot be run is refused with a reason. Pipelines of a program and a
non-maximum suppression work too; the suppression is `geometry.boxes.nms`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from meishi.coreml.package import spec_path
from meishi.coreml.program import Program
from meishi.coreml.suppression import Suppression
from meishi.coreml.toolkit import ct
from meishi.errors import InputError


@dataclass(frozen=True)
class Package:
    """A loaded package, ready to predict.

    Attributes:
        path: where it was loaded from.
        inputs: names, of an image's optional thresholds too.
        outputs: names.
        metadata: author, license, versionString, shortDescription and the free keys.
        stages: what runs one after the other.
    """

    path: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    metadata: dict[str, str]
    stages: tuple[Program | Suppression, ...]

    @classmethod
    def load(cls, path: Path | str) -> "Package":
        """Load and check a package.

        Raises:
            InputError: if it is no package, is damaged, lacks a weight file, or holds an operation
                or kind of model that this runtime does not know.
        """
        path = Path(path)
        model_file = spec_path(path)
        spec = _read_spec(model_file)
        weights = model_file.parent / "weights"
        return cls(
            path=path,
            inputs=tuple(feature.name for feature in spec.description.input),
            outputs=tuple(feature.name for feature in spec.description.output),
            metadata=_metadata(spec),
            stages=tuple(_stage(part, weights, path) for part in _parts(spec)),
        )

    def predict(self, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the package on one example.

        Args:
            values: by input name; an image is RGB (H, W, 3) of the model's own size, 0..255;
                `iouThreshold` and `confidenceThreshold` of a pipeline may be left out.

        Returns:
            The outputs by name, float32; a pipeline's boxes come best first.

        Raises:
            ValueError: for unknown or missing names, or a wrong shape.
        """
        unknown = sorted(set(values) - set(self.inputs))
        if unknown:
            raise ValueError(f"{self.path}: unknown inputs {unknown}; it has {self.inputs}")
        known = dict(values)
        for stage in self.stages:
            known |= stage.run(known)
        return {name: known[name] for name in self.outputs}


def _read_spec(model_file: Path):
    spec = ct.proto.Model_pb2.Model()
    try:
        spec.ParseFromString(model_file.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{model_file}: missing from the package; convert again") from None
    except DecodeError as error:
        raise InputError(f"{model_file}: damaged ({error}); convert again") from error
    return spec


def _parts(spec) -> Iterator:
    """Yield the models that run one after the other: the pipeline's, or the model itself."""
    if spec.WhichOneof("Type") == "pipeline":
        yield from spec.pipeline.models
    else:
        yield spec


def _stage(spec, weights: Path, path: Path) -> Program | Suppression:
    kind = spec.WhichOneof("Type")
    if kind == "mlProgram":
        return Program.from_spec(spec, weights, str(path))
    if kind == "nonMaximumSuppression":
        return Suppression.from_spec(spec)
    raise InputError(f"{path}: cannot run a model of kind {kind}: only ML programs and suppression")


def _metadata(spec) -> dict[str, str]:
    described = spec.description.metadata
    fixed = ("author", "license", "versionString", "shortDescription")
    return {name: getattr(described, name) for name in fixed} | dict(described.userDefined)
