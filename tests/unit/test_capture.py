"""The app's flow with stand-in networks: which cards, in which order, how exact."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.capture.card import CapturedCard
from meishi.capture.flow import CardCapture
from meishi.capture.judging import without_others
from meishi.geometry import boxes, crops, quads
from meishi.params import CaptureParams, ConfidenceParams

SIZE_PX = (480, 360)
PARAMS = CaptureParams(
    score_threshold=0.2,
    iou_threshold=0.9,
    candidates=12,
    max_cards=4,
    confidence_threshold=0.45,
    looks=(),
    max_side_ratio=4.0,
    direction_threshold=0.8,
    confidence=ConfidenceParams(2.0, 0.2, 1.2, -0.8),
)


def photo(*rectangles):
    """Draw bright cards (left, top, right, bottom, in pixels from the corner) on a dark ground."""
    picture = np.full((SIZE_PX[1], SIZE_PX[0], 3), 30, np.uint8)
    for left, top, right, bottom in rectangles:
        picture[top:bottom, left:right] = 220
    return picture


def card_quad_px(left, top, right, bottom):
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) - 0.5


def capture(candidates, shifted_px=0, params=PARAMS):
    """Capture with a detector that says `candidates`, (score, rectangle in pixels)."""
    boxes_xyxy = np.array([rectangle for _, rectangle in candidates]) / np.tile(SIZE_PX, 2)
    rows = {
        "coordinates": boxes.cxcywh_from_xyxy(boxes_xyxy),
        "confidence": np.array([[score] for score, _ in candidates]),
    }

    def segment(crop):
        small = cv2.resize(crop[..., 0], (48, 48), interpolation=cv2.INTER_AREA).astype(np.float32)
        mask = np.clip((small - 140) / 60, 0, 1)
        return {"mask": np.roll(mask, shifted_px, axis=0)[..., None]}

    return CardCapture(lambda frame: rows, segment, 64, 96, 0.2, params)


FIVE = [(20 + 90 * i, 100, 90 + 90 * i, 150) for i in range(5)]


def test_two_boxes_on_one_card_are_one_card():
    card = (100, 100, 260, 200)
    found = capture([(0.9, card), (0.6, (80, 80, 280, 230))])(photo(card))
    assert [c.score for c in found] == [0.9]


def test_the_four_most_confident_of_five_cards_are_given_in_order():
    scores = (0.5, 0.9, 0.6, 0.8, 0.7)
    found = capture(list(zip(scores, FIVE, strict=True)))(photo(*FIVE))
    assert [card.score for card in found] == [0.9, 0.8, 0.7, 0.6]


def test_a_card_that_is_not_sure_enough_is_refused():
    found = capture([(0.9, FIVE[0]), (0.25, FIVE[1])])(photo(*FIVE[:2]))
    assert [card.score for card in found] == [0.9]


def test_merit_falls_with_the_square_of_the_agreement_and_less_with_the_score():
    [card] = capture([(0.9, FIVE[0])])(photo(FIVE[0]))
    assert card.merit == pytest.approx(0.9**0.6 * card.agreement**2)
    doubted = replace(card, score=0.45, agreement=0.7, likeness=0.5)
    assert doubted.merit == pytest.approx(0.45**0.6 * 0.49 * 0.5)


def judged(score, agreement, likeness, weights=PARAMS.confidence):
    plain = CapturedCard(score, agreement, card_quad_px(*FIVE[0]), np.zeros(4))
    return plain.judged(likeness, weights)


@given(*[st.floats(0.01, 0.98)] * 3, st.floats(0.001, 0.009))
def test_confidence_rises_with_what_each_network_says(score, agreement, likeness, more):
    confidence = judged(score, agreement, likeness).confidence
    assert 0 < confidence < 1
    assert judged(score + more, agreement, likeness).confidence > confidence
    assert judged(score, agreement + more, likeness).confidence > confidence
    assert judged(score, agreement, likeness + more).confidence > confidence


@pytest.mark.parametrize(
    ("answers", "logit"),
    [
        ((0.5, 0.5, 0.5), -0.8),  # none says anything: things that are none abound
        ((0.95, 0.95, 0.1), 3.0411),  # a card without a letter
        ((0.2, 0.9, 0.97), 1.0380),  # a colourful card, which the detector doubts
        ((0.4, 0.95, 0.12), -3.4129),  # a block, which has an outline
        ((0.97, 0.95, 0.0), 0.3891),  # nobody has a veto
        ((1.0, 0.0, 1.0), 15.0799),  # no answer counts as certain
        ((0.0, 1.0, 0.0), -16.6799),
    ],
)
def test_confidence_weighs_the_logits_of_the_networks(answers, logit):
    confidence = judged(*answers).confidence
    assert np.log(confidence / (1 - confidence)) == pytest.approx(logit, abs=1e-3)


def test_each_answer_has_the_weight_that_params_give_it():
    weights = ConfidenceParams(score=0.0, agreement=0.0, likeness=1.0, bias=0.0)
    assert judged(0.3, 0.6, 0.8, weights).confidence == pytest.approx(0.8)


def test_without_the_classifier_a_cards_merit_is_its_confidence():
    card = CapturedCard(0.7, 0.9, card_quad_px(*FIVE[0]), np.zeros(4))
    assert card.confidence == card.merit == card.judged(1.0, PARAMS.confidence).merit


def test_what_fits_its_mask_ill_is_no_card_whatever_is_said_of_it():
    taken, _ = reading()
    sure = taken(photo(FIVE[0]))
    ill = replace(sure[0], agreement=0.49)  # whatever has been said of it
    taken = replace(taken, params=replace(PARAMS, confidence_threshold=0.0))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(CardCapture, "fit", lambda *_: ill)
        assert taken(photo(FIVE[0])) == []
        patched.setattr(CardCapture, "fit", lambda *_: replace(ill, agreement=0.5))
        assert len(taken(photo(FIVE[0]))) == 1


def test_cards_come_by_confidence_and_quads_of_one_card_are_chosen_by_merit(monkeypatch):
    left, right = (card_quad_px(*FIVE[k]) for k in (0, 2))
    given = [(0.6, 1.0, left + 2), (0.9, 0.7, left), (0.9, 0.6, right)]  # merit .74, .46, .34
    fits = [CapturedCard(s, a, quad_px, np.zeros(4)) for s, a, quad_px in given]
    monkeypatch.setattr(CardCapture, "fit", lambda self, image, box_xyxy, score: fits[int(score)])
    monkeypatch.setattr(CardCapture, "detect", lambda self, image: (np.zeros((3, 4)), range(3)))
    taken, _ = reading()
    found = taken(photo(FIVE[0], FIVE[2]))
    assert [(card.score, card.agreement) for card in found] == [(0.9, 0.6), (0.6, 1.0)]
    assert found[0].merit < found[1].merit and found[0].confidence > found[1].confidence


def test_the_mirror_images_mask_is_turned_back():
    card, box = (100, 100, 180, 200), (100, 100, 260, 200)  # the card fills the box's left half
    taken = capture([(0.9, box)])
    mask, image_from_crop = taken.segment(photo(card), np.array(box) / np.tile(SIZE_PX, 2))
    shown = crops.warp(photo(card), np.linalg.inv(image_from_crop), (96, 96))
    alone = taken.segmenter(shown)["mask"][..., 0]
    assert mask == pytest.approx(alone, abs=0.02)


def test_a_coarse_mask_gives_a_quad_on_the_photos_edges():
    card = (100, 100, 260, 200)
    [found] = capture([(0.9, card)], shifted_px=1)(photo(card))  # 4.7 pixels of the photo
    errors = np.linalg.norm(found.quad_px - card_quad_px(*card), axis=1)
    assert errors.max() < 0.3


def test_a_photo_without_candidates_has_no_card():
    assert capture([(0.1, FIVE[0])])(photo(FIVE[0])) == []


def test_what_has_no_four_sides_is_no_card():
    assert capture([(0.9, FIVE[0])])(photo()) == []


def test_quads_are_clockwise_from_the_upper_left():
    [found] = capture([(0.9, FIVE[0])])(photo(FIVE[0]))
    assert quads.fault(found.quad_px) is None
    assert found.quad_px[0] == pytest.approx(card_quad_px(*FIVE[0])[0], abs=0.5)


def looking(judge, looks=(0.5,)):
    """Capture with a detector that sees what is bright; `judge` scores what it sees.

    `judge` gets the share of the view's side that the bright box takes.
    """

    def detect(view):
        rows, columns = np.nonzero(view[..., 0] > 140)
        if not len(rows):
            return {"coordinates": np.zeros((0, 4)), "confidence": np.zeros((0, 1))}
        seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / 64
        share = max(seen[2:] - seen[:2])
        return {
            "coordinates": boxes.cxcywh_from_xyxy(seen[None]),
            "confidence": np.array([[judge(share)]]),
        }

    taken = capture([(0.9, FIVE[0])])
    params = replace(PARAMS, looks=looks, iou_threshold=0.5)
    return replace(taken, detector=detect, params=params)


CARD = (100, 100, 180, 150)


def test_a_second_look_shows_the_quad_at_the_wanted_share():
    shares = []
    looking(lambda share: shares.append(share) or 0.9, (0.4, 0.8))(photo(CARD))
    assert shares[1:] == pytest.approx([0.4, 0.8], abs=0.04)  # the first is the frame


def test_the_second_looks_scores_are_joined_with_the_frames():
    [card] = looking(lambda share: 0.9 if share < 0.3 else 0.5)(photo(CARD))
    assert card.score == pytest.approx(0.75, abs=0.01)  # odds of 9 and 1


def test_what_a_second_look_does_not_see_as_a_card_is_refused():
    assert looking(lambda share: 0.9 if share < 0.3 else 0.0)(photo(CARD)) == []


def test_a_box_elsewhere_in_the_second_look_is_no_support():
    taken = looking(lambda share: 0.9)
    beside = card_quad_px(200, 100, 280, 150)
    assert taken.look(photo(CARD), card_quad_px(*CARD), 0.5) == pytest.approx(0.9)
    assert taken.look(photo(CARD), beside, 0.2) == 0


@pytest.mark.parametrize(("iou", "share"), [(0.49, 0), (0.55, 0.25), (0.65, 0.75), (0.75, 1)])
def test_a_box_near_the_quad_counts_by_how_near_it_is(iou, share):
    def detect(view):  # the quad, 80 by 50 px, takes half of the view's side
        narrower = np.array([[0.5, 0.5, 0.5 * iou, 0.5 * 50 / 80]])
        return {"coordinates": narrower, "confidence": np.array([[0.8]])}

    taken = replace(looking(lambda share: 0.8), detector=detect)
    score = taken.look(photo(CARD), card_quad_px(*CARD), 0.5)
    assert score == pytest.approx(0.8 * share, abs=0.02)


def test_a_second_look_that_sees_nothing_gives_no_score():
    assert looking(lambda share: 0.9).look(photo(), card_quad_px(*CARD), 0.5) == 0


def test_what_is_far_too_slender_is_no_card():
    stick = (100, 100, 300, 140)
    found = capture([(0.9, stick)])
    assert found(photo(stick)) == []
    assert len(replace(found, params=replace(PARAMS, max_side_ratio=6.0))(photo(stick))) == 1


@pytest.mark.parametrize("size_px", [(1920, 1440), (640, 480), (300, 257), (200, 100), (640, 100)])
def test_the_detector_sees_the_frame_stretched_as_in_training(size_px):
    seen = []
    noise = np.random.default_rng(4).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = cv2.resize(noise, size_px, interpolation=cv2.INTER_CUBIC)

    def detector(frame):
        seen.append(frame)
        return {"coordinates": np.zeros((0, 4)), "confidence": np.zeros((0, 1))}

    whole = CardCapture(detector, lambda _: {}, 64, 96, 0.2, PARAMS)
    whole.detect(picture)
    whole.live().detect(picture)
    trained = crops.warp(picture, crops.stretch(size_px, 64), (64, 64))
    np.testing.assert_array_equal(seen[0], trained)
    assert np.abs(seen[1].astype(int) - trained).mean() < 1


def test_a_preview_frame_is_judged_once_and_segmented_once():
    calls = {"detector": 0, "segmenter": 0}
    whole = capture([(0.9, FIVE[0]), (0.8, FIVE[1])], params=replace(PARAMS, looks=(0.5, 0.7)))

    def counted(net):
        def run(image):
            calls[net] += 1
            return getattr(whole, net)(image)

        return run

    live = replace(whole, detector=counted("detector"), segmenter=counted("segmenter")).live()
    found = live(photo(*FIVE[:2]))
    assert calls == {"detector": 1, "segmenter": 2}
    assert [card.score for card in found] == [0.9, 0.8]


def reading(start=0, others=None, none=0.0):
    """Capture FIVE[0] with a classifier that sees the card begin at corner `start` of its quad.

    Of the views from the other corners it says `others`, if that is given; `none` is how likely
    it is that there is no card.
    """
    views = []

    def classify(view):
        views.append(view)
        corner = len(views) - 1
        shares = np.eye(4)[(start - corner) % 4] if others is None or not corner else others
        return {"start": np.append((1 - none) * np.array(shares), none)}

    return replace(capture([(0.9, FIVE[0])]), classifier=classify, view_px=32), views


@pytest.mark.parametrize("start", range(4))
def test_a_quad_begins_where_the_card_does(start):
    taken, views = reading(start)
    [found] = taken(photo(FIVE[0]))
    [plain] = replace(taken, classifier=None)(photo(FIVE[0]))
    np.testing.assert_array_equal(found.quad_px, np.roll(plain.quad_px, -start, axis=0))
    assert (found.direction_deg, found.direction_confidence) == (90 * start, 1.0)
    assert [view.shape for view in views] == [(32, 32, 3)] * 4


def test_the_views_are_the_card_from_each_corner():
    taken, views = reading()
    picture = photo(FIVE[0])
    picture[100:125, 20:90, 0] = 180  # the card's upper half
    taken(picture)
    halves = [(view[:16, :, 0].mean(), view[:, :16, 0].mean()) for view in views]
    assert halves[0][0] < 200 < halves[2][0]  # above, at first; below, upside down
    assert halves[1][1] < 200 < halves[3][1]  # from its top right: on the left


def test_in_doubt_a_card_stays_as_the_photo_has_it():
    taken, _ = reading(2, others=[0.25] * 4)
    [found] = taken(photo(FIVE[0]))
    [plain] = replace(taken, classifier=None)(photo(FIVE[0]))
    np.testing.assert_array_equal(found.quad_px, plain.quad_px)
    assert (found.direction_deg, found.direction_confidence) == (0, pytest.approx(0.4375))


def test_a_preview_reads_no_direction():
    taken, views = reading()
    assert [card.direction_confidence for card in taken.live()(photo(FIVE[0]))] == [None]
    assert views == []


def test_what_the_classifier_likes_less_is_less_sure():
    taken, _ = reading(1, none=0.25)
    [found] = taken(photo(FIVE[0]))
    [plain] = replace(taken, classifier=None)(photo(FIVE[0]))
    assert (found.likeness, plain.likeness) == (0.75, None)
    assert found.confidence < found.judged(1.0, PARAMS.confidence).confidence
    assert found.merit == pytest.approx(0.75 * plain.merit)
    assert (found.direction_deg, found.direction_confidence) == (90, 1.0)  # if it is a card


def test_what_the_classifier_takes_for_no_card_is_none():
    taken, views = reading(none=1.0)
    assert taken(photo(FIVE[0])) == [] and len(views) == 4
    assert len(taken.live()(photo(FIVE[0]))) == 1  # a preview does not ask


def test_what_the_others_refuse_is_not_judged():
    taken, views = reading()
    strict = replace(taken, params=replace(PARAMS, confidence_threshold=0.99999))
    assert strict(photo(FIVE[0])) == [] and views == []


UPPER, LOWER = (60, 60, 260, 180), (100, 164, 300, 284)  # LOWER shares its first 16 rows with UPPER


def printed(monkeypatch, *dark):
    """Capture UPPER, surer, and LOWER, of a picture with `dark` print, by which cards are told."""
    monkeypatch.setattr(
        CardCapture,
        "fit",
        lambda self, image, box_xyxy, score: CapturedCard(
            float(score), 1.0, card_quad_px(*np.round(box_xyxy * np.tile(SIZE_PX, 2))), box_xyxy
        ),
    )
    asked = []

    def classify(view):
        asked.append(view)
        is_card = (view < 100).any()
        return {"start": np.append(np.full(4, is_card / 4), 1 - is_card)}

    picture = photo(UPPER, LOWER)
    for left, top, right, bottom in dark:
        picture[top:bottom, left:right] = 0
    taken = replace(capture([(0.9, UPPER), (0.8, LOWER)]), classifier=classify, view_px=64)
    return [card.score for card in taken(picture)], asked


def test_print_of_a_surer_card_speaks_for_no_other(monkeypatch):
    between = (120, 166, 240, 178)
    assert printed(monkeypatch, between)[0] == [0.9]


def test_a_card_with_print_of_its_own_stays_beneath_a_surer_one(monkeypatch):
    found, asked = printed(monkeypatch, (120, 100, 240, 120), (120, 220, 240, 240))
    assert found == [0.9, 0.8]
    assert len(asked) == 3 * 4  # each as it is, and the one below without the other


def test_cards_that_nothing_lies_over_are_judged_once(monkeypatch):
    monkeypatch.setattr("meishi.capture.flow.LEAST_COVERED", 0.2)  # a seventh is shared
    found, asked = printed(monkeypatch, (120, 166, 240, 178))
    assert found == [0.9, 0.8] and len(asked) == 2 * 4


def test_what_others_cover_is_painted_as_the_rest_of_the_card():
    picture = photo(UPPER, LOWER)
    picture[60:180, 60:260] = (200, 0, 0)
    before = picture.copy()
    painted = without_others(picture, card_quad_px(*LOWER), [card_quad_px(*UPPER)])
    assert (painted[166:282, 102:298] == 220).all()  # a pixel's width of the outlines aside
    assert (painted[:163] == before[:163]).all() and (
        painted[166:180, :98] == before[166:180, :98]
    ).all()
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("hidden", [UPPER, (-400, -400, 40, 40), (-90, 100, 30, 200)])
def test_painting_reaches_neither_beyond_the_photo_nor_what_is_covered_whole(hidden):
    picture = photo(UPPER)
    around = card_quad_px(-10_000, -10_000, 10_000, 10_000)
    np.testing.assert_array_equal(without_others(picture, card_quad_px(*hidden), [around]), picture)


def sided(right):
    """Capture with a detector that sees the frame's brighter half, the right one as `right`."""

    def detect(frame):
        left_is_brighter = frame[:, :32].mean() > frame[:, 32:].mean()
        centre_x, score = (0.25, 0.9) if left_is_brighter else (0.75, right)
        return {
            "coordinates": np.array([[centre_x, 0.5, 0.3, 0.5]]),
            "confidence": np.array([[score]]),
        }

    return replace(capture([(0.9, CARD)]), detector=detect)


