"""Every stage, as `dvc exp run` runs it, on few scenes, in a copy that is deleted: `make smoke`.

The copy holds the repository's files as they are now, committed or not, and has a cache of its own:
params, models, lock, metrics and store of the user stay as they are. What is thrown away is the
models, too; that a stage runs and ends well is all that this tells.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ruamel.yaml import YAML

from meishi import schema
from meishi.clone.reproduce import read_stages
from meishi.data import records
from meishi.data.choosing import spread
from meishi.data.manifest import read_manifest, write_source
from meishi.data.shards import ShardReader
from meishi.data.sources import OWN_FORMAT
from meishi.errors import InputError, clean_exit, summary
from meishi.params import Params, SourceParams, load_params
from meishi.variants import TUNED_SOURCE, find

OVERRIDES = Path("experiments/smoke.yaml")
NAME = "smoke"
# The store is large; lock and data.dvc tell of all the data, of which the copy holds a few scenes.
LEFT_OUT = ("storage", "dvc.lock", "data.dvc")
WHO = ("-c", "user.name=smoke", "-c", "user.email=smoke@localhost")


@dataclass(frozen=True)
class Smoke:
    """What to run: scenes of each source, params by section, and which variants."""

    scenes_per_source: int
    params: dict
    variants: tuple[str, ...]


def main() -> None:
    """Run the pipeline in a copy; print how long it took.

    Raises:
        InputError: if a source is not there, the overrides are none, or a stage fails.
    """
    wanted = read_overrides(OVERRIDES)
    fetch = load_params("fetch").fetch
    sources = [*fetch.sources, *fetch.without_cards]
    with tempfile.TemporaryDirectory(prefix="meishi-smoke-") as scratch:
        copy = Path(scratch) / "meishi"
        copy_repository(copy)
        count = sum(thin_source(source, copy, wanted.scenes_per_source) for source in sources)
        _run(copy, "git", "init", "-q")
        _run(copy, "dvc", "add", "-q", "data")
        _run(copy, "git", "add", "-A")
        _run(copy, "git", *WHO, "commit", "-qm", NAME)
        begin = time.monotonic()
        options = [
            *overrides(wanted.params),
            *thinned(wanted.variants, load_params("exports", "tune")),
        ]
        _run(copy, "dvc", "exp", "run", "--name", NAME, *options)
        took = time.monotonic() - begin
        check_outputs(copy)
        begin = time.monotonic()
        _run(copy, "dvc", "repro", "-q")
        again = time.monotonic() - begin
    print(f"smoke: every stage ran, {count} pictures, {took:.0f} s; nothing to do: {again:.1f} s")


def read_overrides(file: Path) -> Smoke:
    """Read the overrides.

    Raises:
        InputError: naming every key that is unknown, missing or of the wrong type.
    """
    faults: list[schema.Fault] = []
    found = schema.build(Smoke, YAML(typ="safe").load(file.read_text(encoding="utf-8")), faults)
    if faults:
        raise InputError("\n".join(f"{file} {fault.where}: {fault.what}" for fault in faults))
    return found


def overrides(params: dict) -> list[str]:
    """Write overrides by section as options of `dvc exp run`."""
    return [
        option
        for section, values in params.items()
        for key, value in values.items()
        for option in ("-S", f"{section}.{key}={json.dumps(value)}")
    ]


def thinned(kept: Sequence[str], params: Params) -> list[str]:
    """Leave out other variants than these, and what is tuned for them alone.

    These, of networks that are barely trained, may lose all.

    Raises:
        InputError: if one is no entry of `exports`.
    """
    for name in kept:
        find(params.exports, name)
    tuned = {params.exports[name].source for name in kept}
    dropped = [f"~exports.{name}" for name in params.exports if name not in kept]
    dropped += [f"~tune.{name}" for name in params.tune if f"{TUNED_SOURCE}{name}" not in tuned]
    loose = [f"exports.{name}.{key}=100" for name in kept for key in ("tolerance", "loss")]
    return [option for change in (*dropped, *loose) for option in ("-S", change)]


def copy_repository(target: Path) -> None:
    """Copy every file that git tracks or would track, without the store and the lock."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        file = Path(name)
        if file.parts[0] not in LEFT_OUT and file.is_file():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target / file)


def thin_source(source: SourceParams, target: Path, count: int) -> int:
    """Write some of a source's scenes, evenly spread, into the copy at the same path.

    Returns:
        How many.

    Raises:
        InputError: if the source is not there, or not in the layout of data/.
    """
    folder = Path(source.path)
    if source.format != OWN_FORMAT:
        raise InputError(
            f"params.yaml [fetch]: source {source.name!r}: smoke takes scenes out of sources in "
            f"the layout of data/ only, not of {source.format}; `meishi add-photos` writes one"
        )
    faults: list[str] = []
    manifest = read_manifest(folder, faults)
    if manifest is None:
        raise InputError(summary(faults))
    about = {"name": manifest.name, "licence": manifest.licence}
    origins = [asdict(origin) for origin in manifest.sources]
    reader = ShardReader(folder, records.parse_source)
    chosen = spread(len(reader), count)
    scenes = reader.scenes([reader.records[number] for number in chosen])
    entry = manifest.weights
    weights = (entry, (folder / entry.file).read_bytes()) if entry else None
    write_source(target / folder, scenes, {**about, "sources": origins}, weights)
    return len(chosen)


def check_outputs(folder: Path) -> None:
    """Look for every output, and for a stage that DVC would run again.

    Raises:
        InputError: listing them.
    """
    outs = (out for stage in read_stages(folder / "dvc.yaml").values() for out in stage.outs)
    missing = [out for out in outs if not _is_there(folder / out)]
    status = json.loads(_run(folder, "dvc", "status", "--json"))
    faults = [f"{stage}: out of date after the run: {why}" for stage, why in status.items()]
    faults += [f"{out}: declared in dvc.yaml, not written" for out in missing]
    if faults:
        raise InputError(summary(faults))


def _is_there(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.is_file()


def _run(folder: Path, *command: str) -> str:
    """Run a command in the copy, with the copy's own modules."""
    shown = command[:3] == ("dvc", "exp", "run")
    modules = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    environment = os.environ | {"PYTHONPATH": modules, "DVC_SITE_CACHE_DIR": f"{folder}-site"}
    stdout = None if shown else subprocess.PIPE
    done = subprocess.run(command, cwd=folder, env=environment, stdout=stdout, text=True)
    if done.returncode:
        raise InputError(f"{' '.join(command)}: ended with {done.returncode}: {done.stdout or ''}")
    return done.stdout or ""


if __name__ == "__main__":
    with clean_exit():
        main()
