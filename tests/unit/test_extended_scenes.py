"""Scenes of the extended series: upright frames, clear sleeves, more scripts."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meishi.errors import InputError
from meishi.geometry import quads
from meishi.rendering import Wanted, render_source
from meishi.scenes import layouts, surfaces
from meishi.scenes.artwork import SCRIPTS, draw_design
from meishi.scenes.camera import look_at
from meishi.scenes.pen import COMMON_FACES, FACES, Pen, faker, font
from meishi.scenes.placement import SIZE_PX
from meishi.tracing import light, meshes, sleeves
from meishi.tracing.compose import Setting, Stage, compose
from meishi.tracing.meshes import Bend
from meishi.tracing.solids import Material, Part
from meishi.tracing.view import view_of

UPRIGHT = SIZE_PX[::-1]
bends = st.builds(Bend, st.floats(-0.004, 0.004), st.sampled_from([0, 1]))


@pytest.fixture(scope="module")
def designs():
    return [draw_design(f"f{i}", np.random.default_rng([4, i]), [], SCRIPTS) for i in range(4)]


def draw(designs, seed, setting):
    rng = np.random.default_rng([6, seed])
    stage = Stage(surfaces.paint(rng)[1], light.painted(rng), 0.0)
    return compose(rng, stage, designs, setting)


@pytest.mark.parametrize(("share", "size_px"), [(0.0, SIZE_PX), (1.0, UPRIGHT)])
def test_frames_stand_upright_as_often_as_wanted(designs, quick, share, size_px):
    for seed in range(2):
        scene = draw(designs, seed, Setting(upright=share))
        assert scene.image.shape == (size_px[1], size_px[0], 3)
        for quad in scene.quads_px:
            assert quads.fault(quad) is None
            assert quads.visible_share(quads.to_relative(quad, size_px)) > 0.5


def test_a_sleeve_changes_the_picture_and_no_corner(designs, quick):
    found = {}
    for share in (1e-12, 1.0):  # both draw from the stream whether there are sleeves
        scene = draw(designs, 3, Setting(sleeved=share))
        found[scene.attributes["sleeved"]] = scene
    assert set(found) == {False, True} and found[True].quads_px
    np.testing.assert_array_equal(found[False].quads_px, found[True].quads_px)
    assert (found[False].image != found[True].image).any()


@given(st.integers(0, 10**6), st.tuples(st.floats(40, 150), st.floats(40, 150)), bends)
def test_a_sleeve_lies_over_the_whole_card_and_reaches_beyond_it(seed, size_mm, bend):
    mesh, picture = sleeves.sleeve(np.random.default_rng(seed), size_mm, bend)
    card = bend.lift(meshes.corners(size_mm), size_mm)
    assert (mesh.vertices_mm[:, :2].min(axis=0) < card[:, :2].min(axis=0)).all()
    assert (mesh.vertices_mm[:, :2].max(axis=0) > card[:, :2].max(axis=0)).all()
    flat, _ = meshes.sheet(size_mm, 0.0, bend)
    assert mesh.vertices_mm[:, 2].min() < flat.vertices_mm[:, 2].min() - sleeves.GAP_MM / 2
    assert picture.dtype == np.uint8 and picture.max() < 255


def test_only_what_lies_under_a_sleeve_is_changed_by_it():
    view = view_of(look_at((0, 0), 250, 0.3, 1.0, 0.2, 1.0, SIZE_PX))
    mesh, picture = sleeves.sleeve(np.random.default_rng(3), (91, 55), Bend())
    asked = []

    def shoot(parts, desk):
        asked.append((parts, desk))
        return np.full((*SIZE_PX[::-1], 3), 0.25, np.float32)

    thing = Part(mesh, Material(np.array([200.0, 10, 10])))
    linear = np.full((*SIZE_PX[::-1], 3), 0.5, np.float32)
    covered = sleeves.cover(
        linear, [Part(mesh, Material(picture, 0.06))], [thing], thing, view, shoot
    )
    centre = np.round(view.project(np.zeros((1, 3)))[0]).astype(int)
    assert covered[centre[1], centre[0], 0] == pytest.approx(0.5 * (1 - sleeves.TAKEN) + 0.25)
    assert (covered[:5] == 0.5).all() and (covered[:, :5] == 0.5).all()
    ((parts, desk),) = asked  # all else is black then, so that only the sleeve throws light back
    assert [bool(np.any(part.material.colour)) for part in (*parts, desk)] == [False, True, False]


@given(st.integers(0, 10**6))
def test_a_view_projects_as_its_camera_does(seed):
    rng = np.random.default_rng(seed)
    camera = look_at(
        rng.normal(0, 40, 2), rng.uniform(150, 400), rng.uniform(0, 1), 2.0, 0.4, 1.1, UPRIGHT
    )
    points = np.column_stack([rng.normal(0, 30, (5, 2)), rng.uniform(-20, 0, 5)])
    np.testing.assert_allclose(view_of(camera).project(points), camera.project(points), atol=1e-6)


@pytest.mark.parametrize("locale", ["th_TH", "ar_AA", "ja_JP", "en_US", "ko_KR"])
def test_names_are_written_in_faces_that_have_their_letters(locale):
    words = faker(locale)
    words.seed_instance(5)
    text = words.name() + words.company() + words.email() + words.phone_number()
    for index in FACES.get(locale, COMMON_FACES):
        face = font(index, 40)
        absent = bytes(face.getmask("\uffff"))
        tofu = [
            letter
            for letter in text
            if not letter.isspace() and bytes(face.getmask(letter)) == absent
        ]
        assert tofu == []


def test_no_weights_belong_to_extended_scenes(tmp_path):
    weights = tmp_path / "w.npz"
    weights.write_bytes(b"")
    with pytest.raises(InputError, match="no weights belong to extended scenes"):
        render_source("extended", Wanted(2, 1, 3), tmp_path, weights, tmp_path / "out", 1)


def test_no_card_depends_on_the_clock(monkeypatch):
    def drawn():
        pen = Pen(np.random.default_rng(5), (85.6, 54.0), [], {"en_US": 1.0})
        layouts.identity(pen)
        return pen.image()

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2035, 6, 1, tzinfo=tz)

    before = drawn()
    monkeypatch.setattr("faker.providers.date_time.datetime", Later)
    np.testing.assert_array_equal(before, drawn())
