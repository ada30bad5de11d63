"""Bring the pipeline up to date without an hour of training that nobody asked for.

The store holds data, models and plots, but not build/, which is large and quick to make. So on a
fresh clone build/ is missing, and is made again: as its bytes are those of dvc.lock, no stage after
it runs. Where they are not (another kind of CPU), that is undone: build/ stays missing, and models
and metrics are those restored. If a stage is out of date for a reason of its own, the parts of
build/ that it reads are made first, and then `dvc repro --allow-missing` runs it and what follows.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from meishi.errors import InputError, clean_exit
from meishi.files.atomic import atomic_write_bytes

PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")
PARAMS = "params.yaml"
TEMPLATE = re.compile(r"\$\{([\w.]+)\}")
# What the store leaves out.
BUILD = "build"


@dataclass(frozen=True)
class Stage:
    """What a stage reads and writes: paths as dvc.yaml gives them."""

    deps: tuple[str, ...]
    outs: tuple[str, ...]


def read_stages(file: Path = PIPELINE) -> dict[str, Stage]:
    """Read the stages of dvc.yaml, in its order; one of a foreach is called NAME@KEY, as by DVC.

    The entries of a foreach are those of params.yaml beside the file.
    """
    return {
        name: Stage(
            tuple(stage.get("deps", [])),
            tuple(_path(out) for key in ("outs", "metrics", "plots") for out in stage.get(key, [])),
        )
        for name, stage in read_documents(file).items()
    }


def read_documents(file: Path = PIPELINE) -> dict[str, dict[str, Any]]:
    """Read the stages of dvc.yaml as they stand there, one for each entry of a foreach."""
    found = {}
    for name, stage in _load(file)["stages"].items():
        if "foreach" not in stage:
            found[name] = stage
            continue
        entries = _load(file.with_name(PARAMS))[stage["foreach"].strip("${}")]
        for key, item in entries.items():
            found[f"{name}@{key}"] = _filled(stage["do"], {"key": key, **_dotted(item)})
    return found


def _load(file: Path) -> Any:
    return YAML(typ="safe").load(file.read_text(encoding="utf-8"))


def _dotted(item: Mapping[str, Any]) -> dict[str, Any]:
    return {f"item.{name}": value for name, value in item.items()}


def _filled(node: Any, values: Mapping[str, Any]) -> Any:
    """Put values into the templates `${...}` of a stage."""
    if isinstance(node, dict):
        return {_filled(key, values): _filled(inner, values) for key, inner in node.items()}
    if isinstance(node, list):
        return [_filled(inner, values) for inner in node]
    if not isinstance(node, str):
        return node
    return TEMPLATE.sub(lambda found: str(values[found[1]]), node)


def downstream(stages: dict[str, Stage], names: Iterable[str]) -> set[str]:
    """Name the stages, and all that read what these write, directly or by way of others."""
    reached = set(names)
    while True:
        outs = {out for name in reached for out in stages[name].outs}
        further = {name for name, stage in stages.items() if _written(outs, stage.deps)}
        if further <= reached:
            return reached
        reached |= further


def missing_producers(stages: dict[str, Stage], names: Iterable[str]) -> list[str]:
    """Name the stages outside `names` that write what these read and what is not there."""
    names = set(names)
    missing = {dep for name in names for dep in stages[name].deps if not Path(dep).exists()}
    return [
        name
        for name, stage in stages.items()
        if name not in names and _written(stage.outs, missing)
    ]


def _written(outs: Iterable[str], paths: Iterable[str]) -> bool:
    """Whether one of the paths is an out, or a file in one that is a folder."""
    folders = [Path(out) for out in outs]
    return any(Path(path).is_relative_to(folder) for path in paths for folder in folders)


def out_of_date(status: Mapping[str, Sequence[Any]]) -> set[str]:
    """Name the stages that must run, by what `dvc status --json` says.

    Args:
        status: by stage, its changes: {"changed deps": {path: state}}, likewise "changed outs",
            or words such as "changed command".

    Returns:
        Stages with a change other than that a part of build/ is missing.
    """
    return {name for name, changes in status.items() if any(map(_counts, changes))}


def main() -> None:
    """Run what is out of date.

    Raises:
        InputError: if build/ cannot be made as dvc.lock has it, so that models would be trained
            that nobody asked for; dvc.lock and build/ are as before then.
    """
    stages = read_stages()
    # Photos of one's own have a .dvc file beside the stages: who reads them is told, too.
    affected = downstream(stages, out_of_date(read_status()) & stages.keys())
    readers = affected or {name for name, stage in stages.items() if not _is_built(stage)}
    if producers := missing_producers(stages, readers):
        try:
            _make_again(stages, producers, affected)
        except InputError as error:
            if affected:
                raise
            print(f"build/ is left out: {error}", file=sys.stderr)
    if affected:
        _dvc("repro", "--allow-missing")


def _make_again(stages: dict[str, Stage], producers: list[str], affected: set[str]) -> None:
    """Run the producers; undo that if other stages than the affected ones became out of date."""
    lock = LOCK.read_bytes()
    outs = [Path(out) for stage in stages.values() for out in stage.outs]
    absent = [out for out in outs if out.parts[0] == BUILD and not out.exists()]
    try:
        _dvc("repro", *producers)
        surprises = out_of_date(read_status()) & stages.keys() - affected
    except (KeyboardInterrupt, SystemExit):
        if LOCK.read_bytes() != lock:  # the next run would train for the other bytes' sake
            _undo(lock, absent)
        raise
    if surprises:
        _undo(lock, absent)
        raise InputError(
            f"{', '.join(producers)} gave other bytes than dvc.lock records, so that "
            f"{', '.join(sorted(surprises))} would run though nothing of theirs was changed; "
            "`make retrain` runs the whole pipeline on this machine"
        )


def _undo(lock: bytes, absent: Iterable[Path]) -> None:
    """Put dvc.lock back, and remove what was not there."""
    atomic_write_bytes(LOCK, lock)
    subprocess.run(["git", "add", str(LOCK)], check=True)  # DVC has staged the other one
    for out in absent:
        if out.is_dir():
            shutil.rmtree(out, ignore_errors=True)
        else:
            out.unlink(missing_ok=True)


def _is_built(stage: Stage) -> bool:
    return any(Path(out).parts[0] == BUILD for out in stage.outs)


def read_status() -> dict[str, list[Any]]:
    """Ask DVC what differs from dvc.lock."""
    return json.loads(_dvc("status", "--json", capture=True))


def _counts(change: str | Mapping[str, Mapping[str, Any]]) -> bool:
    if isinstance(change, str):
        return True
    states = [pair for paths in change.values() for pair in paths.items()]
    return any(
        not (Path(path).parts[0] == BUILD and state in ("deleted", "not in cache"))
        for path, state in states
    )


def _dvc(*arguments: str, capture: bool = False) -> str:
    interrupted = False
    with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
        process = subprocess.Popen(["dvc", *arguments], stdout=told if capture else None)
        # Ctrl-C reaches DVC and its stage as well; subprocess.run would kill DVC before it has
        # ended the stage and released its locks.
        while process.returncode is None:
            try:
                process.wait()
            except KeyboardInterrupt:
                interrupted = True
        if interrupted:
            raise KeyboardInterrupt
        if process.returncode:
            sys.exit(process.returncode)  # DVC has said why
        told.seek(0)
        return told.read()


def _path(out: str | dict[str, Any]) -> str:
    return out if isinstance(out, str) else next(iter(out))


if __name__ == "__main__":
    with clean_exit():
        main()