ON_THE_RIGHT = (290, 90, 430, 270)


def test_a_card_that_is_seen_in_the_mirror_alone_is_found_where_it_is():
    seen = sided(right=0.1)
    assert seen(photo(ON_THE_RIGHT)) == []
    [card] = replace(seen, mirrored=True)(photo(ON_THE_RIGHT))
    assert quads.iou(card.quad_px, card_quad_px(*ON_THE_RIGHT)) > 0.98
    assert card.score == 0.9 and 0.5 < card.edge_strength < 1


@pytest.mark.parametrize("clearer", [0, 1])
def test_of_two_quads_of_a_card_the_one_of_clearer_edges_is_kept(monkeypatch, clearer):
    quad_px, edges = card_quad_px(*FIVE[0]), [0.4, 0.4]
    edges[clearer] = 0.9
    fits = [
        CapturedCard(0.9, 0.95, quad_px + shift, np.zeros(4), edge_strength=strength)
        for shift, strength in zip((0, 3), edges, strict=True)
    ]
    monkeypatch.setattr(CardCapture, "fit", lambda self, image, box_xyxy, score: fits[int(score)])
    monkeypatch.setattr(CardCapture, "detect", lambda self, image: (np.zeros((2, 4)), range(2)))
    [card] = reading()[0](photo(FIVE[0]))
    assert card.edge_strength == 0.9


