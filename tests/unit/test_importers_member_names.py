"""Archives that do not say in which encoding the names of their members are."""

import copy
import io
import json
import tarfile
import zipfile

import pytest

from meishi.data.importers.opening import open_source
from tests.exports import picture, refusal, scenes
from tests.unit import test_importers_coco as coco
from tests.unit import test_importers_yolo as yolo


def write_raw(file, members):
    """Write a zip whose names are bytes of some encoding, without the flag of UTF-8."""
    held = {str(i).ljust(len(raw), "-"): raw for i, raw in enumerate(members)}
    with zipfile.ZipFile(file, "w") as archive:
        for name, raw in held.items():
            archive.writestr(name, members[raw])
    content = file.read_bytes()
    for name, raw in held.items():
        content = content.replace(name.encode(), raw)
    file.write_bytes(content)
    return file


def write_raw_tar(file, members):
    """Write a tar of such names."""
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT, errors="surrogateescape") as archive:
        for raw, content in members.items():
            content = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(raw.decode("utf-8", "surrogateescape"))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file


def labels_of(name):
    root = copy.deepcopy(coco.GOOD)
    root["images"][0]["file_name"] = name
    return json.dumps(root)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("名刺1.jpg", "cp932"),
        ("名刺表.jpg", "cp932"),  # its last letter's second byte is a backslash
        ("写真/名刺（表）.jpg", "cp932"),
        ("カード.jpg", "cp932"),
        ("carte été.jpg", "cp437"),
        ("für dich.jpg", "cp437"),  # whose bytes are letters of cp932, too
        ("menü ß.jpg", "cp850"),
        ("Ångström Ø.jpg", "cp850"),
        ("Visitenkärtchen für Ä.jpg", "cp1252"),
        ("名刺表.jpg", "utf-8"),
        ("我的名片正面.jpg", "gbk"),
        ("我的名片正面.jpg", "big5"),
        ("명함앞면.jpg", "cp949"),
    ],
)
@pytest.mark.parametrize("write", [write_raw, write_raw_tar])
def test_the_picture_that_the_labels_name_is_found(tmp_path, name, encoding, write):
    members = {name.encode(encoding): picture(), b"instances.json": labels_of(name)}
    (record,) = scenes(write(tmp_path / "x", members), "coco")
    assert record.attributes["photo"] == name and len(record.cards) == 1


def test_a_zip_with_a_password_is_refused_by_name(tmp_path):
    members = {b"a.jpg": picture(), b"instances.json": labels_of("a.jpg")}
    file = write_raw(tmp_path / "x.zip", members)
    content = bytearray(file.read_bytes())
    for head, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(head) + flags] |= 1
    file.write_bytes(content)
    assert "member 'a.jpg' is encrypted; pack it without a password" in refusal(file, "coco")


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("名刺表", "cp932"), ("カード", "cp932"), ("für", "cp437"), ("carte été", "cp437")],
)
def test_where_no_label_states_a_name_the_likeliest_letters_are_taken(tmp_path, name, encoding):
    members = {
        f"images/{name}.jpg".encode(encoding): picture(),
        f"labels/{name}.txt".encode(encoding): yolo.ROW,
        b"data.yaml": yolo.YAML,
    }
    (record,) = scenes(write_raw(tmp_path / "x.zip", members), "yolo", ["card"])
    assert record.attributes["photo"] == f"images/{name}.jpg" and len(record.cards) == 1


def test_backslashes_of_a_western_zip_part_folders_though_cp932_has_a_letter_there(tmp_path):
    members = {
        "images\\menü\\a.jpg".encode("cp437"): picture(),
        "labels\\menü\\a.txt".encode("cp437"): yolo.ROW,
    }
    (record,) = scenes(write_raw(tmp_path / "x.zip", members), "yolo")
    assert record.attributes["photo"] == "images/menü/a.jpg"


def test_faults_and_counts_of_the_other_spellings_are_not_told(tmp_path):
    members = {"名刺1.jpg".encode("cp932"): picture(), b"instances.json": labels_of("名刺2.jpg")}
    message = refusal(write_raw(tmp_path / "x.zip", members), "coco")
    assert message.count("no picture '名刺2.jpg'") == 1 and len(message.splitlines()) == 1


def test_a_name_in_unicode_has_one_spelling(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("名刺表.jpg", picture())
        archive.writestr("a.txt", "1")
    with open_source(tmp_path / "x.zip") as source:
        assert source.names == ("a.txt", "名刺表.jpg") and not source.respelled
