"""A repository with our dvc.yaml and params.yaml whose stages are stand-ins that take no time.

A stand-in writes every output that dvc.yaml declares. Metrics and curves are those of this
repository; those of `evaluate` fall as capture.score_threshold leaves 0.4, where the toy starts.
All else is a digest of what the stage reads, so that a change goes through the pipeline as in the
true one.
"""

import os
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
LIMIT_S = 300  # a command that hangs ends the test; none takes long
VARIANTS = ("ssd_fp16", "unet_fp16", "flat_fp16", "direction_fp16")  # that the toy keeps
START = 0.4  # of capture.score_threshold: the stand-in of `evaluate` is at its best here
STAND_IN = """
import hashlib, json
from pathlib import Path
from ruamel.yaml import YAML
import sys
from meishi.clone.reproduce import read_documents

command = " ".join(["python", *sys.argv])
[(name, stage)] = [(n, s) for n, s in read_documents().items() if s["cmd"] == command]
params = YAML(typ="safe").load(Path("params.yaml"))
found = [path for dep in stage["deps"] for path in (Path(dep), *Path(dep).rglob("*"))]
seen = [path.read_text() for path in sorted(found) if path.is_file()]
for path in stage["params"]:
    value = params
    for key in path.split("."):
        value = value[key]
    seen.append(repr(value))
digest = hashlib.sha256("".join(seen).encode()).hexdigest()
share = 1 - abs(params["capture"]["score_threshold"] - 0.4) if name == "evaluate" else 1

def scaled(value):
    if isinstance(value, dict):
        return {key: scaled(inner) for key, inner in value.items()}
    return value * share if isinstance(value, float) else value

for kind in ("outs", "metrics", "plots"):
    for entry in stage.get(kind, []):
        out = Path(entry if isinstance(entry, str) else next(iter(entry)))
        out.parent.mkdir(parents=True, exist_ok=True)
        model = Path("templates", out)
        if out.suffix == ".json":
            out.write_text(json.dumps(scaled(json.loads(model.read_text())), indent=2))
        elif out.suffix in (".csv", ".jpg"):
            out.write_bytes(model.read_bytes())
        elif out.suffix == ".npz":
            out.write_text(digest)
        elif out.name == "overlays":
            out.mkdir(exist_ok=True)
            for file in model.iterdir():
                (out / file.name).write_bytes(file.read_bytes() + digest.encode())
        else:
            out.mkdir(exist_ok=True)
            (out / "frames.jsonl").write_text(digest)
            for reader in read_documents().values():
                for dep in map(Path, reader["deps"]):
                    if out in dep.parents:
                        dep.write_text(digest)
"""


def run(command: str | list[str], folder: Path, **variables: str) -> str:
    """Run a command in the toy, without what the machine knows of the user; return its output."""
    environment = os.environ | isolated(folder) | variables
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        shell=isinstance(command, str),
        executable="/bin/bash" if isinstance(command, str) else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def isolated(folder: Path) -> dict[str, str]:
    """Name, paths and caches for processes in the toy."""
    return {
        "DVC_SITE_CACHE_DIR": str(folder.parent / "site-cache"),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "Toy",
        "GIT_AUTHOR_EMAIL": "toy@example.org",
        "GIT_COMMITTER_NAME": "Toy",
        "GIT_COMMITTER_EMAIL": "toy@example.org",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }


def make(folder: Path) -> Path:
    """Write the toy, run its pipeline and commit; `folder`.git beside it is its origin."""
    folder.mkdir(parents=True)
    for name in ("params.yaml", ".gitignore", ".dvcignore", "Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for file in (*ROOT.glob("requirements*.txt"), ROOT / "constraints.txt"):
        shutil.copy(file, folder)
    _change_params(folder / "params.yaml")
    _write_pipeline(folder)
    _write_templates(folder / "templates")
    (folder / "data").mkdir()
    (folder / "data" / "scenes").write_text("scenes")
    origin = folder.with_suffix(".git")
    run(["git", "init", "-q", "--bare", "-b", "main", str(origin)], folder)
    run("git init -q -b main && dvc init -q && git remote add origin " + str(origin), folder)
    shutil.copy(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    run("dvc add -q data && dvc repro -q && dvc push -q && git add -A", folder)
    run("git commit -qm toy && git push -q origin main", folder)
    return folder


def copy(made: Path, folder: Path) -> Path:
    """Copy a toy and its origin, so that a test may change both."""
    shutil.copytree(made, folder, symlinks=True)
    shutil.copytree(made.with_suffix(".git"), folder.with_suffix(".git"))
    run(["git", "remote", "set-url", "origin", str(folder.with_suffix(".git"))], folder)
    return folder


def commit(folder: Path, **changed: str) -> str:
    """Set params (`capture__score_threshold="0.5"`), run, store, commit; return the commit."""
    for key, value in changed.items():
        run(["dvc", "exp", "run", "-q", "-S", f"{key.replace('__', '.')}={value}"], folder)
    # The store keeps what one commit uses, as after `make push`.
    run("rm -r storage && dvc push -q && git add -A && git commit -qm change", folder)
    return run("git rev-parse HEAD", folder).strip()


def _change_params(file: Path) -> None:
    yaml = YAML()
    params = yaml.load(file.read_text(encoding="utf-8"))
    params["capture"]["score_threshold"] = START
    for name in [name for name in params["exports"] if name not in VARIANTS]:
        del params["exports"][name]
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(params, stream)


def _write_pipeline(folder: Path) -> None:
    yaml = YAML()
    pipeline = yaml.load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    (folder / "stages").mkdir()
    for stage in pipeline["stages"].values():
        body = stage.get("do", stage)
        script = body["cmd"].split()[1]
        body["deps"] = [d for d in body["deps"] if not d.startswith("meishi/") and d != script]
        body["deps"].append(script)
        (folder / script).write_text(STAND_IN)
    with (folder / "dvc.yaml").open("w", encoding="utf-8") as stream:
        yaml.dump(pipeline, stream)


def _write_templates(folder: Path) -> None:
    shutil.copytree(ROOT / "metrics", folder / "metrics")
    (folder / "plots" / "overlays").mkdir(parents=True)
    for file in (ROOT / "plots").glob("*.csv"):
        lines = file.read_text().splitlines(keepends=True)
        (folder / "plots" / file.name).write_text("".join(lines[: 1 + 60]))
    picture = np.full((60, 80, 3), 200, np.uint8)
    cv2.imwrite(str(folder / "plots" / "augmented.jpg"), picture)
    for number, kind in enumerate(("worst", "worst", "best", "sample")):
        name = f"{number:02d}-{kind}-scene-{number}.jpg"
        cv2.imwrite(str(folder / "plots" / "overlays" / name), picture)
