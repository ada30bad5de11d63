"""The small files that git keeps of a revision: metrics, curves, params, the lock.

Nothing is checked out: a file of an older revision is read out of git's objects.
"""

import csv
import io
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from meishi import paths
from meishi.errors import InputError

WORKSPACE = "workspace"
EXPERIMENTS = "refs/exps/"
FULL_HASH = re.compile("[0-9a-f]{40}")
MEASURED_ON = paths.TEST.as_posix()  # as dvc.lock names it


class RevisionError(InputError):
    """A revision, or a file of it, is not there; the message says which and what to do."""


@dataclass(frozen=True)
class Snapshot:
    """The repository at a git revision; the files of the working directory when `rev` is None."""

    rev: str | None = None

    @property
    def name(self) -> str:
        """How people call it: a hash is cut to ten digits, an experiment has its name."""
        rev = (self.rev or WORKSPACE).removeprefix("refs/heads/")
        if rev.startswith(EXPERIMENTS):
            return rev.rsplit("/", 1)[1]
        return rev[:10] if FULL_HASH.fullmatch(rev) else rev

    def text(self, path: Path) -> str | None:
        """Read a file; None when the revision does not have it."""
        if self.rev is None:
            return path.read_text(encoding="utf-8") if path.is_file() else None
        done = _git("show", f"{self.rev}:./{path.as_posix()}")
        return done.stdout if done.returncode == 0 else None

    def metrics(self, name: str) -> dict[str, Any]:
        """Read metrics/NAME.json.

        Raises:
            RevisionError: if it is not there, or is no JSON object.
        """
        path = paths.METRICS / f"{name}.json"
        text = self.text(path)
        if text is None:
            hint = "run `make repro`" if self.rev is None else "give a revision that has metrics"
            raise RevisionError(f"{path}: not in {self.name}; {hint}")
        try:
            content = json.loads(text)
        except ValueError as error:
            raise RevisionError(f"{path} of {self.name}: not JSON: {error}") from error
        if not isinstance(content, dict):
            raise RevisionError(f"{path} of {self.name}: expected an object, got {content!r:.40}")
        return content

    def rows(self, path: Path) -> list[dict[str, str]]:
        """Read a CSV file's rows; none when the revision does not have it."""
        text = self.text(path)
        return list(csv.DictReader(io.StringIO(text))) if text else []

    def test_data(self) -> str | None:
        """Return the hash of the scenes that `evaluate` measured on; None when not recorded."""
        text = self.text(Path("dvc.lock"))
        stages = (YAML(typ="safe").load(text) or {}).get("stages", {}) if text else {}
        deps = stages.get("evaluate", {}).get("deps", [])
        return next((dep.get("md5") for dep in deps if dep["path"] == MEASURED_ON), None)


def snapshot(rev: str | None) -> Snapshot:
    """Return the snapshot of a revision or of a DVC experiment, having checked that it exists.

    Raises:
        RevisionError: if it does not.
    """
    if rev is None:
        return Snapshot()
    found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
    if found.returncode == 0:
        return Snapshot(rev)
    experiments = _git("for-each-ref", "--format=%(refname)", EXPERIMENTS).stdout.split()
    named = [ref for ref in experiments if ref.endswith(f"/{rev}")]
    if len(named) == 1:
        return Snapshot(named[0])
    raise RevisionError(
        f"{rev}: git knows no such revision here, nor DVC one experiment of that name; "
        "`git log --oneline` and `dvc exp list` list them. A shallow clone has no revision but "
        "its own: `git fetch --unshallow`"
    )


def same_test_data(one: Snapshot, other: Snapshot) -> bool:
    """Tell whether two revisions were measured on the same scenes; False when not recorded."""
    return one.test_data() is not None and one.test_data() == other.test_data()


def history(path: Path, count: int) -> list[tuple[str, str]]:
    """List the last commits that changed a file: (short hash, date), the newest first."""
    plain = ("-c", "log.showSignature=false")  # else its words stand among ours
    done = _git(*plain, "log", f"-{count}", "--format=%h %cs", "--", str(path))
    return [(rev, date) for rev, date in map(str.split, done.stdout.splitlines())]


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, encoding="utf-8")
