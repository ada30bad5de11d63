"""Fixtures that several files share; what is heavy to import is imported where it is used."""

import pytest


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """The stage of the attacks on a collection, built once and copied for each."""
    from tests.unit.collections_scene import build

    folder = tmp_path_factory.mktemp("scene")
    build(folder)
    return folder


@pytest.fixture
def scene(template, tmp_path):
    from tests.unit.collections_scene import opened

    with opened(template, tmp_path) as scene:
        yield scene


@pytest.fixture
def quick(monkeypatch):
    """Trace one path a pixel: a coarse picture of the same scene."""
    monkeypatch.setattr("meishi.tracing.compose.SAMPLES", 1)


@pytest.fixture(scope="module")
def founded(tmp_path_factory):
    """Return a folder for what the worlds of a module begin with."""
    return tmp_path_factory.mktemp("founded")


@pytest.fixture
def world(founded, tmp_path):
    """Return a publication of this test's own."""
    from tests.collections_world import make_world

    return make_world(founded, tmp_path)
