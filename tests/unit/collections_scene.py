"""A device that runs 1.0.0, a server that offers 1.1.0, and ways to forge what it serves."""

import re
import shutil
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile

from meishi.collections import layout
from meishi.collections.client import Client, Outcome
from meishi.collections.faulty_server import Site, Twist, serving
from meishi.collections.signing import State
from tests.collections_world import DETECTOR, World, make_world, open_world, runs, weights

OLD, NEW = weights("1.0.0"), weights("1.1.0")
# Status of the outcome and what its reason has to say.
Refusal = tuple[str, str]


@dataclass
class Scene:
    """The stage of an attack.

    Attributes:
        world: what the honest publisher has; its folder is what is served.
        site: the server.
        phone: the device; it runs 1.0.0.
        before: the published folder as it was before 1.1.0.
        twists: what the server does, by beginning of the path.
    """

    world: World
    site: Site
    phone: Client
    before: Path
    twists: dict[str, Twist] = field(default_factory=dict)
    forged: State | None = None

    def attacked(self) -> Outcome:
        return self.phone.update()[0]

    def old(self, path: str) -> bytes:
        return (self.before / path).read_bytes()

    def served(self, path: str) -> Path:
        return self.world.public / path

    def archive(self, version: str = "1.1.0", collection: str = "release") -> Path:
        target = (
            self.state()
            .collections[collection]
            .signed.targets[f"{collection}/{DETECTOR}/{version}.zip"]
        )
        return self.served(layout.archive_path(target.hashes["sha256"]))

    def state(self) -> State:
        """What was published honestly, and what was forged since."""
        if self.forged is None:
            self.forged = self.world.repository.load()
        return self.forged

    def key(self, name: str) -> CryptoSigner:
        """The private key keys/NAME.pem."""
        from meishi.collections.keys import read_key

        return read_key(self.world.folder / "keys" / f"{name}.pem")

    def newest(self, role: str) -> Path:
        """The newest file of a role with a version in its name."""
        files = self.world.public.glob(f"metadata/*.{role}.json")
        return max(files, key=lambda file: int(file.name.split(".")[0]))

    def forge(
        self,
        role: str,
        edit: Callable[[dict], None],
        signers: Iterable[CryptoSigner],
        raise_version: int = 1,
    ) -> None:
        """Sign an altered collection or targets; snapshot and timestamp with their stolen keys."""
        state = self.state()
        content = self.altered(state.roles()[role], edit, signers, raise_version)
        forged = Metadata.from_bytes(content)
        if role == "targets":
            state.targets = forged
        else:
            state.collections[role] = forged
        version = forged.signed.version
        self.served(layout.metadata_path(role, version)).write_bytes(content)
        self.forge_snapshot(
            lambda signed: signed["meta"].update(
                {f"{role}.json": MetaFile.from_data(version, content, ["sha256"]).to_dict()}
            )
        )

    def forge_snapshot(self, edit: Callable[[dict], None], raise_version: int = 1) -> None:
        """Sign an altered snapshot and a timestamp with the stolen keys of both."""
        snapshot = self.altered(
            self.state().snapshot, edit, [self.key("snapshot-1")], raise_version
        )
        self.state().snapshot = Metadata.from_bytes(snapshot)
        version = self.state().snapshot.signed.version
        self.served(layout.metadata_path("snapshot", version)).write_bytes(snapshot)
        meta = MetaFile.from_data(version, snapshot, ["sha256"]).to_dict()
        self.forge_timestamp(lambda signed: signed["meta"].update({"snapshot.json": meta}))

    def forge_timestamp(
        self, edit: Callable[[dict], None], signers: Iterable[CryptoSigner] | None = None
    ) -> None:
        """Sign an altered timestamp, by default with its stolen key."""
        keys = [self.key("timestamp-1")] if signers is None else signers
        content = self.altered(self.state().timestamp, edit, keys, 1)
        self.state().timestamp = Metadata.from_bytes(content)
        self.served(layout.TIMESTAMP).write_bytes(content)

    @staticmethod
    def altered(
        metadata: Metadata,
        edit: Callable[[dict], None],
        signers: Iterable[CryptoSigner],
        raise_version: int,
    ) -> bytes:
        document = metadata.to_dict()
        document["signed"]["version"] += raise_version
        edit(document["signed"])
        forged = Metadata.from_dict(document)
        forged.signatures.clear()
        for signer in signers:
            forged.sign(signer, append=True)
        return forged.to_bytes()


def build(folder: Path) -> None:
    """Make the stage once: 1.0.0 on the device, then 1.1.0 on the server."""
    world = make_world(folder / "founded", folder / "world")
    world.publish("1.0.0")
    world.promote("1.0.0")
    with serving(world.public) as site:
        phone = world.client(site)
        phone.update()
        assert runs(phone) == OLD
    shutil.copytree(world.public, folder / "before")
    world.publish("1.1.0")
    world.promote("1.1.0")
    (folder / "root.json").write_bytes(world.repository.root)


@contextmanager
def opened(template: Path, folder: Path, **changes):
    """Copy the stage and start its server."""
    shutil.copytree(template / "world", folder / "world")
    root = (template / "root.json").read_bytes()
    world = World(folder / "world", open_world(folder / "world", root))
    twists: dict[str, Twist] = {}

    def twist(path: str) -> Twist | None:
        return next((t for start, t in twists.items() if re.match(start, path)), None)

    with serving(world.public, twist) as site:
        phone = world.client(site, **changes)
        yield Scene(world, site, phone, template / "before", twists)
