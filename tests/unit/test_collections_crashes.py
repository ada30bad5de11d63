"""Power cuts at every write of a device and of a publisher; publishers at the same time."""

import os
import shutil
import threading

import pytest

from meishi.collections import edits, founding
from meishi.collections.disk import QuickDisk
from meishi.collections.faulty_server import serving
from meishi.collections.keys import load_keys
from meishi.collections.repository import Repository
from meishi.collections.store import ConflictError, Store
from tests.collections_world import DETECTOR, NOW, SEGMENTER, World, make_world, open_world, runs
from tests.unit.collections_scene import NEW, OLD, build, opened

PIECE = 1024  # bytes of a download that are counted as a write


class PowerCutError(BaseException):
    """Not an Exception: nothing may catch it and tidy up."""


class Fuse:
    """Cuts the power at the n-th write."""

    def __init__(self, at):
        self.left = at

    def burn(self):
        self.left -= 1
        return self.left == 0

    @property
    def burnt(self):
        return self.left <= 0


class CuttingDisk(QuickDisk):
    """A disk that does a part of what it was to do when the power goes."""

    def __init__(self, fuse, part):
        self.fuse = fuse
        self.part = part  # of the content that still reaches the medium

    def write(self, path, content):
        if self.fuse.burn():
            path.parent.mkdir(parents=True, exist_ok=True)
            torn = path.with_name(f".{path.name}.writing")
            torn.write_bytes(content[: int(len(content) * self.part)])
            raise PowerCutError
        super().write(path, content)

    def append(self, path, content):
        # How many bytes come at a time is the network's affair; writes that are to be counted
        # have to be the same in every run, so they are the ends of pieces of the file.
        at = path.stat().st_size if path.is_file() else 0
        while content:
            piece, content = content[: PIECE - at % PIECE], content[PIECE - at % PIECE :]
            at += len(piece)
            if at % PIECE == 0 and self.fuse.burn():
                super().append(path, piece[: int(len(piece) * self.part)])
                raise PowerCutError
            super().append(path, piece)

    def remove(self, path):
        if self.fuse.burn():
            files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else []
            for file in files[: int(len(files) * self.part)]:
                file.unlink()
            raise PowerCutError
        super().remove(path)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    build(folder)
    return folder


def cut_update(scene, monkeypatch, at, part, late):
    """Update with the power cut at a write; tell whether it was."""
    fuse = Fuse(at)
    rename = os.replace

    def replace(source, target):  # those of tuf, too
        last = fuse.burn()
        if not last or late:
            rename(source, target)
        if last:
            raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        try:
            # An update begins with writes, too: it clears away.
            scene.world.client(scene.site, disk=CuttingDisk(fuse, part)).update()
        except PowerCutError:
            pass
    return fuse.burnt


@pytest.mark.parametrize(("part", "late"), [(0.0, False), (0.5, False), (1.0, True)])
def test_a_power_cut_at_any_write_leaves_a_device_old_or_new(
    template, tmp_path, monkeypatch, part, late
):
    with opened(template, tmp_path) as scene:
        home, kept = scene.phone.folder, tmp_path / "kept"
        shutil.copytree(home, kept, symlinks=True)
        cuts, found = 0, set()
        while cut_update(scene, monkeypatch, cuts + 1, part, late):
            cuts += 1
            phone = scene.world.client(scene.site)
            found.add(runs(phone))
            assert found <= {OLD, NEW}, f"write {cuts}"
            assert phone.update()[0].version == "1.1.0", f"write {cuts}"
            assert runs(phone) == NEW
            held = phone.shelf.state(DETECTOR).holds()
            assert {p.name for p in (home / "models").iterdir()} == held, f"write {cuts}"
            assert list((home / "downloads").iterdir()) == []
            shutil.rmtree(home)
            shutil.copytree(kept, home, symlinks=True)
    # Renaming state.json is the last write: only a cut behind it finds the new package.
    assert cuts > 12 and found == ({OLD, NEW} if late else {OLD})


class CuttingStore(Store):
    """A store that loses its publisher before or after a write."""

    def __init__(self, address, fuse, late):
        super().__init__(address)
        self.fuse = fuse
        self.late = late

    def create(self, path, content):
        self._cut(lambda: super(CuttingStore, self).create(path, content))

    def replace(self, path, content, expected):
        self._cut(lambda: super(CuttingStore, self).replace(path, content, expected))

    def _cut(self, write):
        last = self.fuse.burn()
        if not last or self.late:
            write()
        if last:
            raise PowerCutError


