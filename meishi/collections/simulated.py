"""Devices of a simulation: the real client, in its own folder, on a phone that fails now and then.

A package holds one line that says what becomes of it: "good"; "bad", which fails its trial; or
"flaky", which passes its trial and fails in use on three devices of ten.
"""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meishi.collections.archive import tree_sha256
from meishi.collections.client import Client
from meishi.collections.disk import QuickDisk
from meishi.collections.http import Http, Limits
from meishi.collections.layout import RELEASE, STAGING
from meishi.collections.selection import Device, bucket
from meishi.collections.trials import ProbeError

MODEL = "card-detector"
CONTRACT = "c" * 64
EMBEDDED = "embedded"
# Short, for the server is on this machine: what hangs is to cost the simulation little.
LIMITS = Limits(connect_s=5, read_s=2, total_s=10, redirects=2)
TESTERS = 5  # percent of the devices
FLAKY = 30  # percent of the devices on which a flaky package fails in use
KILLED = 2  # percent of the polls in which the app is killed at one of its writes
SKEWED = 10  # percent of the devices whose clock is up to two days off
WRONG_CLOCK = 1  # percent of the devices whose clock is a year ahead until someone mends it


@dataclass(frozen=True)
class World:
    """What all devices of a simulation share.

    Attributes:
        url: of the server.
        root: trusted root.
        folder: holds `app.mlpackage` and `devices/`.
        trees: sha256 of every unpacked package that is or was signed, and of the embedded one.
        seed: of the devices' faults.
        clocks_mended: whether wrong clocks are right by now.
    """

    url: str
    root: bytes
    folder: Path
    trees: frozenset[str]
    seed: int
    clocks_mended: bool


@dataclass(frozen=True)
class Polled:
    """What came of one poll.

    Attributes:
        number: of the device.
        version: that runs.
        status: of the outcome; "killed" if the app was.
        requests: of this poll.
        received: bytes of answers.
        verified: whether what runs is, byte for byte, something that was signed.
    """

    number: int
    version: str
    status: str
    requests: int
    received: int
    verified: bool


class KilledError(BaseException):
    """The app was killed; nothing may catch it and tidy up."""


class KillingDisk(QuickDisk):
    """A disk at one of whose writes the app is killed."""

    def __init__(self, left: int) -> None:
        """Kill at the write number `left`; 0 for never."""
        self._left = left

    def write(self, path: Path, content: bytes) -> None:
        """Replace a file, unless this is the write at which the app ends."""
        self._count()
        super().write(path, content)

    def append(self, path: Path, content: bytes) -> None:
        """Add to a file; half of it if this is the write at which the app ends."""
        if self._left == 1:
            super().append(path, content[: len(content) // 2])
        self._count()
        super().append(path, content)

    def rename(self, source: Path, target: Path) -> None:
        """Rename, unless this is the write at which the app ends."""
        self._count()
        super().rename(source, target)

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise KilledError


def device_id(number: int) -> str:
    """Return the id of a device."""
    return f"device-{number}"


def collection_of(number: int) -> str:
    """Return what a device follows."""
    return STAGING if _share(number, "tester") < TESTERS else RELEASE


def fails_in_use(number: int, kind: str) -> bool:
    """Tell whether a package of a kind fails on a device after its trial."""
    return kind == "flaky" and _share(number, "flaky") < FLAKY


def has_wrong_clock(number: int) -> bool:
    """Tell whether a device's clock is a year ahead."""
    return _share(number, "clock") < WRONG_CLOCK


def write_package(path: Path, version: str, kind: str, size: int) -> Path:
    """Write a package of a version that behaves as its kind says.

    Args:
        path: folder to make.
        version: of the model.
        kind: good, bad or flaky.
        size: bytes of its weights, which do not compress.
    """
    (path / "Data").mkdir(parents=True)
    (path / "Manifest.json").write_text(json.dumps({"version": version, "kind": kind}))
    (path / "Data" / "weight.bin").write_bytes(hashlib.shake_256(version.encode()).digest(size))
    return path


def poll_devices(world: World, numbers: Sequence[int], turn: int) -> list[Polled]:
    """Let some devices start their app once, one after the other."""
    return [_poll(world, number, turn) for number in numbers]


def _poll(world: World, number: int, turn: int) -> Polled:
    drawn = random.Random(f"{world.seed} {number} {turn}")
    killed_at = drawn.randint(1, 12) if drawn.uniform(0, 100) < KILLED else 0
    http = Http(LIMITS)
    status = "killed"
    try:
        client = _client(world, number, http, KillingDisk(killed_at))
        (outcome,) = client.update()
        status = outcome.status
        kind = json.loads((client.package(MODEL) / "Manifest.json").read_text())["kind"]
        if fails_in_use(number, kind):
            status = client.report_failure(MODEL).status
    except KilledError:
        pass
    finally:
        http.pool.clear()
    # What the app would run at its next start, looked at without the client's own bookkeeping.
    package = _client(world, number, http, QuickDisk()).package(MODEL)
    manifest = json.loads((package / "Manifest.json").read_text())
    verified = tree_sha256(package) in world.trees
    traffic = http.traffic
    return Polled(number, manifest["version"], status, traffic.requests, traffic.received, verified)


def _client(world: World, number: int, http: Http, disk: QuickDisk) -> Client:
    device = Device(device_id(number), "17.4", "1.2", collection_of(number), {MODEL: CONTRACT})
    now = datetime.now(UTC) + _skew(world, number)
    return Client(
        world.url,
        world.root,
        world.folder / "devices" / str(number),
        device,
        {MODEL: world.folder / "app.mlpackage"},
        _probe,
        http=http,
        disk=disk,
        clock=lambda: now,
    )


def _probe(model: str, package: Path) -> None:
    if json.loads((package / "Manifest.json").read_text())["kind"] == "bad":
        raise ProbeError("the outputs are not finite")


def _skew(world: World, number: int) -> timedelta:
    if has_wrong_clock(number) and not world.clocks_mended:
        return timedelta(days=400)
    days = _share(number, "skew") * 4 / SKEWED - 2
    return timedelta(days=days) if abs(days) <= 2 else timedelta()


def _share(number: int, what: str) -> float:
    return bucket(what, device_id(number), "simulation")
