"""Archives and entries that are signed and yet unsound, and devices that have no room for them."""

import dataclasses
import errno
import hashlib
import io
import re
import stat
import struct
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.api.metadata import TargetFile

from meishi.collections import layout
from meishi.collections.archive import ArchiveError, unpack
from meishi.collections.disk import QuickDisk
from tests.collections_world import (
    BAD,
    DETECTOR,
    OTHER_CONTRACT,
    SEGMENTER,
    runs,
)
from tests.unit.collections_scene import NEW, OLD


def zipped(*members, kind=zipfile.ZIP_STORED):
    """Zip pairs of a name or ZipInfo and a content, beside a manifest."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as archive:
        for name, content in (("Manifest.json", b"{}"), *members):
            archive.writestr(name, content)
    return stream.getvalue()


def link(name, to):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, to


def special(name):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFIFO | 0o600) << 16
    return info, b""


def renamed(content, old, new):
    """Change a name where the zip has it, which zipfile would not write."""
    assert len(old) == len(new)
    return content.replace(old, new)


def encrypted(content):
    """Set the flag that says so in the directory."""
    at = content.rindex(b"PK\x01\x02") + 8
    return content[:at] + struct.pack("<H", 1) + content[at + 2 :]


def understated(content, size):
    """State another size for the last file than it has."""
    at = content.rindex(b"PK\x01\x02") + 24
    return content[:at] + struct.pack("<I", size) + content[at + 4 :]


def said_to_be_utf8(content):
    """Set the flag that says that the last name is UTF-8."""
    at = content.rindex(b"PK\x01\x02") + 8
    return content[:at] + struct.pack("<H", 1 << 11) + content[at + 2 :]


def later_files(content):
    """State a directory that begins later: every file then begins before the archive does."""
    at = content.rindex(b"PK\x05\x06") + 16
    (start,) = struct.unpack("<I", content[at : at + 4])
    return content[:at] + struct.pack("<I", start + 9) + content[at + 4 :]


BOMB = zipped(("Data/w", b"\0" * 5_000_000), kind=zipfile.ZIP_DEFLATED)

# Name: the archive, the unpacked size that is signed (None: the true one), what the device says.
ARCHIVES = {
    "zip bomb": (BOMB, 20_000, "5000002 bytes unpacked; 20000 were signed"),
    "zip bomb that states a small size": (understated(BOMB, 100), 102, "damaged|refused"),
    "parent folder": (zipped(("../evil", b"x")), None, "leaves its folder"),
    "parent folder further in": (zipped(("Data/../../evil", b"x")), None, "leaves its folder"),
    "absolute path": (zipped(("/tmp/evil", b"x")), None, "no relative path"),
    "path with backslashes": (
        renamed(zipped(("Data/..#evil", b"x")), b"Data/..#evil", b"Data\\..\\evil"),
        None,
        "no relative path",
    ),
    "drive letter": (zipped(("C:evil", b"x")), None, "no relative path"),
    "name with a zero byte": (
        renamed(zipped(("Data/a#evil", b"x")), b"Data/a#evil", b"Data/a\0evil"),
        None,
        "no relative path",
    ),
    "name longer than a file system takes": (zipped(("Data/" + "w" * 300, b"x")), None, "too long"),
    "path longer than a file system takes": (
        zipped(("/".join(["w" * 150] * 7), b"x")),
        None,
        "too long",
    ),
    "folders without end": (zipped(("a/" * 199 + "w", b"x")), None, "too deep"),
    "name in other letters": (zipped(("Data/w\u0456ght", b"x")), None, "printable ASCII"),
    "name with a line feed": (zipped(("Data/w\nx", b"x")), None, "printable ASCII"),
    "symbolic link": (zipped(link("Data/w", "/etc/hosts")), None, "a link or a special"),
    "link and a file through it": (
        zipped(link("Data", "/tmp"), ("Data/evil", b"x")),
        None,
        "a link or a special",
    ),
    "named pipe": (zipped(special("Data/w")), None, "a link or a special"),
    "folder entry": (zipped(("Data/", b"")), None, "leaves its folder or names one"),
    "one name twice": (
        renamed(zipped(("Data/a", b"x"), ("Data/b", b"y")), b"Data/b", b"Data/a"),
        None,
        "differ by case alone",
    ),
    "names that differ by case": (zipped(("Data/a", b"x"), ("data/A", b"y")), None, "by case"),
    "file where a folder has to be": (zipped(("a", b"x"), ("a/b", b"y")), None, "a folder has to"),
    "file further up where a folder has to be": (
        zipped(("a", b"x"), ("a/b/c", b"y")),
        None,
        "a folder has to",
    ),
    "no manifest": (
        renamed(zipped(("Data/w", b"x")), b"Manifest.json", b"Manifest.jsox"),
        None,
        "no Manifest.json",
    ),
    "too many files": (zipped(*((f"Data/{i}", b"") for i in range(1100))), None, "1101 files"),
    "encrypted file": (encrypted(zipped(("Data/w", b"x"))), None, "encrypted"),
    "rare compression": (zipped(("Data/w", b"x" * 99), kind=zipfile.ZIP_LZMA), None, "compressed"),
    "no zip": (b"no zip at all", 100, "damaged archive"),
    "zip without its end": (zipped(("Data/w", b"x"))[:-10], 100, "damaged archive"),
    "name that is no UTF-8": (
        said_to_be_utf8(renamed(zipped(("Data/w", b"x")), b"Data/w", b"Data/\xff")),
        100,
        "damaged archive: 'utf-8' codec",
    ),
    "files before the beginning": (later_files(zipped(("Data/w", b"x"))), 3, "an offset leaves"),
    "wrong checksum": (
        renamed(zipped(("Data/w", b"right")), b"right", b"wrong"),
        None,
        "damaged archive",
    ),
}


def true_size(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return sum(info.file_size for info in archive.infolist())


def offer(scene, content=None, path=f"release/{DETECTOR}/1.2.0.zip", drop=(), **changes):
    """List an archive as 1.2.0 of the detector, signed as release is; `changes` spoil the entry."""
    signed = scene.state().collections["release"].signed
    good = signed.targets[f"release/{DETECTOR}/1.1.0.zip"]
    content = content or scene.archive().read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    scene.served(layout.archive_path(sha256)).write_bytes(content)
    custom = {**good.custom, "version": "1.2.0", **changes}
    custom = {key: value for key, value in custom.items() if key not in drop}
    target = TargetFile(len(content), {"sha256": sha256}, path, {"custom": custom})
    keys = [scene.key("release-1"), scene.key("release-2")]

    def edit(signed):
        del signed["targets"][f"release/{DETECTOR}/1.1.0.zip"]
        signed["targets"][path] = target.to_dict()

    scene.forge("release", edit, keys)


@pytest.mark.parametrize("name", ARCHIVES)
def test_archive_is_refused_for_good(scene, tmp_path, name):
    content, size, reason = ARCHIVES[name]
    offer(scene, content, unpacked_bytes=true_size(content) if size is None else size)
    before = {p for p in tmp_path.rglob("*") if "phone" not in p.parts}
    outcome = scene.attacked()
    assert (outcome.status, outcome.version) == ("refused", "1.0.0")
    assert re.search(reason, outcome.reason), outcome.reason
    assert runs(scene.phone) == OLD
    assert {p for p in tmp_path.rglob("*") if "phone" not in p.parts} == before
    asked = len(scene.site.asked)
    assert scene.attacked().status == "unchanged"
    assert [path for path in scene.site.asked[asked:] if path.startswith("archives")] == []


SOUND = zipped(("Data/w", b"x" * 50), ("a/b", b"y"), kind=zipfile.ZIP_DEFLATED)


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(
        st.integers(-len(SOUND), -1), st.sampled_from([0, 1, 8, 127, 255]), min_size=1, max_size=4
    )
)
def test_whatever_bytes_are_damaged_an_archive_is_unpacked_or_refused(tmp_path_factory, changed):
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(SOUND)
    for at, value in changed.items():
        content[at] = value
    (folder / "x.zip").write_bytes(content)
    try:
        unpack(folder / "x.zip", folder / "out", true_size(SOUND), QuickDisk())
    except ArchiveError:
        assert sorted(p.name for p in folder.iterdir()) == ["x.zip"]


def test_a_disk_that_refuses_to_write_is_not_a_damaged_archive(tmp_path):
    class OddDisk(QuickDisk):
        """A disk that says EINVAL, as zipfile's reads do of damage."""

        def write(self, path, content):
            raise OSError(errno.EINVAL, "Invalid argument")

    (tmp_path / "x.zip").write_bytes(SOUND)
    with pytest.raises(OSError, match="Invalid argument"):
        unpack(tmp_path / "x.zip", tmp_path / "out", true_size(SOUND), OddDisk())