def cut_world(world, at, late):
    fuse = Fuse(at)
    store = CuttingStore(str(world.public), fuse, late)
    keys = load_keys([world.folder / "keys"])
    return World(world.folder, Repository(store, world.repository.root, keys, NOW)), fuse


CHANGES = {
    "publish": lambda world: world.publish("1.2.0", to="release"),
    "rollback": lambda world: world.withdraw("1.1.0"),
    "rotate timestamp": lambda world: rotate(world, "timestamp"),
    "rotate snapshot": lambda world: rotate(world, "snapshot"),
    "rotate targets": lambda world: rotate(world, "targets"),
    "rotate release": lambda world: rotate(world, "release"),
    "rotate root": lambda world: rotate(world, "root"),
    "refresh": lambda world: founding.renew(world.repository, ["root", "staging"]),
}


def rotate(world, role):
    state = world.repository.load()
    delegations = state.targets.signed.delegations.roles
    keyid = {**state.root.signed.roles, **delegations}[role].keyids[0]
    shutil.rmtree(world.folder / "new", ignore_errors=True)
    founding.rotate_key(world.repository, role, keyid, world.folder / "new")


@pytest.mark.parametrize(
    ("name", "late"),
    [*((name, False) for name in CHANGES), ("publish", True), ("rotate timestamp", True)],
)
def test_a_publisher_that_dies_at_any_write_harms_no_device(template, tmp_path, name, late):
    cuts = 0
    while True:
        folder = tmp_path / str(cuts)
        folder.mkdir()
        with opened(template, folder) as scene:
            world, fuse = cut_world(scene.world, cuts + 1, late)
            try:
                CHANGES[name](world)
            except PowerCutError:
                pass
            before = scene.attacked()
            assert before.status in ("updated", "unchanged"), (cuts, before)
            if not fuse.burnt:
                break
            # The next publisher finds a whole repository, and devices what it publishes.
            keys = load_keys(
                [p for p in (world.folder / "keys", world.folder / "new") if p.exists()]
            )
            scene.world.repository.keys.update(keys)
            assert scene.world.repository.check(NOW) == []
            scene.world.publish("1.3.0", to="release")
            assert scene.attacked().version == "1.3.0"
        cuts += 1
    assert cuts >= 3 - late


@pytest.mark.parametrize("late", [False, True])
def test_a_founder_that_dies_leaves_nothing_that_is_offered_and_can_go_on(tmp_path, late):
    for at in range(1, 20):
        folder, fuse = tmp_path / str(at), Fuse(at)
        public, keys = Store(str(folder / "public")), folder / "keys"
        try:
            founding.found(CuttingStore(public.address, fuse, late), keys, NOW)
            if not fuse.burnt:
                break
        except PowerCutError:
            if public.read("metadata/timestamp.json") is None:
                if public.read("metadata/1.root.json") is None:
                    keys = folder / "other"  # nothing was published with the first ones
                founding.found(public, keys, NOW)
        root = keys / founding.ROOT_FILE
        assert root.read_bytes() == public.read("metadata/1.root.json")
        assert founding.open_repository(public, [keys], root, NOW).check(NOW) == []
        with pytest.raises(edits.StateError, match="published here already"):
            founding.found(public, keys, NOW)
    assert at > 5


