"""Run a Core ML model without a Mac: walk its operations with TensorFlow kernels.

It proves the package's graph, layout, weights and their rounding, not Apple's arithmetic:
everything is computed in float32; with the precision "fp16" the result of every operation is then
rounded to float16 (what happens inside one is not). A model is checked before it runs (its
operations, its weight files), so that one that cannot be run is refused with a reason. ML programs
and neural networks run, and pipelines of them that may end in non-maximum suppression; the
suppression is `geometry.boxes.nms`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from meishi.coreml.checks import check_features, description, function_name
from meishi.coreml.described import check_chain
from meishi.coreml.features import Feature
from meishi.coreml.network.network import KINDS as NETWORKS
from meishi.coreml.network.network import NeuralNetwork
from meishi.coreml.package import read_spec
from meishi.coreml.program import PRECISIONS, Program
from meishi.coreml.suppression import Suppression
from meishi.errors import InputError

Stage = Program | NeuralNetwork | Suppression
PIPELINES = ("pipeline", "pipelineClassifier", "pipelineRegressor")
_APPLE = "its weights are part of Apple's systems, not of the model"
REASONS = {
    "audioFeaturePrint": _APPLE,
    "customModel": "its code is a class of an app, not of the model",
    "gazetteer": _APPLE,
    "linkedModel": "it is another file, which it only names",
    "soundAnalysisPreprocessing": _APPLE,
    "textClassifier": _APPLE,
    "visionFeaturePrint": _APPLE,
    "wordEmbedding": _APPLE,
    "wordTagger": _APPLE,
}


@dataclass(frozen=True)
class Package:
    """A loaded model, ready to predict.

    Attributes:
        path: where it was loaded from.
        inputs: names, of an image's optional thresholds too.
        outputs: names.
        metadata: author, license, versionString, shortDescription and the free keys.
        stages: what runs one after the other.
        features: what is known of each input.
        precision: "fp32", or "fp16" when every operation's result is rounded.
        function: the function that runs, of an ML program.
    """

    path: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    metadata: dict[str, str]
    stages: tuple[Stage, ...]
    features: dict[str, Feature]
    precision: str = "fp32"
    function: str = "main"

    @classmethod
    def load(
        cls, path: Path | str, precision: str = "fp32", function: str | None = None
    ) -> "Package":
        """Load and check a package, or a model in one file.

        Args:
            path: an `.mlpackage` folder or an `.mlmodel` file.
            precision: "fp32", or "fp16" to round the result of every operation.
            function: of a program with several; by default the one it names as its default.

        Raises:
            InputError: if it is no package, is damaged, lacks a weight file, or holds an operation
                or kind of model that this runtime does not know.
        """
        if precision not in PRECISIONS:
            raise InputError(f"precision: expected one of {PRECISIONS}, got {precision!r}")
        path = Path(path)
        spec, weights = read_spec(path)
        name = function_name(spec, function, str(path))
        described = description(spec, name)
        for part in (described, *(inner.description for inner in parts(spec))):
            check_features(part, str(path))
        stages = tuple(_stage(part, weights, path, precision, function) for part in parts(spec))
        package = cls(
            path=path,
            inputs=tuple(feature.name for feature in described.input),
            outputs=tuple(feature.name for feature in described.output),
            metadata=metadata_of(spec),
            stages=stages,
            features={part.name: Feature.from_spec(part) for part in described.input},
            precision=precision,
            function=name,
        )
        check_chain(stages, package.inputs, package.outputs, str(path))
        return package

    def predict(
        self, values: Mapping[str, np.ndarray], states: dict[str, np.ndarray] | None = None
    ) -> dict[str, Any]:
        """Run the package on one example.

        Args:
            values: by input name. An image is RGB (H, W, 3), or (H, W) for a grey input, of a size
                the model takes, 0..255; an array has the model's shape. An optional input may be
                left out, as `iouThreshold` and `confidenceThreshold` of a pipeline.
            states: of a model with states, by name: changed in place, so that the same dictionary
                given again goes on from there. Without it states begin at zero.

        Returns:
            The outputs by name: float32 or int32 arrays, pictures as RGB uint8 (H, W, 3), a label
            as an array without axes, probabilities as a dictionary by label. A pipeline's boxes
            come best first. Computed in `self.precision`.

        Raises:
            InputError: for unknown or missing names, or a wrong shape.
        """
        unknown = sorted(set(values) - set(self.inputs))
        if unknown:
            raise InputError(f"{self.path}: unknown inputs {unknown}; it has {self.inputs}")
        known: dict = dict(values)
        try:
            for stage in self.stages:
                given = (known, states) if isinstance(stage, Program) else (known,)
                known |= stage.run(*given)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from error
        return {name: known[name] for name in self.outputs}


def parts(spec) -> Iterator:
    """Yield the models that run one after the other: the pipeline's, or the model itself."""
    kind = spec.WhichOneof("Type")
    if kind in PIPELINES:
        holder = getattr(spec, kind)
        inner = holder if kind == "pipeline" else holder.pipeline
        for part in inner.models:
            yield from parts(part)
    else:
        yield spec


def refusal(spec) -> str | None:
    """Say why a model of this kind cannot run; None if its kind is known."""
    kind = spec.WhichOneof("Type")
    if kind in ("mlProgram", "nonMaximumSuppression", *NETWORKS):
        return None
    if kind in REASONS:
        return f"a model of kind {kind} cannot run here: {REASONS[kind]}"
    known = "only ML programs, neural networks, pipelines of them, and suppression"
    return f"cannot run a model of kind {kind}: {known}"


def _stage(spec, weights: Path, path: Path, precision: str, function: str | None) -> Stage:
    reason = refusal(spec)
    if reason:
        raise InputError(f"{path}: {reason}")
    kind = spec.WhichOneof("Type")
    if kind == "mlProgram":
        return Program.from_spec(spec, weights, str(path), precision, function)
    if kind in NETWORKS:
        return NeuralNetwork.from_spec(spec, str(path), precision)
    return Suppression.from_spec(spec, str(path))


def metadata_of(spec) -> dict[str, str]:
    """Return author, license, versionString, shortDescription and the free keys."""
    described = spec.description.metadata
    fixed = ("author", "license", "versionString", "shortDescription")
    return {name: getattr(described, name) for name in fixed} | dict(described.userDefined)
