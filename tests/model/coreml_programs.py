"""Tiny MIL programs: built with coremltools, saved, loaded by our runtime and run."""

import numpy as np

from meishi.coreml.package import save_package, spec_path
from meishi.coreml.runtime import Package
from meishi.coreml.toolkit import ct, only_errors

TARGETS = {15: ct.target.iOS15, 16: ct.target.iOS16, 17: ct.target.iOS17, 18: ct.target.iOS18}


def random(*shape, seed=0):
    return np.random.default_rng(seed + sum(shape)).normal(size=shape).astype(np.float32)


def builder():
    from coremltools.converters.mil import Builder

    return Builder


def mil_type(name):
    from coremltools.converters.mil.mil import types

    return getattr(types, name)


def save(path, function, values, ios=15, **options):
    """Save `function(mb, x0, x1, ...)` with an input for each value as a package."""
    mb = builder()
    specs = [
        mb.TensorSpec(
            shape=np.shape(value),
            dtype=mil_type("int32" if np.asarray(value).dtype.kind == "i" else "fp32"),
        )
        for value in values
    ]
    body = {
        1: lambda a: function(mb, a),
        2: lambda a, b: function(mb, a, b),
        3: lambda a, b, c: function(mb, a, b, c),
    }[len(values)]
    with only_errors():
        program = mb.program(input_specs=specs, opset_version=TARGETS[ios])(body)
        model = ct.convert(
            program,
            convert_to="mlprogram",
            compute_precision=options.pop("compute_precision", ct.precision.FLOAT32),
            minimum_deployment_target=TARGETS[ios],
            skip_model_load=True,
            pass_pipeline=options.pop("pass_pipeline", ct.PassPipeline.EMPTY),
            **options,
        )
    save_package(model, path)
    return path


def altered(path, change):
    """Let `change` alter the specification of a saved package in place."""
    spec = ct.proto.Model_pb2.Model()
    spec.ParseFromString(spec_path(path).read_bytes())
    change(spec)
    spec_path(path).write_bytes(spec.SerializeToString())


def run(tmp_path, function, *values, ios=15, precision="fp32"):
    """Return the outputs in order; one output alone comes without its list."""
    package = Package.load(save(tmp_path / "net.mlpackage", function, values, ios), precision)
    found = package.predict(dict(zip(package.inputs, values, strict=True)))
    outputs = [found[name] for name in package.outputs]
    return outputs[0] if len(outputs) == 1 else outputs
