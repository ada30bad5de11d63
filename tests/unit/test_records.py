import json
import re

import numpy as np
import pytest

from meishi.data import records
from meishi.data.records import Card, Record, RecordError

SQUARE = np.array([[0.2, 0.2], [0.6, 0.2], [0.6, 0.7], [0.2, 0.7]])


def record(*outlines: np.ndarray, **changes) -> Record:
    cards = tuple(Card(np.array(outline, float), f"d{i}") for i, outline in enumerate(outlines))
    base = {
        "id": "s1",
        "shard": "scenes-000.zip",
        "image": "s1.webp",
        "sha256": "0" * 64,
        "width": 640,
        "height": 480,
        "cards": cards,
        "backgrounds": ("wood",),
        "attributes": {"cards": len(cards), "surface": "wood", "dark": False},
    }
    return Record(**base | changes)


def test_parse_inverts_to_line():
    scene = record(SQUARE, SQUARE + 0.1234564)
    again = records.parse(records.to_line(scene))
    assert np.abs(again.quads - scene.quads).max() <= 5e-7
    assert records.to_line(again) == records.to_line(scene)


def test_parse_source_inverts_to_source_line():
    scene = record(SQUARE, SQUARE + 0.12345)
    again = records.parse_source(records.to_source_line(scene))
    assert np.abs((again.quads - scene.quads) * scene.size_px).max() <= 5e-4
    assert records.to_source_line(again) == records.to_source_line(scene)


def test_source_pixels_have_their_centres_at_integers():
    # The corner of the frame is half a pixel outside the first pixel's centre.
    line = json.loads(records.to_source_line(record([[0, 0], [1, 0], [1, 1], [0, 1]])))
    assert line["cards"][0]["quad_px"] == [
        [-0.5, -0.5],
        [639.5, -0.5],
        [639.5, 479.5],
        [-0.5, 479.5],
    ]


def test_an_empty_scene_has_quads_of_shape_0_4_2():
    assert record().quads.shape == (0, 4, 2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "not JSON"),
        ('{"id": "s1"', "not JSON"),
        ("[1]", "expected keys and values, got a list"),
        ('{"id": 7}', "id: expected str, got int 7"),
        ('{"ident": "s1"}', "unknown key 'ident'"),
        ("{}", "missing key 'cards'"),
    ],
)
def test_a_line_that_is_no_record_is_refused(line, message):
    with pytest.raises(RecordError, match=message):
        records.parse(line)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("width", "640", "width: expected int, got str '640'"),
        ("width", 0, "width and height: expected 1 at least, got 0x480"),
        ("backgrounds", ["wood", 3], "backgrounds[1]: expected str, got int 3"),
        ("cards", None, "cards: expected a list, got nothing"),
        ("cards", [{"design": "d1"}], "cards[0]: missing key 'quad_px'"),
        ("cards", [{"quad_px": [[0, 0]] * 3, "design": "d1"}], "expected 4 items, got 3"),
        ("cards", [{"quad_px": [[0, 0, 0]] * 4, "design": "d1"}], "expected 2 items, got 3"),
        ("cards", [{"quad_px": [[0, "x"]] * 4, "design": "d"}], "expected float, got str 'x'"),
        ("cards", [{"quad_px": [[0, float("nan")]] * 4, "design": "d"}], "got float nan"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key, value, message):
    row = json.loads(records.to_source_line(record(SQUARE))) | {key: value}
    with pytest.raises(RecordError, match=re.escape(message)):
        records.parse_source(json.dumps(row))


def test_a_sound_record_has_no_faults():
    assert records.faults(record(SQUARE, *[SQUARE + 0.1] * 3)) == []


@pytest.mark.parametrize(
    ("outline", "words"),
    [
        (SQUARE[[0, 2, 1, 3]], "card 1: the quad is self-crossing"),
        (SQUARE[::-1], "is counter-clockwise"),
        (SQUARE[[0, 0, 1, 2]], "is degenerate"),
        ([[0.2, 0.2], [0.6, 0.2], [0.3, 0.3], [0.2, 0.7]], "is not convex"),
        (SQUARE + [1.5, 0], "is out of range"),
        (SQUARE - [0, 1.3], "is out of range"),
        # 0.4 wide, and 0.04 of it is left in the frame.
        (SQUARE + [0.76, 0], "lies 10% inside the frame"),
    ],
)
def test_an_unusable_quad_is_said_in_words(outline, words):
    [fault] = records.faults(record(outline))
    assert words in fault


def test_a_card_cut_by_the_frame_is_sound():
    assert records.faults(record(SQUARE + [0.7, 0])) == []


def test_a_card_larger_than_the_frame_is_sound():
    assert records.faults(record([[-0.2, -0.2], [1.2, -0.2], [1.2, 1.2], [-0.2, 1.2]])) == []


def test_five_cards_are_too_many():
    assert records.faults(record(*[SQUARE] * 5)) == ["5 cards; 4 at most are allowed in a scene"]


@pytest.mark.parametrize("name", ["", "../s1", "a/b", ".hidden", "ö"])
def test_a_name_that_is_no_file_name_is_a_fault(name):
    assert records.faults(record(id=name)) and records.faults(record(image=name))


@pytest.mark.parametrize("value", [None, [1], {"a": 1}])
def test_an_attribute_that_is_no_scalar_is_a_fault(value):
    assert "attribute 'a'" in records.faults(record(attributes={"a": value}))[0]
