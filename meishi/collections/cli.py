"""`meishi collections`: publish, promote, take back, look, keep in order; be a device; simulate."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from meishi.collections import cli_devices
from meishi.collections.cli_options import Address, Lock
from meishi.collections.layout import CONFIG
from meishi.errors import InputError

if TYPE_CHECKING:
    from meishi.collections.repository import Repository
    from meishi.collections.store import Store

app = typer.Typer(help="Model collections: testers first, then everyone.", no_args_is_help=True)
app.add_typer(cli_devices.app)  # its commands beside these

Keys = Annotated[list[Path], typer.Option("--keys", help="Folder with private keys; repeatable.")]
RootOrKeys = Annotated[
    Path | None, typer.Option(help="Trusted root.json; that of the first --keys if not given.")
]
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

    found(_store(at, lock), outside_git(keys), _now())
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

    from meishi.collections import gate, layout, publishing, registry
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
        repository = _repository(at, keys, root, lock)
        entry = publishing.publish(repository, collection, candidate, terms, wanted, contract_of)
    print(f"{collection}: {entry.model} {entry.version}, contract {entry.contract[:12]}")


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
    """List the same bytes in another collection, or raise their share there."""
    from meishi.collections import edits, publishing
    from meishi.collections.layout import checked_collection

    source, to = checked_collection(source), checked_collection(to)
    repository = _repository(at, keys, root, lock)
    publishing.require_archives(repository, source, model, version)
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

    _repository(at, keys, root, lock).change(edit)
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

    _set_state(_repository(at, keys, root, lock), within, model, version, WITHDRAWN)


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

    _set_state(_repository(at, keys, root, lock), within, model, version, HALTED)


@app.command()
def refresh(
    at: Address,
    keys: Keys,
    roles: Annotated[
        list[str] | None, typer.Option(help="Further roles to sign anew; repeatable.")
    ] = None,
    root: RootOrKeys = None,
    lock: Lock = None,
) -> None:
    """Sign timestamp and snapshot anew before they expire: once a day, by a timer."""
    from meishi.collections.founding import renew

    renew(_repository(at, keys, root, lock), roles or [])
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
    new = rotate_key(_repository(at, keys, root, lock), role, keyid, folder)
    print(f"{role}: {keyid} revoked, {new.keyid} in its place")


@app.command()
def gc(
    at: Address,
    keys: Keys,
    days: Annotated[float, typer.Option(help="Keep what is younger.", min=0)] = 7,
    root: RootOrKeys = None,
    lock: Lock = None,
) -> None:
    """Remove archives and old metadata that nothing refers to."""
    from meishi.collections.publishing import collect_garbage

    gone = collect_garbage(_repository(at, keys, root, lock), days * 86400)
    print("\n".join([f"removed {path}" for path in gone] or ["nothing to remove"]))


def _set_state(
    repository: "Repository", within: str, model: str, version: str, wanted: str
) -> None:
    from meishi.collections import edits
    from meishi.collections.layout import checked_collection

    within = checked_collection(within)
    repository.change(lambda state: edits.set_state(state, within, model, version, wanted))
    print(f"{within}: {model} {version} {wanted}")


def _repository(at: str, keys: list[Path], root: Path | None, lock: Path | None) -> "Repository":
    from meishi.collections.founding import ROOT_FILE, open_repository

    folders = [folder.expanduser() for folder in keys]
    if root is None and not folders:
        raise InputError("the trusted root is not named: give --root or --keys")
    trusted = root or folders[0] / ROOT_FILE
    return open_repository(_store(at, lock), folders, trusted, _now())


def _store(at: str, lock: Path | None) -> "Store":
    from meishi.collections.store import Store

    # Credentials, region and endpoint of S3 come from the AWS_* variables of the environment.
    return Store(at, lock)


def _now() -> datetime:
    return datetime.now(UTC)
