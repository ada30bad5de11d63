import io
from dataclasses import replace

import numpy as np
from PIL import Image

from meishi.data.prepare import prepare
from meishi.data.records import Card
from meishi.params import PreprocessParams
from meishi.pictures import images
from tests import tiny_data

LARGE = PreprocessParams(max_side_px=640, val_fraction=0.1, test_fraction=0.1)
SMALL = replace(LARGE, max_side_px=80)


def test_a_small_plain_image_is_left_as_it_is():
    record, content = tiny_data.draw_scene(1, 1, 0)
    assert prepare(record, content, LARGE)[1] is content


def test_a_large_image_is_shrunk_and_its_record_says_so():
    record, content = prepare(*tiny_data.draw_scene(1, 1, 0), SMALL)
    assert images.decode(content).shape == (60, 80, 3)
    assert (record.size_px, record.image) == ((80, 60), "s00001.jpg")


def test_quads_start_at_the_top_left_whatever_their_order():
    record, content = tiny_data.draw_scene(1, 2, 0)
    rolled = tuple(Card(np.roll(card.quad, 3, axis=0), card.design) for card in record.cards)
    for params in (LARGE, SMALL):
        prepared = prepare(replace(record, cards=rolled), content, params)[0]
        assert np.abs(prepared.quads - record.quads).max() < 1e-12


def test_a_grey_image_is_written_as_rgb():
    record, content = tiny_data.draw_scene(1, 1, 0)
    grey = images.decode(content).mean(axis=2).astype(np.uint8)
    file = _png(grey)
    prepared, written = prepare(replace(record, image="s1.png"), file, LARGE)
    assert prepared.image == "s1.jpg" and images.is_plain(written)


def _png(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()
