import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from meishi.data import records
from meishi.data.shards import ShardReader, file_sha256, sha256, write_index, write_shards
from meishi.errors import InputError
from tests import tiny_data


@pytest.fixture
def folder(tmp_path):
    write_shards(tmp_path, tiny_data.scenes(2, 3), shard_bytes=4000)
    return tmp_path


def test_what_was_written_is_read_in_order(folder):
    drawn = list(tiny_data.scenes(2, 3))
    read = list(ShardReader(folder))
    assert [record.id for record, _ in read] == [record.id for record, _ in drawn]
    assert [content for _, content in read] == [content for _, content in drawn]
    for (record, content), (original, _) in zip(read, drawn, strict=True):
        assert np.abs(record.quads - original.quads).max(initial=0) <= 5e-7
        assert record.sha256 == sha256(content)


def test_a_shard_is_closed_at_its_size(folder):
    shards = sorted(folder.glob("*.zip"))
    assert len(shards) > 1
    assert [shard.name for shard in shards] == [f"scenes-{i:03d}.zip" for i in range(len(shards))]


def test_the_same_scenes_give_the_same_bytes(folder, tmp_path_factory):
    again = tmp_path_factory.mktemp("again")
    write_shards(again, tiny_data.scenes(2, 3), shard_bytes=4000)
    for file in folder.iterdir():
        assert file.read_bytes() == (again / file.name).read_bytes()


def test_the_pictures_of_a_shard_have_a_fixed_date(folder):
    with zipfile.ZipFile(folder / "scenes-000.zip") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_name_may_hold_line_separators_of_other_kinds(tmp_path):
    names = ("desk\u2028one", "desk\u2029two", "desk\x85three", "desk\vfour", "desk\rfive")
    [(record, content)] = tiny_data.scenes(1, 1)
    record = replace(record, backgrounds=names)
    write_shards(tmp_path, [(record, content), (replace(record, image="b.webp"), content)])
    assert [record.backgrounds for record in ShardReader(tmp_path).records] == [names] * 2


def test_chosen_scenes_are_read_in_the_order_asked(folder):
    reader = ShardReader(folder)
    chosen = [reader.records[4], reader.records[0]]
    assert [record.id for record, _ in reader.scenes(chosen)] == ["s00004", "s00000"]


def test_a_reader_can_be_sent_to_another_process(folder):
    reader = pickle.loads(pickle.dumps(ShardReader(folder)))
    assert len(list(reader)) == len(reader) == 6


def test_no_scenes_give_an_empty_folder_of_records(tmp_path):
    assert write_shards(tmp_path, []) == []
    assert len(ShardReader(tmp_path)) == 0


def test_the_index_counts_what_is_there(folder):
    write_index(folder, "val", ShardReader(folder).records)
    text = (folder / "index.json").read_text()
    for line in ('"scenes": 6', '"cards": 6', '"empty_scenes": 2', '"designs": 2'):
        assert line in text


def test_a_missing_shard_is_named(folder):
    (folder / "scenes-001.zip").unlink()
    with pytest.raises(InputError, match=r"scenes-001\.zip: missing shard; `dvc repro preprocess`"):
        ShardReader(folder)


@pytest.mark.parametrize("kept", [0, 0.3, 0.9])
def test_a_shard_that_was_cut_short_is_named(folder, kept):
    shard = folder / "scenes-001.zip"
    shard.write_bytes(shard.read_bytes()[: int(kept * shard.stat().st_size)])
    with pytest.raises(InputError, match=r"scenes-001\.zip: .*; `dvc repro preprocess`"):
        list(ShardReader(folder))


def test_a_picture_that_its_shard_lacks_is_named(folder):
    reader = ShardReader(folder)
    lost = replace(reader.records[0], image="lost.png")
    with pytest.raises(InputError, match=r"scenes-000\.zip: .*lost\.png"):
        list(reader.scenes([lost]))


def test_a_file_is_hashed_or_its_stage_named(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a", "fetch") == sha256(b"abc")
    with pytest.raises(InputError, match="lost: No such file.*; run the stage fetch"):
        file_sha256(tmp_path / "lost", "fetch")


def test_missing_records_are_named(tmp_path):
    with pytest.raises(InputError, match=r"records\.jsonl: No such file.*; `dvc repro preprocess`"):
        ShardReader(tmp_path)


def test_a_bad_line_is_named_by_number(folder):
    with (folder / "records.jsonl").open("a") as stream:
        stream.write("{oops\n")
    with pytest.raises(InputError, match=r"records\.jsonl line 7: not JSON"):
        ShardReader(folder)


def test_pixels_are_not_taken_for_relative_coordinates(tmp_path):
    write_shards(tmp_path, tiny_data.scenes(1, 3), to_line=records.to_source_line)
    with pytest.raises(InputError, match="unknown key 'quad_px'"):
        ShardReader(tmp_path)
