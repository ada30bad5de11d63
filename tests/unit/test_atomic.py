import errno
import os

import pytest

from meishi.files import atomic
from meishi.files.atomic import atomic_write_text, replace_file, replace_folder


def test_a_file_is_replaced_and_parents_are_made(tmp_path):
    target = tmp_path / "a" / "b.json"
    atomic_write_text(target, "one")
    atomic_write_text(target, "two")
    assert target.read_text() == "two"
    assert list(target.parent.iterdir()) == [target]


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), replace_file(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_partial_file_keeps_the_suffix(tmp_path):
    with replace_file(tmp_path / "a.png") as partial:
        assert partial.suffix == ".png"
        partial.touch()


def test_a_folder_is_replaced_whole(tmp_path):
    target = tmp_path / "out"
    for name in ("first", "second"):
        with replace_folder(target) as partial:
            (partial / name).touch()
    assert [path.name for path in target.iterdir()] == ["second"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_folder_leaves_the_old_one(tmp_path, error):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(error), replace_folder(target) as partial:
        (partial / "new").touch()
        raise error
    assert [path.name for path in target.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_killed_runs_leftover_is_cleared(tmp_path):
    leftover = tmp_path / ".out.partial"
    leftover.mkdir()
    (leftover / "half").touch()
    with replace_folder(tmp_path / "out") as partial:
        assert list(partial.iterdir()) == []


def test_a_swap_that_fails_half_way_puts_the_old_folder_back(tmp_path, monkeypatch):
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").touch()
    rename = os.replace

    def failing(source, destination):
        if str(source).endswith(".partial"):
            raise OSError("no space")
        rename(source, destination)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="no space"), atomic.replace_folder(target) as partial:
        (partial / "new").touch()
    assert [path.name for path in target.iterdir()] == ["old"]


def test_a_folder_lost_between_two_renames_comes_back(tmp_path):
    old = tmp_path / ".out.old"
    old.mkdir()
    (old / "kept").touch()
    with pytest.raises(KeyError), atomic.replace_folder(tmp_path / "out"):
        raise KeyError
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["kept"]


@pytest.mark.parametrize("replace", [replace_file, replace_folder])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_what_was_being_written(tmp_path, replace, code):
    with pytest.raises(OSError) as caught, replace(tmp_path / "out"):
        raise OSError(code, os.strerror(code))  # as a write does, which knows no name
    assert caught.value.filename == str(tmp_path / "out")


def test_the_name_that_an_error_has_is_kept(tmp_path):
    with pytest.raises(OSError) as caught, replace_folder(tmp_path / "out"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "other")
    assert caught.value.filename == "other"
    with pytest.raises(OSError) as caught, replace_folder(tmp_path / "out"):
        raise OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    assert caught.value.filename is None
