"""Spawned processes leave the script of their parent alone, whoever spawns them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import os
import sys
from pathlib import Path

with open(sys.argv[1], "a") as imported:
    print(__name__, file=imported)

from meishi.processes import workers
from meishi.profiling import timing
from meishi.processes.spawning import without_script
from tests.unit import crew

if __name__ == "__main__":
    {body}
"""
BODIES = {
    "workers": "with workers.connect(None, 2) as run: print(len(list(run.map(crew.sleep, [0.0]))))",
    "timing": (
        "job = timing.Job(crew.sleeper, (), 'x', 1); "
        "print(len(timing.measure_jobs({('a', 'b'): job}, 1)))"
    ),
}


def imports(folder: Path, body: str) -> list[str]:
    script, log = folder / "script.py", folder / "imported"
    script.write_text(SCRIPT.format(body=body))
    done = subprocess.run(
        [sys.executable, script, log],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert (done.returncode, done.stdout.split()) == (0, ["1"]), done.stderr
    return log.read_text().split()


@pytest.mark.parametrize("spawner", BODIES)
def test_a_spawned_process_does_not_import_the_script(tmp_path, spawner):
    assert imports(tmp_path, BODIES[spawner]) == ["__main__"]


def test_without_care_it_would(tmp_path):
    body = (
        "from multiprocessing import get_context; "
        "one = get_context('spawn').Process(target=crew.sleep, args=(0.0,)); "
        "one.start(); one.join(); print(1)"
    )
    assert imports(tmp_path, body) == ["__main__", "__mp_main__"]


def test_the_script_is_known_again_afterwards(tmp_path):
    body = (
        "before = __file__, __spec__\n"
        "    try:\n"
        "        with without_script(): raise KeyError\n"
        "    except KeyError: print(int(before == (__file__, __spec__)))"
    )
    assert imports(tmp_path, body) == ["__main__"]
