"""The artefact that a git tag names: `MODEL@vVERSION`, as GTO writes it.

The package comes out of DVC at that tag, its hash and the metrics out of git, so that what is
published is what the tag's `dvc.lock` and metrics speak of, whatever lies in the working tree.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ruamel.yaml import YAML

from meishi.collections import layout
from meishi.errors import InputError

SECONDS = 600  # for one command of git or DVC


class RegistryError(InputError):
    """A tag names nothing that can be published."""


@dataclass(frozen=True)
class Tag:
    """A registered version.

    Attributes:
        name: as git has it.
        model: of the artefact.
        version: three numbers.
    """

    name: str
    model: str
    version: str


def parse_tag(text: str) -> Tag | None:
    """Read MODEL@v1.2.3; None if it is something else."""
    match = re.fullmatch(r"([^@/#]+)@v(.+)", text)
    if not match or not layout.is_name(match[1]) or not layout.is_version(match[2]):
        return None
    return Tag(text, match[1], match[2])


def require_tag(repo: Path, tag: Tag) -> None:
    """Refuse a tag that git does not have; RegistryError."""
    if not _git(repo, "tag", "--list", tag.name).strip():
        raise RegistryError(
            f"{tag.name}: no such tag; `git fetch --tags` brings those of others, "
            f"`gto register {tag.model} --version v{tag.version}` makes it"
        )


def metrics_at(repo: Path, tag: Tag, names: set[str]) -> dict[str, bytes]:
    """Read metrics/NAME.json of a tag.

    Raises:
        RegistryError: if the tag or a file is not there.
    """
    return {name: _git(repo, "show", f"{tag.name}:metrics/{name}.json") for name in sorted(names)}


def hash_at(repo: Path, tag: Tag, package: str) -> str:
    """Return the DVC hash of the output that a package is part of.

    Raises:
        RegistryError: if no stage of the tag's dvc.lock writes it.
    """
    lock = YAML(typ="safe").load(_git(repo, "show", f"{tag.name}:dvc.lock").decode())
    path = PurePosixPath(package)
    for stage in lock["stages"].values():
        for out in stage.get("outs", []):
            if PurePosixPath(out["path"]) in (path, *path.parents):
                return out["md5"]
    raise RegistryError(f"{tag.name}: no stage of its dvc.lock writes {package}")


def package_at(repo: Path, tag: Tag, package: str, folder: Path) -> Path:
    """Get the package of a tag into a folder, from DVC.

    Raises:
        RegistryError: if DVC cannot give it.
    """
    target = folder / PurePosixPath(package).name
    dvc = [sys.executable, "-m", "dvc"]  # the one of this environment, active or not
    _run([*dvc, "get", str(repo), package, "--rev", tag.name, "--out", str(target)], repo)
    return target


def _git(repo: Path, *arguments: str) -> bytes:
    return _run(["git", *arguments], repo)


def _run(command: list[str], folder: Path) -> bytes:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RegistryError(f"{' '.join(command)}: {error}") from error
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines()
        raise RegistryError(f"{' '.join(command)}: {reason[-1] if reason else 'failed'}")
    return done.stdout
