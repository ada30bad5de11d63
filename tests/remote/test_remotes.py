"""What DVC keeps on a server comes back whole, whatever happens to the server."""

import subprocess
import time

import pytest

from tests.remote.toy import FILES

# data.dvc's list, its files and the stage's out.
OBJECTS = FILES + 2
KILLED_AFTER_BYTES = 600_000
# Below the size of a file and above that of the list.
FULL_AT_KIB = 100


def on(*names):
    """Run a slow test on these servers, one of each protocol at most; see `servers.SERVERS`."""
    return pytest.mark.parametrize("server", names, indirect=True)


def test_a_fresh_clone_gets_data_and_model_without_a_run(repository, server):
    before = repository.content()
    repository.dvc("push")
    assert len(server.stored()) == OBJECTS
    repository.wipe()
    repository.dvc("repro", "--pull")
    assert repository.content() == before
    assert repository.runs() == 1


def test_wrong_credentials_are_refused_by_name_and_nothing_is_lost(repository, server):
    before, cached = repository.content(), repository.cached()
    repository.use(server.url, server.wrong)
    said = repository.fails("push")
    assert server.refusal in said, said
    assert "Traceback" not in said
    assert server.stored() == {}
    assert (repository.content(), repository.cached()) == (before, cached)


def check_the_next_push_completes(repository, server, before):
    check_nothing_is_silently_wrong(repository, before)
    repository.dvc("push")
    assert len(whole(server)) == OBJECTS
    repository.wipe()
    repository.dvc("pull")
    assert repository.content() == before


@on("asyncssh", "s3")
def test_a_push_that_the_servers_death_cut_is_completed_by_the_next(repository, server):
    before = repository.content()
    push = start_push(repository)
    wait_for_bytes(push, server, KILLED_AFTER_BYTES)
    server.kill()
    out, _ = push.communicate(timeout=600)
    assert push.returncode != 0, out
    assert len(whole(server)) < OBJECTS
    server.start()
    check_the_next_push_completes(repository, server, before)


@on("asyncssh", "webdav")
def test_a_push_to_a_full_disk_fails_and_is_completed_by_the_next(repository, server):
    before = repository.content()
    server.kill()
    server.start(largest_file_kib=FULL_AT_KIB)
    said = repository.fails("push")
    assert "Traceback" not in said
    server.kill()
    server.start()
    check_the_next_push_completes(repository, server, before)


@on("s3", "webdav")
def test_a_corrupted_object_is_refused_and_a_push_from_a_good_copy_mends_it(repository, server):
    before = repository.content()
    repository.dvc("push")
    damaged = damage_one(server)
    cache, good = repository.folder / ".dvc" / "cache", repository.folder / "good-cache"
    cache.rename(good)
    repository.wipe()
    said = repository.fails("pull", "-v")
    assert f"corrupted cache file '{cache}/files/md5/{damaged}'" in said, said
    assert all(before[path] == content for path, content in repository.content().items())
    repository.wipe()
    good.rename(cache)
    # DVC takes the files of a list that is there for there, too: the list goes with the file.
    (server.objects / "files" / "md5" / damaged).unlink(missing_ok=True)
    for path in server.objects.rglob("*.dir"):
        path.unlink()
    server.kill()  # a server may know for a while what was there
    server.start()
    repository.dvc("push")
    repository.wipe()
    repository.dvc("pull")
    assert repository.content() == before


def start_push(repository):
    """Push an object at a time."""
    return subprocess.Popen(
        ["dvc", "push", "-j", "1"],
        cwd=repository.folder,
        env=repository.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_bytes(push, server, least):
    """Wait until the server holds so much, while the push is still running."""
    while sum(map(len, server.stored().values())) < least:
        assert push.poll() is None, push.communicate()
        time.sleep(0.002)


def whole(server):
    """Name the objects in the store, without what a cut transfer left beside them."""
    return {path for path in server.stored() if len("".join(path.split("/")[-2:])) in (32, 36)}


def check_nothing_is_silently_wrong(repository, before):
    """A clone of an incomplete store says so, and what it got is right."""
    cache = repository.folder / ".dvc" / "cache"
    aside = repository.folder / "good-cache"
    cache.rename(aside)
    repository.wipe()
    repository.fails("pull")
    assert all(before[path] == content for path, content in repository.content().items())
    repository.wipe()
    aside.rename(cache)


def damage_one(server):
    """Change a byte of a stored data file: its path in the store, below files/md5/."""
    objects = {path: content for path, content in server.stored().items() if "." not in path}
    path, content = min(objects.items(), key=lambda item: (len(item[1]), item[0]))
    (server.objects / path).chmod(0o644)
    (server.objects / path).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    return "/".join(path.split("/")[-2:])