def test_edges_count_in_photos_and_not_in_previews():
    taken = capture([(0.9, FIVE[0])])
    [in_photo], [in_preview] = taken(photo(FIVE[0])), taken.live()(photo(FIVE[0]))
    assert 0.5 < in_photo.edge_strength < 1 and in_preview.edge_strength == 1


def test_a_second_look_joins_the_scores_of_a_view_and_its_mirror_image():
    def detect(view):  # sees the quad, 140 by 180 px, wherever it looks; surer of bright corners
        score = 0.9 if view[0, 0, 0] > 100 else 0.5
        return {
            "coordinates": np.array([[0.5, 0.5, 0.5 * 140 / 180, 0.5]]),
            "confidence": np.array([[score]]),
        }

    picture = photo(ON_THE_RIGHT)
    picture[:, 400:] = 255  # the top right corner of a view around the quad
    once = replace(capture([(0.9, CARD)]), detector=detect)
    quad_px = card_quad_px(*ON_THE_RIGHT)
    assert once.look(picture, quad_px, 0.5) == pytest.approx(0.5)
    both = replace(once, mirrored=True)
    assert both.look(picture, quad_px, 0.5) == pytest.approx(0.75, abs=0.01)  # odds of 9 and 1


def test_a_preview_does_not_look_into_the_mirror():
    assert not replace(sided(0.1), mirrored=True).live().mirrored
