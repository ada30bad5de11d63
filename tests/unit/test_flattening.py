"""A second segmentation: what it makes of a first quad, and when it leaves one alone."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from meishi.capture import flattening
from meishi.capture.card import CapturedCard
from meishi.capture.flattening import FlatSegmenter
from meishi.capture.flow import CardCapture
from meishi.capture.ranking import may_follow
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


def part(top, bottom):
    """Part of the card between two shares of its height: (4, 2) pixels."""
    corners = np.array([[0, top], [1, top], [1, bottom], [0, bottom]])
    return crops.transform(corners, homography.homography(quads.FRAME, CARD))


# As a first segmentation errs: its upper side on the band's lower edge.
ON_THE_BAND = part(0.18, 1)


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


def seen_of(picture, quad_px):
    """What the network is shown of a quad."""
    seen = []

    def look(view):
        seen.append(view)
        return bright(view)

    replace(FLAT, network=look).quad_again(picture, quad_px)
    [view] = seen
    assert view.shape == (SIDE_PX, SIDE_PX, 3)
    return view


def test_the_network_sees_the_card_upright():
    view = seen_of(photo(), CARD)
    band, paper = view[SIDE_PX // 6 + 6, SIDE_PX // 2], view[SIDE_PX * 5 // 6 - 8, SIDE_PX // 2]
    assert band[1] < 100 < paper[1]


def test_of_a_card_on_end_a_long_side_is_at_the_top():
    # Its band lies along a short side.
    on_end = np.array([[180.0, 40], [290, 45], [280, 260], [170, 250]])
    view = seen_of(photo(on_end), on_end)
    middle, near, far = SIDE_PX // 2, SIDE_PX // 6 + 6, SIDE_PX * 5 // 6 - 6
    assert view[near, middle, 1] > 100 < view[far, middle, 1]
    assert min(view[middle, near, 1], view[middle, far, 1]) < 100


def test_refinement_searches_as_far_as_a_pixel_of_the_mask_is_wide(monkeypatch):
    given = []
    monkeypatch.setattr(flattening, "fit_in_image", lambda *arguments: given.append(arguments))
    square = np.array([[100.0, 60], [300, 60], [300, 260], [100, 260]])
    assert FLAT.quad_again(photo(square), square) is None
    [(_, mask, image_from_view, side_px, mask_pixel_px)] = given
    assert side_px == SIDE_PX and mask_pixel_px == pytest.approx(200 * 1.5 / len(mask))
    corners = crops.transform(quads.to_px(quads.FRAME, (SIDE_PX, SIDE_PX)), image_from_view)
    assert corners[1, 0] - corners[0, 0] == pytest.approx(mask_pixel_px * len(mask))


@pytest.mark.parametrize(("visible", "looked"), [(0.94, False), (0.96, True)])
def test_a_first_quad_is_to_be_in_the_photo_but_for_a_twentieth(visible, looked):
    asked = []
    left = -0.5 - 200 * (1 - visible)
    square = np.array([[left, 60], [left + 200, 60], [left + 200, 260], [left, 260]])

    def look(view):
        asked.append(view)
        return bright(view)

    replace(FLAT, network=look).quad_again(photo(square), square)
    assert len(asked) == looked


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
    found = capture().correct(photo(), replace(first, direction_confidence=0.9), [])
    assert found.quad_px == pytest.approx(np.roll(CARD, -2, axis=0), abs=1.0)
    assert found.direction_deg == 180


@pytest.mark.parametrize("confidence", [None, 0.0, PARAMS.direction_threshold - 0.01])
def test_a_card_in_doubt_begins_where_the_photo_has_it(confidence):
    first = card(np.roll(ON_THE_BAND, -1, axis=0), direction_confidence=confidence)
    found = capture().correct(photo(), first, [])
    assert found.quad_px == pytest.approx(CARD, abs=1.0) and found.direction_deg == 0


def test_a_card_that_was_read_just_so_begins_at_its_own_corner():
    certain = PARAMS.direction_threshold
    first = card(np.roll(ON_THE_BAND, -1, axis=0), direction_confidence=certain)
    found = capture().correct(photo(), first, [])
    assert found.quad_px == pytest.approx(np.roll(CARD, -1, axis=0), abs=1.0)
    assert found.direction_deg == 90


def test_without_a_flat_segmenter_a_card_is_as_it_was():
    first = card(ON_THE_BAND)
    assert capture(flat=None).correct(photo(), first, []) is first


def test_a_card_that_cannot_be_corrected_keeps_what_was_read():
    cut = card(ON_THE_BAND - [170.0, 0], direction_confidence=0.9)
    first = cut.begun_at(cut.quad_px, 1)
    found = capture().correct(photo(CARD - [170.0, 0]), first, [])
    assert found is first and found.direction_deg == 90


def test_a_quad_that_would_be_no_card_stays():
    first = card(ON_THE_BAND)
    narrow = replace(capture(), params=replace(PARAMS, max_side_ratio=1.2))
    assert narrow.correct(photo(), first, []) is first


def test_a_preview_does_without():
    assert capture().live().flat is None


def captured(monkeypatch, *quads_px, flat=FLAT):
    """Capture with these first quads, as sure as each other."""
    fits = iter([card(quad_px) for quad_px in quads_px])
    monkeypatch.setattr(CardCapture, "candidates", lambda *_: iter([(None, 0.9)] * len(quads_px)))
    monkeypatch.setattr(CardCapture, "fit", lambda *_: next(fits))
    return capture(flat)(photo())


def test_a_photos_cards_are_corrected(monkeypatch):
    [found] = captured(monkeypatch, ON_THE_BAND)
    assert found.quad_px == pytest.approx(CARD, abs=1.0)


def test_a_quad_that_would_take_from_another_card_stays(monkeypatch):
    """Of two halves of a card neither grows over the other: which is wrong is not known here."""
    halves = [part(0, 0.48), part(0.52, 1)]
    found = captured(monkeypatch, *halves, flat=replace(FLAT, margin=1.0))
    for one, half in zip(found, halves, strict=True):
        assert one.quad_px == pytest.approx(half)
    [alone] = captured(monkeypatch, halves[0], flat=replace(FLAT, margin=1.0))
    assert quads.iou(alone.quad_px, CARD) > 0.97


SQUARE = np.array([[0.0, 0], [100, 0], [100, 100], [0, 100]])


@pytest.mark.parametrize(
    ("moved", "follows"), [(0, True), (50, True), (53, True), (55, False), (90, False)]
)
def test_a_quad_that_hardly_overlaps_the_first_shows_something_else(moved, follows):
    assert may_follow(SQUARE + [moved, 0], SQUARE, []) == follows  # alike from an IoU of .3 on


@pytest.mark.parametrize(("apart", "follows"), [(66, False), (67, True), (150, True)])
def test_a_quad_that_overlaps_another_cards_may_not_follow(apart, follows):
    other = SQUARE + [apart, 0]  # one card from an IoU of .2 on
    assert may_follow(SQUARE, SQUARE + [-5, 0], [SQUARE + [300, 0], other]) == follows


def test_a_quad_may_not_swallow_a_small_card_beside_the_first():
    inner = SQUARE * 0.3 + [69, 0]
    assert not may_follow(SQUARE, SQUARE * [0.75, 1], [inner])
    assert may_follow(SQUARE, SQUARE * [0.99, 1], [inner])  # it lay on the card before


def test_a_quad_may_not_shrink_to_the_card_that_lies_on_the_first():
    inner = SQUARE * 0.6
    assert may_follow(SQUARE * 0.99, SQUARE, [SQUARE * 0.3])
    assert not may_follow(SQUARE * 0.65, SQUARE, [inner])


class Scripted:
    """Stands in for the flat segmenter: answers with these quads, one after the other."""

    def __init__(self, *quads_px):
        self.quads_px = iter(quads_px)

    def quad_again(self, image, quad_px):
        return next(self.quads_px)


def test_a_card_is_held_against_the_others_as_they_are_by_then(monkeypatch):
    first, second = SQUARE + [0, 20], SQUARE + [150, 20]
    moved = first + [50, 0]  # beside the second, but in the way of what that would become
    answers = Scripted(moved, second - [50, 0])
    found = captured(monkeypatch, first, second, flat=answers)
    assert found[0].quad_px == pytest.approx(moved) and found[1].quad_px == pytest.approx(second)


@pytest.mark.parametrize("quick", [False, True])
def test_a_side_that_the_photo_does_not_show_is_placed_at_last_and_in_photos_alone(
    monkeypatch, quick
):
    cut = np.array([[-0.5, 100], [159.5, 100], [159.5, 250], [-0.5, 250]])  # 240 long, as cards are
    monkeypatch.setattr(CardCapture, "candidates", lambda *_: iter([(None, 0.9)]))
    monkeypatch.setattr(CardCapture, "fit", lambda *_: card(cut))
    whole = capture(Scripted(cut))
    [found] = (whole.live() if quick else whole)(photo())
    end = -0.5 if quick else 159.5 - np.sqrt(160 * 240)
    assert found.quad_px[[0, 3], 0] == pytest.approx([end, end], abs=0.1)
    assert found.quad_px[1:3] == pytest.approx(cut[1:3])