# Name: what is wrong with the entry, and what the device reports of it.
ENTRIES = {
    "entry of another model": ({"model": SEGMENTER}, "the entry is of release/card-segmenter"),
    "entry of another version": ({"version": "9.9.9"}, "the entry is of"),
    "entry that claims too much room": ({"unpacked_bytes": 10**9}, "unpacked_bytes"),
    "entry with an unknown key": ({"run": "rm"}, "unknown key 'run'"),
    "entry without a contract": ({"drop": ["contract"]}, "missing key 'contract'"),
    "entry with a share over 100": ({"rollout": 101}, "rollout"),
    "entry with a share that is text": ({"rollout": "100"}, "expected int"),
    "entry with an unknown state": ({"state": "forced"}, "state"),
    "entry with a name that is a path": (
        {"version": "../../x", "path": f"release/{DETECTOR}/..%2fx.zip"},
        "version",
    ),
    "entry in another model's folder": (
        {"path": f"release/{SEGMENTER}/1.2.0.zip"},
        "the entry is of",
    ),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_entry_is_passed_over(scene, name):
    changes, reason = ENTRIES[name]
    offer(scene, **changes)
    outcome = scene.attacked()
    assert (outcome.status, outcome.version) == ("unchanged", "1.0.0")
    assert reason in outcome.reason
    assert runs(scene.phone) == OLD


# Name: what the entry asks for that this device (system 17.4, app 1.2) is not.
UNFIT = {
    "contract of another app": {"contract": OTHER_CONTRACT},
    "newer system": {"min_os": "18.0"},
    "newer app": {"min_app": "1.3"},
    "older app": {"max_app": "1.1"},
    "withdrawn": {"state": "withdrawn"},
    "halted": {"state": "halted"},
    "share of 0 %": {"rollout": 0},
}


@pytest.mark.parametrize("name", UNFIT)
def test_package_is_not_for_this_device(scene, name):
    offer(scene, **UNFIT[name])
    asked = len(scene.site.asked)
    assert scene.attacked().version == "1.0.0"
    assert not any(path.startswith("archives") for path in scene.site.asked[asked:])
    assert runs(scene.phone) == OLD


class FullDisk(QuickDisk):
    """A disk with so many bytes left."""

    left = 5000

    def append(self, path, content):
        self._take(len(content))
        super().append(path, content)

    def write(self, path, content):
        self._take(len(content))
        super().write(path, content)

    def _take(self, count):
        self.left -= count
        if self.left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk_keeps_what_runs(scene):
    scene.phone.disk = scene.phone.shelf.disk = FullDisk()
    outcome = scene.attacked()
    assert (outcome.status, outcome.reason) == ("failed", "1.1.0: the disk is full")
    assert runs(scene.phone) == OLD
    scene.phone.disk.left = 10**9
    assert scene.attacked().version == "1.1.0"
    assert runs(scene.phone) == NEW


class FailingDisk(QuickDisk):
    """A disk that takes nothing any more from a number of writes on."""

    def __init__(self, left):
        self.left = left

    def write(self, path, content):
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.EIO, "Input/output error")
        super().write(path, content)


