"""Options that several commands of `meishi collections` share."""

from pathlib import Path
from typing import Annotated

import typer

Address = Annotated[
    str, typer.Option("--at", help="Published folder, or any fsspec address, as s3://BUCKET/PATH.")
]
Root = Annotated[Path, typer.Option(help="Trusted root.json, as the app embeds it.")]
Lock = Annotated[
    Path | None,
    typer.Option(help="File that all publishers share, for stores without conditional writes."),
]
