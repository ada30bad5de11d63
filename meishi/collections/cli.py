"""`meishi collections`: publish, promote, take back, look, keep in order; be a device; simulate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meishi.collections import cli_devices, cli_upkeep
from meishi.collections.cli_options import (
    Address,
    Keys,
    Lock,
    RootOrKeys,
    open_published,
    store_at,
    time_now,
)
from meishi.collections.layout import CONFIG

if TYPE_CHECKING:
    from meishi.collections.repository import Repository

app = typer.Typer(help="Model collections: testers first, then everyone.", no_args_is_help=True)
app.add_typer(cli_upkeep.app)  # its commands beside these
app.add_typer(cli_devices.app)

Config = Annotated[Path, typer.Option(help="Floors, contracts and packages of the models.")]
Model = Annotated[str, typer.Argument(help="Name of the model.", metavar="MODEL")]
Version = Annotated[str, typer.Argument(help="Version, as 1.4.0.", metavar="VERSION")]
Collection = Annotated[str, typer.Option("--in", help="staging or release.")]
Rollout = Annotated[int, typer.Option(help="Share of the devices, percent.", min=0, max=100)]


@app.command()
def init(
    at: Address,
    keys: Annotated[
        Path,
        typer.Option(help="Folder for the private keys: empty, or that of an `init` cut short."),
    ],
    lock: Lock = None,
) -> None:
    """Make keys and publish empty collections. MEISHI_KEYS_PASSWORD encrypts the keys."""
    from meishi.collections.founding import found
    from meishi.collections.keys import outside_git

    found(store_at(at, lock), outside_git(keys), time_now())
    print(f"{at}: staging and release, empty")
    print(f"{keys}: private keys; give release-1 and release-2 to two people, root-* to a safe")
    print(f"{keys}/root.json: embed it in the app; it is no secret")


@app.command()
def publish(
    artefact: Annotated[
        str, typer.Argument(help="Git tag MODEL@vVERSION, or an .mlpackage.", metavar="MODEL")
    ],
    at: Address,
    keys: Keys,
    to: Annotated[str, typer.Option(help="staging or release.")] = "staging",
    min_os: Annotated[
        str, typer.Option(help="Oldest system, as 17.4; that of the package if not given.")
    ] = "",
    min_app: Annotated[str, typer.Option(help="Oldest app.")] = "1.0",
    max_app: Annotated[str, typer.Option(help="Newest app; any if not given.")] = "",
    variant: Annotated[str, typer.Option(help="Name of this build, if there are several.")] = "",
    rollout: Rollout = 100,
    notes: Annotated[str, typer.Option(help="Release notes.")] = "",
    model: Annotated[str, typer.Option(help="Of an .mlpackage: its name.")] = "",
    version: Annotated[str, typer.Option(help="Of an .mlpackage: its version.")] = "",
    metrics: Annotated[
        list[Path] | None, typer.Option(help="Of an .mlpackage: metrics files; repeatable.")
    ] = None,
    config: Config = CONFIG,
    root: RootOrKeys = None,
    lock: Lock = None,
) -> None:
    """Put a package through the quality gate and into a collection."""
    import tempfile

    from meishi.collections import edits, gate, layout, publishing, registry
    from meishi.collections.contract import contract_of, system_of

    collection = layout.checked_collection(to)
    wanted = gate.read_config(config)
    tag = registry.parse_tag(artefact)
    with tempfile.TemporaryDirectory(prefix="meishi-publish-") as scratch:
        if tag:
            candidate = publishing.from_tag(Path.cwd(), tag, wanted, Path(scratch))
        else:
            candidate = publishing.from_folder(Path(artefact), model, version, metrics or [])
        system = gate.check_system(min_os, system_of(candidate.package))
        terms = publishing.Terms(system, min_app, max_app, variant, rollout, notes)
        repository = open_published(at, keys, root, lock)
        entry = publishing.publish(repository, collection, candidate, terms, wanted, contract_of)
    print(f"{collection}: {entry.model} {entry.version}, contract {entry.contract[:12]}")
    if note := edits.overtaken(repository.load(), collection, entry):
        print(f"note: {note}")


@app.command()
def promote(
    model: Model,
    version: Version,
    at: Address,
    keys: Keys,
    source: Annotated[str, typer.Option("--from", help="Collection it is in.")] = "staging",
    to: Annotated[str, typer.Option(help="Collection it goes to.")] = "release",
    rollout: Rollout = 100,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where `halt` stopped.")] = False,
    root: RootOrKeys = None,
    lock: Lock = None,
) -> None:
    """List the same bytes in another collection, or raise their share there.

    A version that was published to the other collection itself is raised in the same way.
    """
    from meishi.collections import edits, publishing
    from meishi.collections.layout import checked_collection

    source, to = checked_collection(source), checked_collection(to)
    repository = open_published(at, keys, root, lock)
    publishing.require_archives(repository, source, to, model, version)
    repository.change(
        lambda state: edits.promote(state, model, version, source, to, rollout, resume)
    )
    print(f"{to}: {model} {version} for {rollout} % of the devices")


@app.command()
def rollback(
    model: Model,
    at: Address,
    keys: Keys,
    within: Collection = "release",
    to: Annotated[str, typer.Option(help="Version to go back to; the one before if none.")] = "",
    root: RootOrKeys = None,
    lock: Lock = None,
) -> None:
    """Withdraw the newest version, or all that are newer than another."""
    from meishi.collections import edits
    from meishi.collections.layout import checked_collection

    within = checked_collection(within)
    gone: list[str] = []

    def edit(state) -> None:
        gone[:] = edits.roll_back(state, within, model, to)

    open_published(at, keys, root, lock).change(edit)
    print(f"{within}: {model} {', '.join(gone)} withdrawn")


@app.command()
def withdraw(
    model: Model,
    version: Version,
    at: Address,
    keys: Keys,
    within: Collection = "release",
    root: RootOrKeys = None,
    lock: Lock = None,
) -> None:
    """Send every device that has a version back to the one before."""
    from meishi.collections.entries import WITHDRAWN

    _set_state(open_published(at, keys, root, lock), within, model, version, WITHDRAWN)


@app.command()
def halt(
    model: Model,
    version: Version,
    at: Address,
    keys: Keys,
    within: Collection = "release",
    root: RootOrKeys = None,
    lock: Lock = None,
) -> None:
    """Stop a rollout where it is: who has the version keeps it, no one else gets it."""
    from meishi.collections.entries import HALTED

    _set_state(open_published(at, keys, root, lock), within, model, version, HALTED)


def _set_state(
    repository: "Repository", within: str, model: str, version: str, wanted: str
) -> None:
    from meishi.collections import edits
    from meishi.collections.layout import checked_collection

    within = checked_collection(within)
    repository.change(lambda state: edits.set_state(state, within, model, version, wanted))
    print(f"{within}: {model} {version} {wanted}")
