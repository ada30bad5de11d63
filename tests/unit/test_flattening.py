"""A second segmentation: what it makes of a first quad, and when it leaves one alone."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from meishi.capture.card import CapturedCard
from meishi.capture.flattening import FlatSegmenter
from meishi.capture.flow import CardCapture
from meishi.geometry import crops, homography, quads
from tests.unit.test_capture import PARAMS, SIZE_PX

SIDE_PX = 96
CARD = np.array([[150.0, 90], [360, 120], [340, 255], [140, 230]])


def photo(card=CARD):
    """Draw a bright card with a dark band, on a dark ground."""
    picture = np.full((SIZE_PX[1], SIZE_PX[0], 3), 30.0)
    from_frame = homography.homography(quads.FRAME, card)
    for corners, colour in (
        (quads.FRAME, (220, 220, 220)),
        (quads.FRAME * [1, 0.18], (150, 60, 60)),
    ):
        outline = crops.transform(corners, from_frame)
        covered = crops.coverage(outline, SIZE_PX)[..., None]
        picture = picture * (1 - covered) + np.array(colour) * covered
    return picture.round().astype(np.uint8)


def bright(view):
    """Stand in for the network: what is brighter than the ground is card."""
    small = cv2.resize(view[..., 0], (48, 48), interpolation=cv2.INTER_AREA).astype(np.float32)
    return {"mask": np.clip((small - 70) / 50, 0, 1)[..., None]}


FLAT = FlatSegmenter(bright, SIDE_PX, 0.25)
# As a first segmentation errs: its upper side on the band's lower edge.
ON_THE_BAND = crops.transform(
    np.array([[0, 0.18], [1, 0.18], [1, 1], [0, 1]]), homography.homography(quads.FRAME, CARD)
)


@pytest.mark.parametrize("start", range(4))
def test_a_side_on_print_is_moved_to_the_cards_edge(start):
    found = FLAT.quad_again(photo(), np.roll(ON_THE_BAND, start, axis=0))
    assert quads.iou(found, CARD) > 0.985 > quads.iou(ON_THE_BAND, CARD)
    assert found == pytest.approx(CARD, abs=1.0)  # canonical, wherever the first one began


def test_a_right_quad_stays():
    assert FLAT.quad_again(photo(), CARD) == pytest.approx(CARD, abs=0.7)


def test_a_mask_without_a_card_tells_no_quad():
    def empty(view):
        return {"mask": np.zeros((48, 48, 1), np.float32)}

    assert replace(FLAT, network=empty).quad_again(photo(), ON_THE_BAND) is None


def test_a_view_beyond_the_horizon_is_not_looked_at():
    steep = np.array([[232.0, 100], [248, 100], [400, 250], [80, 250]])
    asked = []
    flat = replace(FLAT, network=asked.append)
    assert flat.quad_again(photo(), steep) is None and asked == []


def test_the_network_sees_the_card_upright():
    seen = []

    def look(view):
        seen.append(view)
        return bright(view)

    replace(FLAT, network=look).quad_again(photo(), CARD)
    [view] = seen
    assert view.shape == (SIDE_PX, SIDE_PX, 3)
    band, paper = view[SIDE_PX // 6 + 6, SIDE_PX // 2], view[SIDE_PX * 5 // 6 - 8, SIDE_PX // 2]
    assert band[1] < 100 < paper[1]


def test_a_card_that_the_frame_cuts_keeps_its_quad():
    first = ON_THE_BAND - [170.0, 0]
    assert FLAT.quad_again(photo(CARD - [170.0, 0]), first) is None


def test_a_card_that_the_frame_hardly_cuts_is_corrected():
    shift = [145.0, 0]  # the lower left corner, canonical the last, is five pixels outside
    first, card = ON_THE_BAND - shift, CARD - shift
    assert quads.iou(FLAT.quad_again(photo(card), first), card) > 0.97 > quads.iou(first, card)


def capture(flat=FLAT):
    return CardCapture(lambda _: {}, lambda _: {}, 64, 96, 0.2, PARAMS, flat=flat)


def card(quad_px, **known):
    return CapturedCard(0.9, 0.95, quad_px, np.array([0.2, 0.2, 0.8, 0.8]), **known)


def test_a_card_that_was_read_still_begins_at_its_own_corner():
    first = card(ON_THE_BAND).begun_at(ON_THE_BAND, 2)
    found = capture().flatten(photo(), replace(first, direction_confidence=0.9), [])
    assert found.quad_px == pytest.approx(np.roll(CARD, -2, axis=0), abs=1.0)
    assert found.direction_deg == 180


def test_a_card_in_doubt_begins_where_the_photo_has_it():
    first = card(ON_THE_BAND, direction_confidence=0.6)
    found = capture().flatten(photo(), first, [])
    assert found.quad_px == pytest.approx(CARD, abs=1.0) and found.direction_deg == 0


def test_without_a_flat_segmenter_a_card_is_as_it_was():
    first = card(ON_THE_BAND)
    assert capture(flat=None).flatten(photo(), first, []) is first


def test_a_card_that_cannot_be_corrected_keeps_what_was_read():
    cut = card(ON_THE_BAND - [170.0, 0], direction_confidence=0.9)
    first = cut.begun_at(cut.quad_px, 1)
    found = capture().flatten(photo(CARD - [170.0, 0]), first, [])
    assert found is first and found.direction_deg == 90


def test_a_quad_that_would_be_no_card_stays():
    first = card(ON_THE_BAND)
    narrow = replace(capture(), params=replace(PARAMS, max_side_ratio=1.2))
    assert narrow.flatten(photo(), first, []) is first


def test_a_preview_does_without():
    assert capture().live().flat is None


def captured(monkeypatch, *quads_px, flat=FLAT):
    """Capture with these first quads, as sure as each other."""
    fits = iter([card(quad_px) for quad_px in quads_px])
    monkeypatch.setattr(CardCapture, "_candidates", lambda *_: iter([(None, 0.9)] * len(quads_px)))
    monkeypatch.setattr(CardCapture, "fit", lambda *_: next(fits))
    return capture(flat)(photo())


def part(top, bottom):
    """Part of the card between two shares of its height: (4, 2) pixels."""
    corners = np.array([[0, top], [1, top], [1, bottom], [0, bottom]])
    return crops.transform(corners, homography.homography(quads.FRAME, CARD))


def test_a_photos_cards_are_corrected(monkeypatch):
    [found] = captured(monkeypatch, ON_THE_BAND)
    assert found.quad_px == pytest.approx(CARD, abs=1.0)


def test_a_quad_that_would_take_from_another_card_stays(monkeypatch):
    """Of two halves of a card neither grows over the other: which is wrong is not known here."""
    halves = [part(0, 0.48), part(0.52, 1)]
    found = captured(monkeypatch, *halves, flat=replace(FLAT, margin=1.0))
    assert [c.quad_px == pytest.approx(half) for c, half in zip(found, halves, strict=True)]
    [alone] = captured(monkeypatch, halves[0], flat=replace(FLAT, margin=1.0))
    assert quads.iou(alone.quad_px, CARD) > 0.97
