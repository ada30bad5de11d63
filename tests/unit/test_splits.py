import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.data import splits
from meishi.data.records import Card, Record
from meishi.data.splits import SPLITS, components, split
from meishi.errors import InputError

QUAD = np.array([[0.2, 0.2], [0.6, 0.2], [0.6, 0.7], [0.2, 0.7]])


def scene(number: int, designs=(), backgrounds=()) -> Record:
    cards = tuple(Card(QUAD, f"d{name}") for name in designs)
    names = tuple(f"b{name}" for name in backgrounds)
    return Record(f"s{number:03d}", "", "", "", 640, 480, cards, names, {})


def groups_of(size: int, count: int) -> list[Record]:
    return [scene(i, [i // size], [i // size]) for i in range(size * count)]


def reference_components(scenes: list[Record]) -> set[frozenset[str]]:
    """Merge any two groups that share a name until none do."""
    groups = [({s.id}, {c.design for c in s.cards} | set(s.backgrounds)) for s in scenes]
    merged = True
    while merged:
        merged = False
        for i, (ids, names) in enumerate(groups):
            for j in range(i + 1, len(groups)):
                if names & groups[j][1]:
                    groups[i] = (ids | groups[j][0], names | groups[j][1])
                    del groups[j]
                    merged = True
                    break
            if merged:
                break
    return {frozenset(ids) for ids, _ in groups}


SMALL = st.lists(st.integers(0, 12), max_size=3)


@given(st.lists(st.tuples(SMALL, SMALL), max_size=20))
def test_components_are_those_of_the_slow_reference(names):
    scenes = [scene(i, designs, backgrounds) for i, (designs, backgrounds) in enumerate(names)]
    assert {frozenset(ids) for ids in components(scenes)} == reference_components(scenes)


def test_a_design_and_a_background_of_one_name_are_not_the_same():
    first, second = scene(0, designs=["1"]), scene(1, backgrounds=["1"])
    second = Record(**vars(second) | {"backgrounds": ("d1",)})
    assert len(components([first, second])) == 2


@given(st.integers(0, 1000))
def test_no_design_and_no_background_is_on_two_sides(seed):
    scenes = [scene(i, [i % 20, (i * 7) % 20], [i % 20]) for i in range(60)]
    scenes += groups_of(3, 20)[60:]
    scenes += [scene(100 + i, [100 + i], [200 + i // 2]) for i in range(40)]
    sides = split(scenes, 0.1, 0.2, seed)
    names = [
        {("d", c.design) for s in side for c in s.cards}
        | {("b", b) for s in side for b in s.backgrounds}
        for side in sides.values()
    ]
    assert not (names[0] & names[1] or names[0] & names[2] or names[1] & names[2])
    assert sorted(s.id for side in sides.values() for s in side) == sorted(s.id for s in scenes)


def test_scenes_seen_by_networks_are_asked_of_fetch(monkeypatch, tmp_path):
    monkeypatch.setattr(splits, "SEEN", tmp_path / "seen.txt")
    with pytest.raises(InputError, match="seen.txt: No such file.*; run the stage fetch"):
        splits.read_seen()


def test_the_fractions_are_kept_when_components_allow():
    sides = split(groups_of(5, 40), 0.1, 0.15, seed=1)
    assert [len(sides[name]) for name in SPLITS] == [150, 20, 30]


def test_the_order_of_the_scenes_is_kept():
    sides = split(groups_of(2, 20), 0.2, 0.2, seed=3)
    for side in sides.values():
        assert [s.id for s in side] == sorted(s.id for s in side)


def test_the_seed_decides():
    scenes = groups_of(2, 20)
    test_ids = [
        frozenset(s.id for s in split(scenes, 0.2, 0.2, seed)["test"]) for seed in (1, 1, 2)
    ]
    assert test_ids[0] == test_ids[1] != test_ids[2]


def test_a_split_that_would_be_empty_is_explained():
    scenes = [scene(i, [i], [0]) for i in range(30)]  # one background for all
    with pytest.raises(InputError, match=r"no card is left for val and test: 30 scenes form 1 "):
        split(scenes, 0.1, 0.15, seed=0)


def test_a_side_without_a_card_is_explained():
    cards = [scene(i, [i % 2], [i % 2]) for i in range(20)]  # two groups for three sides
    empty = [scene(100 + i, [], [100 + i]) for i in range(10)]
    with pytest.raises(InputError, match=r"no card is left for val and test: 30 scenes form 12 "):
        split(cards + empty, 0.2, 0.1, seed=0)


@pytest.mark.parametrize(("val", "test"), [(0, 0.1), (0.1, 0), (0.5, 0.5), (-0.1, 0.2), (0.9, 0.3)])
def test_fractions_that_leave_nothing_are_refused(val, test):
    with pytest.raises(InputError, match="val_fraction and test_fraction"):
        split(groups_of(1, 30), val, test, seed=0)


def test_no_side_is_richer_in_empty_scenes():
    scenes = groups_of(10, 30) + [scene(300 + i, [], [300 + i]) for i in range(100)]
    sides = split(scenes, 0.1, 0.2, seed=1)
    empty = [sum(not s.cards for s in sides[name]) for name in SPLITS]
    assert (empty, [len(sides[name]) for name in SPLITS]) == ([70, 10, 20], [280, 40, 80])


def with_hashes(scenes: list[Record]) -> list[Record]:
    return [Record(**vars(scene) | {"sha256": f"hash of {scene.id}"}) for scene in scenes]


def hashes(scenes: list[Record]) -> set[str]:
    return {scene.sha256 for scene in scenes}


@given(st.integers(0, 1000))
def test_what_was_trained_on_stays_on_the_training_side_whatever_comes_in(seed):
    first = with_hashes(groups_of(3, 30))
    seen = hashes(split(first, 0.1, 0.2, seed)["train"])
    more = with_hashes(groups_of(1, 160)[90:])
    sides = split(first + more, 0.1, 0.2, seed, seen)
    assert seen <= hashes(sides["train"])
    assert hashes(sides["test"]) & hashes(more)  # new scenes are not all for training


@given(st.integers(0, 1000))
def test_the_same_scenes_are_split_as_before(seed):
    scenes = with_hashes(groups_of(3, 30))
    sides = split(scenes, 0.1, 0.2, seed)
    assert split(scenes, 0.1, 0.2, seed, hashes(sides["train"])) == sides


def test_scenes_that_share_a_design_with_a_seen_one_are_for_training_too():
    scenes = with_hashes(groups_of(3, 30))
    for scene_seen in (scenes[0], scenes[40]):
        sides = split(scenes, 0.1, 0.2, 1, {scene_seen.sha256})
        number = scenes.index(scene_seen) // 3 * 3
        assert all(scene in sides["train"] for scene in scenes[number : number + 3])


def test_what_was_trained_on_fills_the_training_side_before_larger_groups_do():
    small = with_hashes(groups_of(5, 30))  # 150 scenes that were trained on
    large = with_hashes([scene(200 + i, [99 + i // 51], [99 + i // 51]) for i in range(102)])
    sides = split(small + large, 0.2, 0.2, 1, hashes(small))
    assert sides["train"] == small
    assert [len(sides[name]) for name in ("val", "test")] == [51, 51]


def test_scenes_that_were_all_seen_leave_no_test_side():
    scenes = with_hashes(groups_of(3, 30))
    with pytest.raises(InputError, match="and 90 scenes were trained on before"):
        split(scenes, 0.1, 0.2, 1, hashes(scenes))