def test_a_founder_that_dies_again_and_again_can_go_on(tmp_path):
    """Each attempt is cut one write later, or the same one, than the one before."""
    for step in (0, 1):
        folder = tmp_path / str(step)
        public, keys = Store(str(folder / "public")), folder / "keys"
        cut_at_root(folder)
        for attempt in range(6):
            with pytest.raises(PowerCutError):
                # Three writes are the check's; the root is there.
                fuse = Fuse(5 + attempt * step // 2)
                founding.found(CuttingStore(public.address, fuse, True), keys, NOW)
        assert public.read("metadata/timestamp.json") is None
        founding.found(public, keys, NOW)
        root = keys / founding.ROOT_FILE
        assert founding.open_repository(public, [keys], root, NOW).check(NOW) == []


def cut_at_root(folder):
    folder.mkdir()
    return cut_founding(folder)


def cut_founding(folder):
    """Found until the root is written, and no more."""
    store = Store(str(folder / "public"))
    with pytest.raises(PowerCutError):
        # The check takes three writes, of which two are refused.
        founding.found(CuttingStore(store.address, Fuse(4), True), folder / "keys", NOW)
    assert [p.name for p in (folder / "public/metadata").glob("*.json")] == ["1.root.json"]
    return store


@pytest.mark.parametrize("change", ["no folder", "other keys", "a key is missing", "forged root"])
def test_a_begun_publication_is_not_taken_up_with_other_keys(tmp_path, change):
    store, keys = cut_founding(tmp_path), tmp_path / "keys"
    root = tmp_path / "public/metadata/1.root.json"
    if change == "no folder":
        keys = tmp_path / "none"
    elif change == "other keys":
        founding.found(Store(str(tmp_path / "else")), tmp_path / "b", NOW)
        keys = tmp_path / "b"
    elif change == "a key is missing":
        (keys / "release-3.pem").unlink()
    else:
        content = root.read_bytes()
        root.write_bytes(content.replace(b'"version":1', b'"version":1,"x-by":"a thief"'))
        assert root.read_bytes() != content
    before = root.read_bytes()
    with pytest.raises(edits.StateError, match="was begun here, not with the keys in"):
        founding.found(store, keys, NOW)
    assert root.read_bytes() == before and not (tmp_path / "none").exists()
    assert store.read("metadata/timestamp.json") is None


@pytest.fixture
def world(template, tmp_path):
    return make_world(template / "founded", tmp_path)


def other(world):
    """Another publisher on the same folder."""
    return World(world.folder, open_world(world.folder, world.repository.root))


def names(world, collection="staging"):
    return {o.target.path for o in edits.offers(world.repository.load(), collection)}


def test_who_publishes_while_another_does_loses_nothing(world):
    second, met = other(world), []
    world.publish("1.0.0")

    def edit(state):
        if not met:  # the first time: someone else publishes between our reading and our writing
            met.append(second.publish("1.1.0"))
        edits.promote(state, DETECTOR, "1.0.0", "staging", "release", 100)

    world.repository.change(edit)
    assert len(names(world)) == 2 and len(names(world, "release")) == 1
    assert world.repository.check(NOW) == []


def test_one_version_is_published_once_by_two(world):
    second, met = other(world), []
    world.publish("1.0.0")

    def edit(state):
        if not met:
            met.append(second.withdraw("1.0.0", "staging"))
        edits.set_state(state, "staging", DETECTOR, "1.0.0", "withdrawn")

    with pytest.raises(edits.StateError, match="is withdrawn already"):
        world.repository.change(edit)


def test_publishers_in_threads_lose_nothing(world):
    faults = []

    def work(model):
        mine = other(world)
        try:
            for minor in range(3):
                mine.publish(f"1.{minor}.0", model=model)
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=[name]) for name in (DETECTOR, SEGMENTER)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(names(world)) == 6
    assert world.repository.check(NOW) == []


def test_only_one_of_two_founders_wins(tmp_path):
    founding.found(Store(str(tmp_path / "public")), tmp_path / "a", NOW)
    with pytest.raises(edits.StateError, match="published here already"):
        founding.found(Store(str(tmp_path / "public")), tmp_path / "b", NOW)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_a_store_refuses_what_was_overtaken(tmp_path, kind):
    store = Store(str(tmp_path / "x") if kind == "file" else f"memory://{tmp_path.name}")
    store.check()
    store.create("metadata/a", b"1")
    with pytest.raises(ConflictError):
        store.create("metadata/a", b"1")
    with pytest.raises(ConflictError):
        store.replace("metadata/a", b"3", b"2")
    store.replace("metadata/a", b"2", b"1")
    assert store.read("metadata/a") == b"2"
    assert store.read("metadata/b") is None
    assert set(store.ages("metadata", NOW)) == {"metadata/a"}


def test_devices_read_what_is_published_into_memory(tmp_path):
    repository = founding.found(Store(f"memory://{tmp_path.name}"), tmp_path / "keys", NOW)
    world = World(tmp_path, repository)
    world.publish("1.0.0")
    assert repository.check(NOW) == []
    copy = tmp_path / "copy"
    repository.store.fs.get(repository.store.root, str(copy), recursive=True)
    with serving(copy) as site:
        (tmp_path / "app" / "CardDetector.mlpackage").mkdir(parents=True)
        tester = world.client(site, collection="staging")
        assert tester.update()[0].version == "1.0.0"
