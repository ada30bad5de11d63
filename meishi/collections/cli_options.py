"""Options that several commands of `meishi collections` share, and what they open with them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meishi.errors import InputError

if TYPE_CHECKING:
    from meishi.collections.repository import Repository
    from meishi.collections.store import Store

Address = Annotated[
    str, typer.Option("--at", help="Published folder, or any fsspec address, as s3://BUCKET/PATH.")
]
Root = Annotated[Path, typer.Option(help="Trusted root.json, as the app embeds it.")]
Lock = Annotated[
    Path | None,
    typer.Option(help="File that all publishers share, for stores without conditional writes."),
]
Keys = Annotated[list[Path], typer.Option("--keys", help="Folder with private keys; repeatable.")]
RootOrKeys = Annotated[
    Path | None, typer.Option(help="Trusted root.json; that of the first --keys if not given.")
]


def open_published(at: str, keys: list[Path], root: Path | None, lock: Path | None) -> "Repository":
    """Open what is published, with the keys of some folders.

    Raises:
        InputError: if neither a root nor a folder of keys is named, or one cannot be read.
    """
    from meishi.collections.founding import ROOT_FILE, open_repository

    folders = [folder.expanduser() for folder in keys]
    if root is None and not folders:
        raise InputError("the trusted root is not named: give --root or --keys")
    trusted = root or folders[0] / ROOT_FILE
    return open_repository(store_at(at, lock), folders, trusted, time_now())


def store_at(at: str, lock: Path | None) -> "Store":
    """Open an address; StoreError if that fails."""
    from meishi.collections.store import Store

    # Credentials, region and endpoint of S3 come from the AWS_* variables of the environment.
    return Store(at, lock)


def time_now() -> datetime:
    """Return what the clock says, UTC."""
    return datetime.now(UTC)
