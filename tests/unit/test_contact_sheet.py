"""Contact sheets: where each picture stands."""

import numpy as np
import pytest

from meishi.data.shards import ShardReader, write_shards
from meishi.pictures import images
from meishi.pictures.contact_sheet import AUGMENTED_PX, AugmentedSheet
from tests.tiny_data import draw_scene

SHAPE = (AUGMENTED_PX, AUGMENTED_PX, 3)
FRAME, CROP = (images.encode(np.full(SHAPE, grey, np.uint8), ".jpg") for grey in (60, 120))


@pytest.fixture
def reader(tmp_path):
    write_shards(tmp_path, [draw_scene(number, 1, 0) for number in range(3)])
    return ShardReader(tmp_path)


@pytest.mark.parametrize(("frames", "crops"), [(3, 3), (5, 4), (3, 0), (1, 2), (0, 0)])
def test_each_scene_has_a_row_of_its_own(reader, frames, crops):
    sheet = AugmentedSheet(reader)
    for number in range(3):
        # Only the scene in the middle has fewer than fit.
        few = (frames, crops) if number == 1 else (3, 3)
        sheet.add(number, [(FRAME, [])] * few[0], [(CROP, [])] * few[1])
    picture = images.decode(sheet.jpeg())
    assert picture.shape == (3 * AUGMENTED_PX, 7 * AUGMENTED_PX, 3)
    middles = picture[AUGMENTED_PX // 3 :: AUGMENTED_PX, AUGMENTED_PX // 2 :: AUGMENTED_PX, 0]
    full = [60] * 3 + [120] * 3
    shown = [*([60] * frames + [255] * 3)[:3], *([120] * crops + [255] * 3)[:3]]
    np.testing.assert_allclose(middles[:, 1:].astype(int), [full, shown, full], atol=4)
