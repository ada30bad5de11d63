"""Rendering in chunks: nothing is drawn twice, whoever draws and whenever it was killed."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from meishi.errors import InputError
from meishi.processes import workers
from meishi.scenes import chunks
from meishi.scenes.chunks import chunks_of, draw_chunk, finished_scenes, render_worlds, work_folder
from meishi.scenes.render import World, composed
from tests.unit import crew

ROOT = Path(__file__).resolve().parents[2]
CODE = ("meishi.scenes",)


def worlds(marks: Path) -> list[World]:
    """Two worlds of stand-in scenes, which leave their marks in a folder."""
    marks.mkdir(exist_ok=True)
    return [World(number, scenes, 1, marks, (), ()) for number, scenes in enumerate((25, 20))]


def digest(folder: Path, todo: list[World]) -> str:
    found = hashlib.sha256()
    for row, image in finished_scenes(folder, todo):
        found.update(repr(row).encode() + image)
    return found.hexdigest()


def render(todo: list[World], folder: Path, processes: int) -> None:
    render_worlds(todo, folder, crew.announced, CODE, None, processes)


def test_chunks_cover_each_scene_once():
    todo = [World(number, scenes, 1, Path(), (), ()) for number, scenes in enumerate((25, 10, 3))]
    numbers = [(chunk.world.number, n) for chunk in chunks_of(todo) for n in chunk.scenes]
    assert numbers == [(world.number, n) for world in todo for n in range(world.scenes)]
    assert [str(chunk) for chunk in chunks_of(todo)][2:4] == [
        "scenes 20 to 24 of world 0",
        "scenes 0 to 9 of world 1",
    ]


def test_a_killed_run_goes_on_with_what_is_missing(tmp_path):
    todo, folder = worlds(tmp_path / "marks"), tmp_path / "chunks"
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nfrom tests.unit import test_chunks\n"
        "if __name__ == '__main__':\n"
        f"    folder = Path({str(tmp_path)!r})\n"
        "    todo = test_chunks.worlds(folder / 'marks')\n"
        "    test_chunks.render(todo, folder / 'chunks', 1)\n"
    )
    run = subprocess.Popen(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while len(list(folder.glob("world-*.zip"))) < 2:
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.01)
    run.kill()
    run.communicate(timeout=240)  # ends when the workers have: they hold the pipes
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("world-*.zip")}
    assert 2 <= len(kept) < 5
    for mark in (tmp_path / "marks").iterdir():
        mark.unlink()
    render(todo, folder, 2)
    drawn_again = {mark.name for mark in (tmp_path / "marks").iterdir()}
    missing = [chunk for chunk in chunks_of(todo) if chunk.path(folder) not in kept]
    assert drawn_again == {f"{c.world.number}-{n}" for c in missing for n in c.scenes}
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    alone = tmp_path / "alone"
    for chunk in chunks_of(todo):
        alone.mkdir(exist_ok=True)
        chunk.path(alone).write_bytes(draw_chunk(chunk, crew.announced))
    assert digest(folder, todo) == digest(alone, todo)


def test_a_finished_run_needs_no_worker(tmp_path, monkeypatch):
    todo = worlds(tmp_path / "marks")
    for chunk in chunks_of(todo):
        chunk.path(tmp_path).touch()
    monkeypatch.setattr(workers, "connect", None)
    render(todo, tmp_path, 1)


def test_finished_scenes_come_in_order(tmp_path):
    todo = worlds(tmp_path / "marks")
    for chunk in reversed(chunks_of(todo)):
        chunk.path(tmp_path).write_bytes(draw_chunk(chunk, crew.announced))
    names = [row["id"] for row, _ in finished_scenes(tmp_path, todo)]
    assert names == sorted(names) and len(names) == 45


def test_the_work_folder_changes_with_the_plan_and_the_code(tmp_path, monkeypatch):
    todo = worlds(tmp_path)
    first = work_folder(tmp_path, todo, CODE)
    assert first == work_folder(tmp_path, worlds(tmp_path), CODE)
    assert first != work_folder(tmp_path, todo[:1], CODE)
    monkeypatch.setattr(workers, "code_digest", lambda code: "other")
    assert first != work_folder(tmp_path, todo, CODE)


def test_a_machine_without_the_wheels_says_where_they_must_be(tmp_path):
    world = World(0, 1, 1, tmp_path / "wheels", (), (("miniworld", "portrait.png"),))
    [chunk] = chunks_of([world])
    with pytest.raises(InputError, match=f"needs the wheels at {tmp_path / 'wheels'}, seen from"):
        draw_chunk(chunk, composed)


def test_a_scene_is_the_same_in_whatever_chunk_it_is_drawn(monkeypatch):
    monkeypatch.setattr("meishi.scenes.render.DESIGNS_PER_WORLD", 3)
    monkeypatch.setattr("meishi.scenes.render.PHOTOGRAPHED_SHARE", 0.0)
    world = World(0, 4, 7, Path(), (), ())
    together, alone = (
        [chunks.record(drawn, drawn.scene.image.tobytes()) for drawn in composed(world, numbers)]
        for numbers in (range(4), range(3, 4))
    )

    assert together[3:] == alone
