"""The commands of `meishi collections` that keep a publication in order: signatures, keys, room."""

from pathlib import Path
from typing import Annotated

import typer

from meishi.collections.cli_options import Address, Keys, Lock, RootOrKeys, open_published

app = typer.Typer()


@app.command()
def refresh(
    at: Address,
    keys: Keys,
    roles: Annotated[
        list[str] | None, typer.Option(help="Further roles to sign anew; repeatable.")
    ] = None,
    clock_is_right: Annotated[
        bool, typer.Option("--clock-is-right", help="Though the last signature contradicts it.")
    ] = False,
    root: RootOrKeys = None,
    lock: Lock = None,
) -> None:
    """Sign timestamp and snapshot anew before they expire: once a day, by a timer."""
    from meishi.collections.founding import renew

    repository = open_published(at, keys, root, lock)
    repository.clock_is_right = clock_is_right
    renew(repository, roles or [])
    print(f"{at}: {', '.join(['timestamp', 'snapshot', *(roles or [])])} signed anew")


@app.command("rotate-key")
def rotate(
    role: Annotated[str, typer.Argument(help="root, timestamp, ..., staging or release.")],
    keyid: Annotated[str, typer.Argument(help="Key to revoke: its id or the beginning of it.")],
    into: Annotated[Path, typer.Option(help="Folder for the new private key.")],
    at: Address,
    keys: Keys,
    root: RootOrKeys = None,
    lock: Lock = None,
) -> None:
    """Replace a key of a role."""
    from meishi.collections.founding import rotate_key
    from meishi.collections.keys import outside_git

    folder = outside_git(into)
    new = rotate_key(open_published(at, keys, root, lock), role, keyid, folder)
    print(f"{role}: {keyid} revoked, {new.keyid} in its place")


@app.command()
def gc(
    at: Address,
    keys: Keys,
    days: Annotated[float, typer.Option(help="Keep what is younger.", min=0)] = 7,
    withdrawn: Annotated[
        bool,
        typer.Option("--withdrawn", help="Take withdrawn versions off the lists, too."),
    ] = False,
    root: RootOrKeys = None,
    lock: Lock = None,
) -> None:
    """Remove archives and old metadata that nothing refers to."""
    from meishi.collections import edits, publishing

    repository = open_published(at, keys, root, lock)
    gone: list[str] = []

    def edit(state) -> None:
        gone[:] = edits.forget_withdrawn(state)

    if withdrawn and edits.forget_withdrawn(repository.load()):
        repository.change(edit)
    gone += publishing.collect_garbage(repository, days * 86400)
    print("\n".join([f"removed {path}" for path in gone] or ["nothing to remove"]))
