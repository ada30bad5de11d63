"""Which training scenes are augmented."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from meishi.data.choosing import keep_chosen
from meishi.errors import InputError
from meishi.recipe import SceneParams


@dataclass
class Scene:
    name: str
    attributes: dict = field(default_factory=dict)


def reader():
    return SimpleNamespace(
        records=[
            Scene("a", {"source": "traced", "clutter": "phone note"}),
            Scene("b", {"source": "composited", "clutter": ""}),
            Scene("c", {"source": "traced"}),
            Scene("d", {"source": "own"}),
        ]
    )


@pytest.mark.parametrize(
    ("sources", "hard_negatives", "names"),
    [
        ((), True, "abcd"),
        (("traced",), True, "ac"),
        (("own", "traced"), True, "acd"),
        ((), False, "bcd"),
        (("traced",), False, "c"),
    ],
)
def test_the_chosen_scenes_stay_in_order(sources, hard_negatives, names):
    scenes = reader()
    keep_chosen(scenes, SceneParams(sources, hard_negatives))
    assert "".join(scene.name for scene in scenes.records) == names


def test_an_unknown_source_is_refused_by_name_with_those_that_exist():
    with pytest.raises(InputError, match=r"of tracd; there are scenes of composited, own, traced"):
        keep_chosen(reader(), SceneParams(("traced", "tracd"), True))


def test_no_scene_left_is_refused():
    scenes = SimpleNamespace(records=reader().records[:1])
    with pytest.raises(InputError, match="no training scene stays"):
        keep_chosen(scenes, SceneParams((), False))
