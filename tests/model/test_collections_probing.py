"""The trial of a package on a device: what it says when the machine falls short."""

import errno

import pytest

from meishi.collections import probing
from meishi.collections.probing import probe_package
from meishi.collections.trials import ProbeError, ShortageError
from meishi.coreml import runtime
from meishi.errors import InputError
from tests.collections_world import DETECTOR

SHORT = [
    OSError(errno.EMFILE, "Too many open files"),
    OSError(errno.ENOSPC, "No space left on device"),
    MemoryError(),
]


def caused(outer, inner):
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize("error", SHORT, ids=repr)
def test_the_default_probe_tells_a_shortage_from_a_bad_package(monkeypatch, tmp_path, error):
    def load(path):
        raise caused(InputError(f"{path}/Manifest.json: damaged"), error)

    monkeypatch.setattr(runtime.Package, "load", load)
    with pytest.raises(ShortageError, match="the trial was cut short"):
        probe_package(DETECTOR, tmp_path)


def unreadable(path):
    """What coremltools makes of a file that it may not open for now."""
    raise RuntimeError("Unable to read file weight.bin")


def test_a_package_whose_files_cannot_be_opened_for_now_is_not_judged(monkeypatch, tmp_path):
    (tmp_path / "Manifest.json").write_text("{}")
    monkeypatch.setattr(runtime.Package, "load", unreadable)
    monkeypatch.setattr(probing, "tree_sha256", failing_path(SHORT[0]))
    with pytest.raises(ShortageError):
        probe_package(DETECTOR, tmp_path)


def failing_path(error):
    def act(path):
        raise error

    return act


def test_what_has_passed_by_the_second_look_is_no_verdict(monkeypatch, tmp_path):
    class Loaded:
        features = {}

        def predict(self, values):
            return {}

    tries = [unreadable, lambda path: Loaded()]
    monkeypatch.setattr(runtime.Package, "load", lambda path: tries.pop(0)(path))
    probe_package(DETECTOR, tmp_path)
    assert tries == []
    tries += [unreadable, unreadable]
    with pytest.raises(ProbeError, match="Unable to read"):
        probe_package(DETECTOR, tmp_path)
