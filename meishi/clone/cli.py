"""`meishi doctor`, `registry`, `model-card`, `continue`: a clone's state, and what it ships."""

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer()
registry = typer.Typer(
    help="Versions and stages of the shipped models, as git tags.", no_args_is_help=True
)
app.add_typer(registry, name="registry")


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
    from meishi.clone.registry import check_refs

    print("\n".join(check_refs(refs)))


@app.command("model-card")
def model_card(
    out: Annotated[Path, typer.Option(help="The Markdown file to write, or to compare.")] = Path(
        "MODEL_CARD.md"
    ),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if the file is out of step.")
    ] = False,
) -> None:
    """Write the model card from the metrics, the data's manifests and params.yaml."""
    from meishi.model_card.writing import check_card, write_card

    (check_card if check else write_card)(out)
    print(f"{out}: {'in step' if check else 'written'}")


@app.command("continue")
def continue_training(
    source: Annotated[Path, typer.Argument(help="The data source that ships the weights.")],
    models: Annotated[Path, typer.Option(help="Folder with the trained ssd and unet.")] = Path(
        "models"
    ),
    bottom_channels: Annotated[
        int | None,
        typer.Option(min=1, help="Cut the segmenter's bottom to so many; set unet to the same."),
    ] = None,
    only: Annotated[
        Literal["ssd", "unet"] | None,
        typer.Option(help="The one of both that goes on; the other begins where it began."),
    ] = None,
) -> None:
    """Let the next training begin with the networks of this one: they go into a data source."""
    from meishi.clone.continued import NETWORKS, continue_from

    if only == "ssd" and bottom_channels is not None:
        raise typer.BadParameter("--bottom-channels is of the segmenter, which --only ssd leaves")
    file = continue_from(source, models, bottom_channels, [only] if only else NETWORKS)
    print(f"{file}: written; next: fetch.weights: {file} in params.yaml, dvc add data")
