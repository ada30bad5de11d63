"""The pool of donors and backgrounds: who lends, and that nothing but the seed decides it."""

from collections import Counter

import pytest

from meishi.data import pool
from meishi.data.records import Record
from meishi.data.shards import ShardReader, write_shards
from tests import tiny_data

SCENES = 60


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> ShardReader:
    folder = tmp_path_factory.mktemp("train")
    drawn = tiny_data.scenes(groups=SCENES // 3)
    write_shards(folder, drawn, shard_bytes=200_000)
    return ShardReader(folder)


@pytest.fixture(autouse=True)
def small_cards_lend(monkeypatch):
    monkeypatch.setattr(pool, "MIN_SIDE_PX", 20)


def names(shared: pool.Pool) -> list[str]:
    return [donor.scene for donor in shared.donors]


def test_the_same_seed_gives_the_same_pool_and_another_another(reader, monkeypatch):
    monkeypatch.setattr(pool, "MAX_DONORS", 10)
    monkeypatch.setattr(pool, "MAX_BACKGROUNDS", 5)
    assert pool.build(reader, 1) == pool.build(reader, 1)
    assert names(pool.build(reader, 1)) != names(pool.build(reader, 2))


def test_scenes_in_the_front_of_the_shards_are_no_more_likely(reader, monkeypatch):
    monkeypatch.setattr(pool, "MAX_DONORS", 10)
    halves = Counter(
        int(name[1:]) < SCENES // 2
        for seed in range(40)
        for name in names(pool.build(reader, seed))
    )
    # Of 400, one in two; six standard deviations either way.
    assert abs(halves[True] - 200) < 60


def test_no_scene_lends_two_cards_and_all_lend_where_few_are(reader):
    lent = names(pool.build(reader, 1))
    assert len(lent) == len(set(lent)) == sum(bool(record.cards) for record in reader.records)


def test_held_cards_and_small_ones_are_not_lent(reader, monkeypatch):
    assert "s00001" in names(pool.build(reader, 1))
    monkeypatch.setattr(pool, "is_held", lambda record, if_unknown: record.id == "s00001")
    assert "s00001" not in names(pool.build(reader, 1))
    monkeypatch.setattr(pool, "MIN_SIDE_PX", 1000)
    assert pool.build(reader, 1).donors == ()


def test_what_cuts_is_given_each_card_in_order(reader):
    asked: list[Record] = []

    def cutting(function, cuts):
        for cut in cuts:
            asked.append(cut[0])
            yield function(cut)

    shared = pool.build(reader, 1, cutting)
    assert [record.id for record in asked] == names(shared)
    assert shared == pool.build(reader, 1)
