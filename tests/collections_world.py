"""A published folder with two models, an app and a server, for the tests of collections."""

import functools
import hashlib
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meishi.collections import edits, founding, gate, keys, publishing
from meishi.collections.client import Client
from meishi.collections.disk import QuickDisk
from meishi.collections.faulty_server import Site
from meishi.collections.http import Http, Limits
from meishi.collections.repository import Repository
from meishi.collections.selection import Device
from meishi.collections.store import Store
from meishi.collections.trials import ProbeError

NOW = datetime.now(UTC)
CONTRACT, OTHER_CONTRACT = "a" * 64, "b" * 64
DETECTOR, SEGMENTER = "card-detector", "card-segmenter"
METRICS = {"evaluate": b'{"detection": {"ap50": 0.95}}'}
LIMITS = Limits(connect_s=2, read_s=0.5, total_s=0.7, redirects=3)
BAD = b"does not run"


def config(*apps: gate.App) -> gate.Config:
    """Two models that need an AP of 0.9; by default every app reads CONTRACT."""
    bounds = (gate.Bound("evaluate:detection.ap50", at_least=0.9),)
    apps = apps or (gate.App("1.0", CONTRACT),)
    models = (gate.Model(name, f"models/{name}", bounds, apps) for name in (DETECTOR, SEGMENTER))
    return gate.Config(tuple(models))


def write_package(path: Path, weights: bytes) -> Path:
    """Write what has the files of a Core ML package, but is none."""
    (path / "Data" / "weights").mkdir(parents=True)
    (path / "Manifest.json").write_text("{}")
    (path / "Data" / "weights" / "weight.bin").write_bytes(weights)
    return path


def weights(version: str) -> bytes:
    """What the package of a version holds: bytes that do not compress."""
    return hashlib.shake_256(version.encode()).digest(20_000)


def weights_of(package: Path) -> bytes:
    return (package / "Data" / "weights" / "weight.bin").read_bytes()


def probe(model: str, package: Path) -> None:
    """A trial that only packages with the weights BAD fail."""
    if weights_of(package).startswith(BAD):
        raise ProbeError("the outputs are not finite")


@dataclass
class World:
    """A folder with `public` (published), `keys` and `app`, and the repository on it."""

    folder: Path
    repository: Repository

    @property
    def public(self) -> Path:
        return self.folder / "public"

    def publish(
        self, version, content=b"", model=DETECTOR, to="staging", contract=CONTRACT, **terms
    ):
        """Publish a package whose weights are `content`, or weights(version)."""
        content = content or weights(version)
        path = self.folder / "packages" / model / hashlib.sha256(content).hexdigest()
        if not path.exists():
            write_package(path, content)
        candidate = publishing.Candidate(path, model, version, METRICS, f"folder {version}")
        wanted = publishing.Terms(**{"min_os": "15.0", "min_app": "1.0", **terms})
        return publishing.publish(
            self.repository, to, candidate, wanted, config(), lambda package: contract
        )

    def promote(self, version, rollout=100, model=DETECTOR, resume=False):
        self.repository.change(
            lambda state: edits.promote(
                state, model, version, "staging", "release", rollout, resume
            )
        )

    def withdraw(self, version, collection="release"):
        self.set_state(version, "withdrawn", collection)

    def set_state(self, version, wanted, collection="release"):
        self.repository.change(
            lambda state: edits.set_state(state, collection, DETECTOR, version, wanted)
        )

    def client(self, site: Site, name="phone", **changes) -> Client:
        """A device with its own folder; `changes` are fields of Client or Device."""
        about = {
            "id": name,
            "os": "17.4",
            "app": "1.2",
            "collection": "release",
            "contracts": {DETECTOR: CONTRACT, SEGMENTER: CONTRACT},
        }
        about = {key: changes.pop(key, value) for key, value in about.items()}
        rest = {"probe": probe, "disk": QuickDisk(), "http": Http(LIMITS)} | changes
        return Client(
            site.url,
            self.repository.root,
            self.folder / name,
            Device(**about),
            {DETECTOR: self.folder / "app" / "CardDetector.mlpackage"},
            **rest,
        )


@functools.cache
def _founded(folder: Path) -> bytes:
    """Make keys and empty collections in a folder once; return the root."""
    return founding.found(Store(str(folder / "public")), folder / "keys", NOW).root


def make_world(template: Path, folder: Path) -> World:
    """Copy the founded template and open it."""
    root = _founded(template)
    shutil.copytree(template, folder, dirs_exist_ok=True)
    write_package(folder / "app" / "CardDetector.mlpackage", b"embedded")
    return World(folder, open_world(folder, root))


def open_world(folder: Path, root: bytes, now: datetime = NOW) -> Repository:
    from meishi.collections.keys import load_keys

    return Repository(Store(str(folder / "public")), root, load_keys([folder / "keys"]), now)


def days(count: float) -> datetime:
    return NOW + timedelta(days=count)


def runs(client: Client) -> bytes:
    """What the device's detector is: its weights."""
    return weights_of(client.package(DETECTOR))


def at(world, now):
    """The same publisher at another time by its clock."""
    return open_world(world.folder, world.repository.root, now)


def keyid_of(world, role):
    """The id of the first key of a role."""
    return keys.read_key(world.folder / "keys" / f"{role}-1.pem").public_key.keyid


def files_of(world):
    """Every file of the world, with its content."""
    return {p: p.read_bytes() for p in world.folder.rglob("*") if p.is_file()}
