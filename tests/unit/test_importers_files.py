import io
import os
import tarfile
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from meishi.data.importers.finding import Finder, NotFoundError
from meishi.data.importers.opening import OpenError, open_source
from meishi.data.importers.orientation import to_upright
from meishi.pictures import images
from tests.exports import picture, refusal, write, write_zip


def tar(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            if content is None:
                entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return path


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            entry = zipfile.ZipInfo(name)
            if content is None:
                entry.external_attr = 0o120777 << 16
            archive.writestr(entry, content or b"/etc/passwd")
    return path


PACKERS = [(tar, "x.tar.gz"), (zipped, "x.zip")]


@pytest.mark.parametrize(("pack", "name"), PACKERS)
def test_archives_list_and_read_their_files(tmp_path, pack, name):
    members = [("b/c.txt", b"1"), ("a.txt", b"2"), ("__MACOSX/._a.txt", b""), (".DS_Store", b"")]
    with open_source(pack(tmp_path / name, members)) as source:
        assert source.names == ("a.txt", "b/c.txt")
        assert source.read("b/c.txt") == b"1"


@pytest.mark.parametrize(("pack", "name"), PACKERS)
@pytest.mark.parametrize(
    ("member", "content", "words"),
    [
        ("../x", b"", "leads out of the archive"),
        ("a/../../x", b"", "leads out of the archive"),
        ("..\\x", b"", "leads out of the archive"),
        ("/etc/x", b"", "has an absolute path"),
        ("C:\\x", b"", "has an absolute path"),
        ("x", None, "is a link or a device"),
    ],
)
def test_members_that_lead_outside_are_refused_by_name(
    tmp_path, pack, name, member, content, words
):
    path = pack(tmp_path / name, [("a.txt", b""), (member, content)])
    with pytest.raises(OpenError, match=words), open_source(path):
        pass


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "x.tgz"])
def test_a_damaged_archive_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK not at all")
    with pytest.raises(OpenError, match="no sound"), open_source(tmp_path / name):
        pass


@pytest.mark.parametrize("name", ["x.7z", "x.rar", "a.json.gz"])
def test_other_archives_are_refused_with_what_to_do(tmp_path, name):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(OpenError, match="unpack it first"), open_source(tmp_path / name):
        pass


def test_archives_without_a_suffix_are_known_by_their_content(tmp_path):
    for pack, name in PACKERS:
        path = pack(tmp_path / name, [("a.txt", b"1")]).rename(tmp_path / f"download{len(name)}")
        with open_source(path) as source:
            assert source.names == ("a.txt",)


def test_what_is_neither_a_file_nor_a_folder_is_called_so(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OpenError, match="pipe: neither a file nor"), open_source(tmp_path / "pipe"):
        pass


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(OpenError, match="no such file or folder"), open_source(tmp_path / "x"):
        pass


def test_names_of_macos_are_utf_8_though_it_does_not_say_so(tmp_path):
    path = zipped(tmp_path / "x.zip", [("a-----.txt", b"1")])
    name = "u\u0308ber".encode()
    path.write_bytes(path.read_bytes().replace(b"a-----.txt", name + b".txt"))
    with open_source(path) as source:
        assert source.names == ("u\u0308ber.txt",) and source.read(source.names[0]) == b"1"


def test_windows_names_in_a_zip_are_paths(tmp_path):
    with open_source(zipped(tmp_path / "x.zip", [("a\\b.txt", b"1")])) as source:
        assert source.names == ("a/b.txt",)


def test_a_zip_entry_that_cannot_be_unpacked_is_named(tmp_path):
    path = zipped(tmp_path / "x.zip", [("a.txt", b"12345678")])
    path.write_bytes(path.read_bytes().replace(b"12345678", b"12345679"))
    with open_source(path) as source, pytest.raises(OpenError, match=r"x\.zip/a\.txt: cannot"):
        source.read("a.txt")


@pytest.mark.parametrize(
    ("reference", "near", "found"),
    [
        ("a.jpg", "train", "train/a.jpg"),
        ("val/a.jpg", "train", "val/a.jpg"),
        ("../val/a.jpg", "train", "val/a.jpg"),
        ("/home/x/val/a.jpg", "", "val/a.jpg"),
        ("D:/x/VAL/A.JPG", "", "val/a.jpg"),
        ("100%25.jpg", "", "100%25.jpg"),
        ("b%20c.jpg", "", "b c.jpg"),
    ],
)
def test_the_file_that_is_meant_is_found(reference, near, found):
    finder = Finder(["train/a.jpg", "val/a.jpg", "100%25.jpg", "100%.jpg", "b c.jpg"])
    assert finder.find(reference, near) == found


@pytest.mark.parametrize("reference", ["a.jpg", "x/A.jpg", "c.jpg", "a.png", "", "/"])
def test_what_no_single_file_is_meant_by_is_refused(reference):
    with pytest.raises(NotFoundError):
        Finder(["train/a.jpg", "val/a.jpg"]).find(reference)


@given(st.text(max_size=40))
def test_no_text_breaks_the_search(reference):
    try:
        assert Finder(["a.jpg", "b/c.jpg"]).find(reference, "b") in ("a.jpg", "b/c.jpg")
    except NotFoundError:
        pass


@pytest.mark.parametrize("turn", range(1, 9))
def test_points_turn_as_the_picture_does(turn):
    stored = np.zeros((24, 40, 3), np.uint8)
    stored[5, 31] = 255
    exif = Image.Exif()
    exif[0x0112] = turn
    stream = io.BytesIO()
    Image.fromarray(stored).save(stream, "PNG", exif=exif)
    upright = images.decode(stream.getvalue())
    row, column = np.argwhere(upright[..., 0])[0]
    assert np.allclose(to_upright(np.array([[31.0, 5.0]]), turn, (40, 24)), [[column, row]])


def test_archives_inside_an_export_are_named(tmp_path):
    inner = write_zip(tmp_path / "in.zip", {"a.jpg": picture()}).read_bytes()
    folder = write(tmp_path / "x", {"annotations/in.zip": inner})
    message = refusal(folder, "coco", ["card"])
    assert "annotations/in.zip: no archive in an export is read; unpack it" in message
    assert "no shape has the label" not in message


def test_a_label_file_that_cannot_be_reached_is_told(tmp_path):
    """As git-annex leaves it: its picture would be taken for one without cards."""
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "a.json").symlink_to("../objects/5f3a")
    with pytest.raises(OpenError, match=r"a\.json: a link to \.\./objects/5f3a, which cannot be"):
        with open_source(tmp_path):
            pass


def test_a_folder_that_cannot_be_listed_is_told(tmp_path, monkeypatch):
    (tmp_path / "theirs").mkdir()
    listed = os.scandir

    def scandir(path):
        if str(path).endswith("theirs"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(OpenError, match=r"theirs: cannot be read: Permission denied"):
        with open_source(tmp_path):
            pass
