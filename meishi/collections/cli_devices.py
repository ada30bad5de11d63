"""The commands of `meishi collections` that need no private key: look, verify, be a device."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from meishi.collections.cli_options import Address, Lock, Root
from meishi.collections.installed import QUOTA_BYTES
from meishi.errors import InputError, summary
from meishi.wording import counted

app = typer.Typer()


@app.command()
def status(at: Address, root: Root, lock: Lock = None) -> None:
    """Print what both collections offer, and until when the signatures hold."""
    from meishi.collections.founding import open_repository
    from meishi.collections.status import status_lines
    from meishi.collections.store import Store

    now = datetime.now(UTC)
    repository = open_repository(Store(at, lock), [], root, now)
    print("\n".join(status_lines(repository.load(), now)))


@app.command()
def verify(at: Address, root: Root, lock: Lock = None) -> None:
    """Verify as a device would, and the sha256 of every archive."""
    from meishi.collections.founding import open_repository
    from meishi.collections.store import Store

    now = datetime.now(UTC)
    faults = open_repository(Store(at, lock), [], root, now).check(now)
    if faults:
        raise InputError(f"{at}: refused: {summary(faults)}")
    print(f"{at}: metadata and archives are what was signed")


@app.command()
def contract(
    package: Annotated[Path, typer.Argument(help="An .mlpackage.")],
) -> None:
    """Print the contract of a package: its sha256, for collections.yaml, and what it is of."""
    from meishi.collections.contract import make_contract
    from meishi.packages.inspection import inspect

    found = make_contract(inspect(package))
    print(found.sha256)
    print(json.dumps(json.loads(found.text()), indent=1))


@app.command()
def client(
    url: Annotated[str, typer.Argument(help="Address of the published folder, http(s)://.")],
    root: Root,
    state: Annotated[Path, typer.Option(help="Folder of this device.")],
    embedded: Annotated[
        list[str], typer.Option(help="MODEL=PACKAGE that comes with the app; repeatable.")
    ],
    collection: Annotated[str, typer.Option(help="staging or release.")] = "release",
    device: Annotated[str, typer.Option(help="Id of the device; random in an app.")] = "device",
    os: Annotated[str, typer.Option(help="Version of its system.")] = "17.0",
    app_version: Annotated[str, typer.Option("--app", help="Version of its app.")] = "1.0",
    quota: Annotated[
        int, typer.Option(help="Bytes for packages and archives.", min=1)
    ] = QUOTA_BYTES,
) -> None:
    """Be a device once: poll, download, verify, try, swap; print what runs then.

    Ends with 0 whatever the status of a model: a device goes on with what it has.
    """
    from meishi.collections.client import Client
    from meishi.collections.layout import checked_collection
    from meishi.collections.probing import probe_package
    from meishi.collections.selection import Device

    _require_http(url)
    packages = _embedded(embedded)
    contracts = _contracts(packages)
    one = Client(
        url,
        _read(root),
        state,
        Device(device, os, app_version, checked_collection(collection), contracts),
        packages,
        probe_package,
        quota=quota,
    )
    for outcome in one.update():
        reason = f" ({outcome.reason})" if outcome.reason else ""
        print(f"{outcome.model}: {outcome.status}, runs {outcome.version}{reason}")
        print(f"  {one.package(outcome.model)}")
    traffic = one.http.traffic
    print(f"{counted(traffic.requests, 'request')}, {counted(traffic.received, 'byte')} of answers")


@app.command()
def simulate(
    devices: Annotated[int, typer.Option(help="Number of devices.", min=10)] = 200,
    seed: Annotated[int, typer.Option(help="Of the faults and the devices.")] = 20261,
    workers: Annotated[int, typer.Option(help="Processes of devices.", min=1)] = 2,
    out: Annotated[Path, typer.Option(help="Folder for simulation.json and the curve.")] = Path(
        "build/simulation"
    ),
) -> None:
    """Let many devices follow a rollout, a bad model and a rollback through a faulty server."""
    from meishi.collections.simulation import simulate_to

    for line in simulate_to(out, devices, seed, workers):
        print(line)


def _require_http(url: str) -> None:
    """Refuse an address that no device can ask; InputError."""
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
    except ValueError as error:
        raise InputError(f"{url}: no address: {error}; expected http(s)://HOST/PATH") from error
    if scheme not in ("http", "https"):
        raise InputError(
            f"{url}: expected http:// or https://, got {f'{scheme}:' if scheme else 'no scheme'}; "
            "a folder can be served with `python -m http.server --directory FOLDER`"
        )
    if not host:
        raise InputError(f"{url}: no host; expected {scheme}://HOST/PATH")


def _embedded(texts: list[str]) -> dict[str, Path]:
    pairs = [text.partition("=") for text in texts]
    faults = [f"--embedded {text}: expected MODEL=PACKAGE" for text in texts if "=" not in text]
    faults += [
        f"{path}: no such package" for _, _, path in pairs if path and not Path(path).is_dir()
    ]
    models = [model for model, _, _ in pairs]
    faults += [
        f"--embedded {model}=...: given twice"
        for model in sorted({*models})
        if models.count(model) > 1
    ]
    if faults:
        raise InputError(summary(faults))
    return {model: Path(path) for model, _, path in pairs}


def _contracts(packages: dict[str, Path]) -> dict[str, str]:
    """Hash the embedded packages' contracts: an app knows its own, this command has to look."""
    from meishi.collections.contract import contract_of

    return {model: contract_of(package) for model, package in packages.items()}


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
