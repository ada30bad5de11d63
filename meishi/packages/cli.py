"""`meishi predict`, `inspect`, `bench-coreml`: what a Core ML package does, holds and takes."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def predict(
    package: Annotated[Path, typer.Argument(help="An .mlpackage or .mlmodel.", metavar="PACKAGE")],
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Photos, or .npz files with the inputs by name.", metavar="INPUT"),
    ],
    out: Annotated[Path, typer.Option(help="The .npz file to write.")],
    precision: Annotated[
        str, typer.Option(help="fp32, or fp16 to round the result of every operation.")
    ] = "fp32",
    resize: Annotated[
        bool, typer.Option("--resize", help="Scale photos that do not fit the model.")
    ] = False,
    function: Annotated[
        str | None, typer.Option(help="One of a package's several functions; else its default.")
    ] = None,
) -> None:
    """Run a Core ML package on this machine; write its outputs by name."""
    from meishi.coreml.runtime import Package
    from meishi.files.writable import check_apart, check_writable
    from meishi.packages.predicting import predict_files, report_nan, save_outputs
    from meishi.wording import counted

    check_writable(out)
    check_apart([package, *inputs], [out])
    rows = predict_files(Package.load(package, precision, function), inputs, resize)
    save_outputs(rows, out)
    report_nan(rows)
    print(f"{out}: {counted(len(rows), 'prediction')} of {package.name} in {precision}")


@app.command()
def inspect(
    package: Annotated[Path, typer.Argument(help="An .mlpackage or .mlmodel.", metavar="PACKAGE")],
) -> None:
    """Print what a Core ML package holds, as JSON."""
    import json

    from meishi.packages.inspection import inspect as describe

    print(json.dumps(describe(package), indent=2))


@app.command("bench-coreml")
def bench_coreml(
    packages: Annotated[list[Path], typer.Argument(help=".mlpackage folders.", metavar="PACKAGE")],
    out: Annotated[Path, typer.Option(help="The .json file to write.")],
    runs: Annotated[int, typer.Option(help="Timed predictions of each.", min=1)] = 100,
) -> None:
    """Time Core ML packages by Core ML itself, on a Mac and on iPhones plugged into it."""
    from meishi.files.writable import check_writable
    from meishi.packages.device_benchmark import benchmark
    from meishi.reporting import write_metrics

    check_writable(out)
    write_metrics(out, {str(package): benchmark(package, runs) for package in packages})
    print(f"{out}: {len(packages)} packages, measured by Core ML")
