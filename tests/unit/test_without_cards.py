"""Photos without a card: which are trained on, and which validation keeps."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from meishi.data.shards import ShardReader, write_shards
from meishi.data.without_cards import divide
from meishi.measuring.without_cards import false_cards
from tests import tiny_data

RECORD, _ = tiny_data.draw_scene(0, 0, 0)


def photos(backgrounds, source="elsewhere"):
    return [
        replace(
            RECORD,
            id=f"{source}-{number}",
            sha256=f"{source}{number}",
            backgrounds=(f"b{name}",),
            attributes={"source": source},
        )
        for number, name in enumerate(backgrounds)
    ]


@given(
    st.lists(st.integers(0, 9), max_size=30), st.floats(0, 1, exclude_max=True), st.integers(0, 99)
)
def test_each_photo_is_on_one_side_and_no_background_on_two(backgrounds, held_out, seed):
    given_photos = photos(backgrounds)
    trained, kept = divide(given_photos, held_out, seed)
    assert sorted([*trained, *kept], key=given_photos.index) == given_photos
    assert len(kept) <= held_out * len(given_photos)
    assert not {r.backgrounds for r in trained} & {r.backgrounds for r in kept}


def test_a_share_is_kept_and_the_seed_draws_it():
    alone = photos(range(50))
    sides = [divide(alone, 0.2, seed) for seed in (1, 1, 2)]
    assert [len(kept) for _, kept in sides] == [10, 10, 10]
    assert sides[0] == sides[1] != sides[2]
    assert divide(alone, 0.0, 1) == (alone, [])


@given(st.lists(st.integers(0, 9), max_size=20), st.lists(st.integers(10, 19), max_size=20))
def test_one_more_source_moves_no_photo_of_the_others(backgrounds, more):
    first, second = photos(backgrounds), photos(more, "more")
    alone, both = divide(first, 0.3, 1), divide([*first, *second], 0.3, 1)
    for side, sides in zip(alone, both, strict=True):
        assert side == [record for record in sides if record.attributes["source"] == "elsewhere"]


def test_photos_that_were_trained_on_are_not_held_out_nor_what_shows_the_same():
    alone = photos([number // 2 for number in range(50)])
    _, kept = divide(alone, 0.2, 1)
    trained, others = divide(alone, 0.2, 1, {kept[0].sha256})
    assert kept[0] in trained and kept[1] in trained and len(others) == len(kept) == 10


def test_photos_that_get_cards_are_counted(tmp_path):
    drawn = [tiny_data.draw_scene(number, 0, number) for number in range(4)]
    write_shards(tmp_path, iter(drawn))
    reader = ShardReader(tmp_path)
    answers = iter([["one", "two"], [], ["one"]])
    reader.records = reader.records[1:]
    found = false_cards(lambda image: next(answers), reader)
    assert found == {"photos": 3, "with_false_card": 2 / 3, "false_cards_per_photo": 1.0}
    reader.records = []
    assert false_cards(lambda image: [], reader) == {}
