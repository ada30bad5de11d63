"""Sets of augmented samples: written, read, refused."""

import zipfile

import numpy as np
import pytest

from meishi.data import samples
from meishi.errors import InputError

QUAD = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]


@pytest.fixture
def folder(tmp_path):
    with samples.SampleWriter(tmp_path, "frames") as writer:
        writer.add(b"first", [QUAD])
        writer.add(b"second", [])
    return tmp_path


def test_what_is_written_is_read(folder):
    found = samples.read(folder, "frames")
    assert found.jpegs == [b"first", b"second"]
    assert [quads.shape for quads in found.quads] == [(1, 4, 2), (0, 4, 2)]
    np.testing.assert_array_equal(found.quads[0], [QUAD])


@pytest.mark.parametrize(
    "line",
    [b"[[0.1, 0.", b"", b"\xff", b"[0.1, 0.2]", b'["a"]', b"{}", b"[null]", b"[[1], [2, 3]]"],
)
def test_labels_that_are_damaged_are_refused(folder, line):
    file = folder / "frames.jsonl"
    file.write_bytes(line + b"\n" + file.read_bytes().splitlines()[1])
    with pytest.raises(InputError, match="frames: .*; run the stage augment"):
        samples.read(folder, "frames")


def test_pictures_that_are_damaged_are_refused(folder):
    file = folder / "frames.zip"
    file.write_bytes(file.read_bytes().replace(b"second", b"sec0nd"))
    with pytest.raises(InputError, match="frames: .*CRC.*; run the stage augment"):
        samples.read(folder, "frames")
    file.write_bytes(b"cut")
    with pytest.raises(InputError, match="frames: .*; run the stage augment"):
        samples.read(folder, "frames")


def test_a_set_that_is_missing_empty_or_uneven_is_refused(folder):
    with pytest.raises(InputError, match="crops: .*; run the stage augment"):
        samples.read(folder, "crops")
    with zipfile.ZipFile(folder / "frames.zip", "w"):
        pass
    with pytest.raises(InputError, match="0 pictures, 2 labels"):
        samples.read(folder, "frames")


@pytest.mark.parametrize(("kept", "labels"), [(1, 1), (2, 3)])
def test_a_set_with_a_label_too_few_or_too_many_is_refused(folder, kept, labels):
    file = folder / "frames.jsonl"
    lines = file.read_text().splitlines()[:kept]
    file.write_text("".join(line + "\n" for line in [*lines, "[]"][:labels]))
    with pytest.raises(InputError, match=f"frames: 2 pictures, {labels} labels"):
        samples.read(folder, "frames")


@pytest.mark.parametrize(
    ("jpeg", "label"), [(b"sEcond", []), (b"second", [QUAD])], ids=["picture", "label"]
)
def test_the_key_of_a_set_changes_with_its_pictures_and_its_labels(folder, jpeg, label):
    before = samples.read(folder, "frames").key
    with samples.SampleWriter(folder, "frames") as writer:
        writer.add(b"first", [QUAD])
        writer.add(b"second", [])
    assert samples.read(folder, "frames").key == before
    with samples.SampleWriter(folder, "frames") as writer:
        writer.add(b"first", [QUAD])
        writer.add(jpeg, label)
    assert samples.read(folder, "frames").key != before
