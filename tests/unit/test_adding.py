import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from meishi.adding import AddError, _next_steps, add_photos
from meishi.data.sources import SourceError, verified_scenes
from meishi.errors import InputError
from meishi.geometry import quads
from meishi.params import FetchParams, ParamsError, SourceParams, load_params
from meishi.pictures import images
from tests.exports import EDGES_PX, QUAD_PX, picture, write

LABELS = {"imagePath": "a.jpg", "imageWidth": 160, "imageHeight": 120}
SHAPES = [{"label": "card", "points": EDGES_PX.tolist()}]
WEIGHTS = "data/weights/efficientnet_lite0.npz"


def export(folder, shapes=SHAPES):
    return write(
        folder,
        {
            "a.json": {**LABELS, "shapes": shapes},
            "a.jpg": picture(),
            "b.jpg": picture(seed=1),
        },
    )


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The folder that sources are added in."""
    monkeypatch.chdir(tmp_path)


def add(folder, **options):
    given = {"kind": "labelme", "labels": [], "licence": "CC0-1.0"}
    paths = {"into": folder / "photos", "sheet": folder / "sheet.jpg"}
    return add_photos(**{"export": folder / "export", **given, **paths, **options})


def test_what_is_added_is_a_sound_source(data):
    export(data.parent / "export")
    lines = add(data.parent)
    both = (SourceParams("tiny", "data"), SourceParams("photos", "photos"))
    found = [
        r for r, _ in verified_scenes(FetchParams(both, WEIGHTS, WEIGHTS)) if "photos-" in r.id
    ]
    assert [len(record.cards) for record in found] == [1, 0]
    assert np.allclose(quads.to_px(found[0].cards[0].quad, (160, 120)), QUAD_PX, atol=0.001)
    assert lines[:3] == [
        "2 photos, 1 cards",
        "cards a photo: 1 with 0, 1 with 1",
        "sizes: 160x120 (2)",
    ]
    assert any("dvc add" in line for line in lines)
    assert images.decode(data.parent / "sheet.jpg").shape == (240, 480, 3)


def test_a_source_outside_the_clone_is_to_be_moved_into_it(data, tmp_path, monkeypatch):
    export(data.parent / "export")
    (tmp_path / "clone").mkdir()
    monkeypatch.chdir(tmp_path / "clone")
    steps = add(data.parent, into=Path("../desk"))
    assert "  move ../desk into the clone, as data/desk; in the clone:" in steps
    assert "  dvc add data" in steps and any("path: data/desk}" in step for step in steps)


def test_a_source_in_data_is_known_however_it_is_given(data):
    export(data.parent / "export")
    steps = add(data.parent, into=data.resolve() / "desk")
    assert "  dvc add data" in steps and any("path: data/desk}" in step for step in steps)


def test_a_source_in_data_needs_neither_a_dep_nor_a_dvc_file_of_its_own():
    steps = "\n".join(_next_steps(Path("data/desk")))
    assert "dvc add data\n" in steps and "path: data/desk}" in steps and "make push" in steps
    assert "dvc.yaml" not in steps and "desk.dvc" not in steps


@pytest.mark.parametrize("into", ["data/desk", "photos"])
def test_the_documents_are_brought_in_step_before_the_commit(into):
    steps = [line.strip() for line in _next_steps(Path(into))]
    card, tables = steps.index("meishi model-card"), steps.index("python docs/results.py --write")
    [added] = [number for number, step in enumerate(steps) if step.startswith("git add")]
    assert max(card, tables) < added and steps[added].endswith("README.md MODEL_CARD.md docs")


def test_a_source_elsewhere_is_named_in_dvc_yaml():
    steps = "\n".join(_next_steps(Path("photos")))
    assert "dvc add photos" in steps and "photos.dvc .gitignore dvc.yaml" in steps
    assert "make push" in steps and "dvc push" not in steps


def test_the_pictures_stay_as_they_are(data):
    export(data.parent / "export")
    add(data.parent)
    source = (SourceParams("tiny", "data"), SourceParams("photos", "photos"))
    contents = {content for _, content in verified_scenes(FetchParams(source, WEIGHTS, WEIGHTS))}
    assert {picture(), picture(seed=1)} <= contents


def test_an_export_with_a_fault_writes_nothing(tmp_path):
    export(tmp_path / "export", [{"label": "card", "points": [[1, 2]]}])
    with pytest.raises(AddError, match="refused, faults: 1\n.*a.json: shapes"):
        add(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export"]


def test_every_fault_of_an_export_is_listed(tmp_path):
    faulty = [{"label": "card", "points": [[1, 1], [2, 2]]} for _ in range(45)]
    export(tmp_path / "export", faulty)
    with pytest.raises(AddError, match="refused, faults: 45") as refused:
        add(tmp_path)
    assert len(str(refused.value).splitlines()) == 46


def test_a_folder_that_exists_is_not_replaced(tmp_path):
    export(tmp_path / "export")
    (tmp_path / "photos").mkdir()
    with pytest.raises(AddError, match="is there already"):
        add(tmp_path)


def test_a_sheet_that_cannot_be_written_writes_nothing(tmp_path):
    export(tmp_path / "export")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"sheet\.jpg: cannot be written"):
        add(tmp_path, sheet=tmp_path / "file" / "sheet.jpg")
    assert not (tmp_path / "photos").exists()


@pytest.mark.parametrize("sheet", ["photos", "photos/records.jsonl", "photos/more/x.jpg", "."])
def test_a_sheet_in_the_source_or_around_it_is_refused_before_any_work(tmp_path, sheet):
    export(tmp_path / "export")
    with pytest.raises(AddError, match="expected a file apart from --into"):
        add(tmp_path, sheet=tmp_path / sheet)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export"]


@pytest.mark.parametrize("stated", [".", "inner/..", "./"])
def test_the_manifest_names_the_export_as_it_is_called(tmp_path, monkeypatch, stated):
    folder = export(tmp_path / "export")
    (folder / "inner").mkdir()
    monkeypatch.chdir(folder)
    add(tmp_path, export=stated)
    manifest = json.loads((tmp_path / "photos" / "manifest.json").read_text())
    assert [source["name"] for source in manifest["sources"]] == ["export"]


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(AddError, match="expected one of coco, labelme"):
        add(tmp_path, kind="pascal")


def fetched(path="export", **source):
    params = (SourceParams("tiny", "data"), SourceParams("mine", path, **source))
    return [record for record, _ in verified_scenes(FetchParams(params, WEIGHTS, WEIGHTS))]


def test_fetch_reads_an_export_beside_the_own_format(data):
    export(data.parent / "export")
    found = fetched(format="labelme", labels=("card",))
    assert len(found) == 20 and found[-1].id.startswith("mine-b-")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"format": "pascal"}, "format 'pascal'; there are meishi, coco"),
        ({"format": "labelme", "labels": ("crad",)}, "no shape has the label 'crad'"),
        ({"format": "coco"}, "no COCO annotation in it"),
        ({"labels": ("card",)}, "labels: meishi has none"),
        ({"format": "labelme", "path": "gone"}, "gone: no such file or folder"),
    ],
)
def test_fetch_refuses_a_source_by_name(data, source, words):
    export(data.parent / "export")
    with pytest.raises(SourceError, match=words):
        fetched(**source)


def test_weights_are_checked_whichever_source_comes_first(data):
    export(data.parent / "export")
    sources = (SourceParams("mine", "export", "labelme"), SourceParams("tiny", "data"))
    params = FetchParams(sources, WEIGHTS, WEIGHTS)
    assert len(list(verified_scenes(params))) == 20
    (data / "weights/efficientnet_lite0.npz").write_bytes(b"others")
    with pytest.raises(SourceError, match="wrong sha256"):
        list(verified_scenes(params))
    with pytest.raises(SourceError, match="stands in the manifest.json of no source"):
        list(verified_scenes(replace(params, sources=sources[:1])))


def test_format_labels_and_sha256_are_optional_in_params(workspace):
    file = workspace / "params.yaml"
    text = file.read_text().replace(
        "{name: composited, path: data/composited}",
        "{name: rendered, path: x, format: yolo, labels: [card, id], sha256: ab}",
    )
    file.write_text(text)
    source = load_params("fetch").fetch.sources[0]
    assert (source.format, source.labels, source.sha256) == ("yolo", ("card", "id"), "ab")
    file.write_text(text.replace("[card, id]", "card"))
    with pytest.raises(ParamsError, match="labels: expected a list"):
        load_params("fetch")


def test_a_source_below_a_file_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is no folder"):
        add(tmp_path, into=tmp_path / "file" / "photos")