def test_a_disk_that_fails_at_any_write_keeps_what_runs(scene):
    for writes in range(10):
        phone = scene.world.client(scene.site, disk=FailingDisk(writes))
        outcome = phone.update()[0]
        if outcome.status != "failed":
            break
        assert "Input/output error" in outcome.reason
        assert runs(scene.world.client(scene.site)) == OLD
    assert outcome.version == "1.1.0" and writes > 3


def test_quota_keeps_what_runs(scene):
    scene.phone.quota = 50_000
    outcome = scene.attacked()
    assert outcome.status == "failed" and "quota of 50000" in outcome.reason
    assert runs(scene.phone) == OLD


def test_quota_gives_up_the_previous_package_first(scene):
    assert scene.attacked().version == "1.1.0"
    scene.world.publish("1.2.0")
    scene.world.promote("1.2.0")
    previous = scene.phone.shelf.state(DETECTOR).previous
    scene.phone.quota = 65_000
    assert scene.attacked().version == "1.2.0"
    assert not scene.phone.shelf.package(previous.sha256).exists()
    assert scene.phone.shelf.used() <= 65_000


def test_model_that_fails_its_trial_is_never_offered_again(scene):
    scene.world.publish("1.2.0", BAD * 100)
    scene.world.promote("1.2.0")
    outcome = scene.attacked()
    assert (outcome.status, outcome.reason) == ("refused", "1.2.0: the outputs are not finite")
    assert scene.attacked().version == "1.1.0"  # the next best
    scene.world.repository.change(lambda state: None)
    asked = len(scene.site.asked)
    assert scene.attacked().status == "unchanged"
    assert not any(path.startswith("archives") for path in scene.site.asked[asked:])


def test_app_of_another_contract_runs_its_own_package(scene):
    device = dataclasses.replace(scene.phone.device, contracts={DETECTOR: OTHER_CONTRACT})
    scene.phone.device = device
    assert runs(scene.phone) == b"embedded"
    assert (scene.attacked().status, runs(scene.phone)) == ("went back", b"embedded")
