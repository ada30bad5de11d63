"""`meishi doctor`: what this clone and this machine lack, and how to mend it.

Needs the standard library only, and runs with Pythons that the rest does not run with, so that it
can say so: `python3 -m meishi.doctor`. Each check looks at one thing and changes nothing.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from meishi.clone.findings import BLOCKS, LOOK, OK, Finding, table
from meishi.clone.probing import (
    alive,
    ask,
    ask_dvc,
    gigabytes,
    install_command,
    installed_packages,
    lacks_only,
    lock_holders,
    out_sizes,
    pins,
    shorten,
)

PYTHON = (3, 11)
# The oldest that the pipeline and its tests have run with.
GIT = (2, 39)
STORE = Path("storage")
BUILD = "build/"  # in no store: quickly made again
REQUIREMENTS = ("requirements.txt", "constraints.txt")
# The package that DVC needs for a remote, by the scheme of its URL.
PLUGINS = {
    "s3": "dvc-s3",
    "gs": "dvc-gs",
    "azure": "dvc-azure",
    "ssh": "dvc-ssh",
    "webdav": "dvc-webdav",
    "webdavs": "dvc-webdav",
}


def examine(root: Path) -> list[Finding]:
    """Run every check on a clone.

    Args:
        root: its folder.

    Returns:
        At least one finding a check, in the order in which they are best mended; elsewhere one.
    """
    if not (root / "dvc.yaml").is_file():
        return [Finding("clone", BLOCKS, f"{root} is no clone of Meishi", "run it in the clone")]
    return [finding for check in CHECKS for finding in check(root)]


def check_python(root: Path) -> Iterator[Finding]:
    """Python's version, and whether it is the one of .venv."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] != PYTHON:
        wanted = ".".join(map(str, PYTHON))
        mend = f"install Python {wanted} with venv; `make repro PYTHON=/path/to/python{wanted}`"
        yield Finding("python", BLOCKS, f"{version}, needed is {wanted}", mend)
    elif sys.prefix == sys.base_prefix:
        mend = "source .venv/bin/activate (`make repro` makes .venv)"
        yield Finding("python", LOOK, f"{version}, outside a virtual environment", mend)
    else:
        yield Finding("python", OK, version)


def check_pins(root: Path) -> Iterator[Finding]:
    """Whether the installed packages are those of requirements.txt and constraints.txt."""
    required, constrained = (pins(root / file) for file in REQUIREMENTS)
    if not required:
        found = "requirements.txt pins nothing, or is missing"
        yield Finding("packages", BLOCKS, found, "git checkout requirements.txt")
        return
    installed = installed_packages()
    missing = [name for name in required if name not in installed]
    wanted = {**constrained, **required}
    other = [
        f"{name} {installed[name]} (pinned: {version})"
        for name, version in wanted.items()
        if installed.get(name, version) != version
    ]
    mend = install_command(root)
    if missing:
        yield Finding("packages", BLOCKS, f"not installed: {shorten(missing)}", mend)
    if other:
        yield Finding("packages", LOOK, f"other versions: {shorten(other)}", mend)
    if not missing and not other:
        yield Finding("packages", OK, f"{len(required)} requirements as pinned")


def check_git(root: Path) -> Iterator[Finding]:
    """Git, its version, whether this is a clone, and a lock that a killed git left."""
    said = ask(["git", "--version"], root)
    if said is None:
        yield Finding("git", BLOCKS, "not found", "install git (Debian: apt-get install git)")
        return
    version = tuple(int(part) for part in re.findall(r"\d+", said)[:2])
    if version < GIT:
        oldest = ".".join(map(str, GIT))
        yield Finding("git", LOOK, f"{said}; tried with {oldest} and later", "install a later git")
    if (folder := ask(["git", "rev-parse", "--absolute-git-dir"], root)) is None:
        mend = "git clone the repository; an unpacked zip of it lacks .git"
        yield Finding("git", BLOCKS, f"{root} is no git repository", mend)
    elif (lock := Path(folder) / "index.lock").exists():
        mend = f"if no git is running: rm {lock}"
        yield Finding("git", BLOCKS, "index.lock is left over, or git is running", mend)
    elif version >= GIT:
        yield Finding("git", OK, said.split("version ")[-1])


def check_identity(root: Path) -> Iterator[Finding]:
    """Who commits: git commit and `dvc exp run` need to know."""
    lacking = [key for key in ("user.name", "user.email") if not ask(["git", "config", key], root)]
    if lacking:
        mend = "; ".join(f'git config --global {key} "..."' for key in lacking)
        found = f"{' and '.join(lacking)} not set: commits and `dvc exp run` need it"
        yield Finding("git identity", LOOK, found, mend)
    else:
        yield Finding("git identity", OK, "set")


def check_disk(root: Path) -> Iterator[Finding]:
    """Room for everything that dvc.lock and the .dvc files list, in the workspace and the cache."""
    needed = 2 * sum(out_sizes(root))
    free = shutil.disk_usage(root).free
    found = f"{gigabytes(free)} free, a full run writes up to {gigabytes(needed)}"
    if free < needed:
        mend = "make room, or `dvc gc --workspace` to drop what this commit does not use"
        yield Finding("disk", BLOCKS, found, mend)
    else:
        yield Finding("disk", OK, found)


def check_store(root: Path) -> Iterator[Finding]:
    """The embedded store, and the guards that keep git from changing its bytes."""
    objects = [path for path in (root / STORE).glob("files/md5/*/*") if path.is_file()]
    changed = (ask(["git", "diff", "--name-only", "--", str(STORE)], root) or "").splitlines()
    if objects and changed:
        found = f"missing, or not as committed: {shorten(changed, 2)}"
        yield Finding("store", BLOCKS, found, f"git checkout {STORE}")
    elif not objects:
        mend = f"git checkout {STORE} (in a sparse clone: git sparse-checkout add {STORE})"
        yield Finding("store", BLOCKS, f"{STORE}/ is missing or empty", mend)
    else:
        yield Finding("store", OK, f"{len(objects)} objects in {STORE}/")
    said = ask(["git", "check-attr", "text", "--", f"{STORE}/files/md5/00/0"], root)
    if said is not None and not said.endswith(": unset"):
        mend = f"in .gitattributes: {STORE}/** -text; then git checkout {STORE}"
        found = "git may change line ends in it: .gitattributes does not forbid it"
        yield Finding("store guard", BLOCKS, found, mend)
    elif said is not None:
        yield Finding("store guard", OK, f"{STORE}/** -text")


def check_remote(root: Path) -> Iterator[Finding]:
    """DVC's default remote: its package, and that what comes from it is verified."""
    if "dvc" not in installed_packages():
        yield _not_looked_at("remote", root)
        return
    said = ask_dvc(root, "config", "--list")
    if said is None:
        mend = "git checkout .dvc/config; then see `dvc config --list`"
        yield Finding("remote", BLOCKS, "DVC cannot read its configuration", mend)
        return
    config = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    name = config.get("core.remote", "")
    url = config.get(f"remote.{name}.url", "")
    if not url:
        mend = "dvc remote default embedded"
        yield Finding("remote", BLOCKS, "no default remote", mend)
        return
    plugin = PLUGINS.get(url.split("://")[0]) if "://" in url else None
    if plugin and plugin not in installed_packages():
        yield Finding("remote", BLOCKS, f"{name} needs {plugin}", install_command(root, "-remote"))
    if config.get(f"remote.{name}.verify", "").lower() != "true":
        found = f"{name} is not verified: a damaged object would pass"
        yield Finding("remote", LOOK, found, f"dvc remote modify {name} verify true")
    else:
        yield Finding("remote", OK, f"{name}, verified")


def check_locks(root: Path) -> Iterator[Finding]:
    """Locks that a DVC process holds, or left behind when it was killed."""
    file = root / ".dvc" / "tmp" / "rwlock"
    try:
        holders = lock_holders(file)
    except ValueError:
        mend = f"if no dvc is running: rm {file.relative_to(root)}"
        yield Finding("dvc locks", BLOCKS, "the lock file is damaged", mend)
        return
    for pid, command in holders.items():
        if alive(pid):
            mend = f"wait for it; if process {pid} is not dvc: rm {file.relative_to(root)}"
            yield Finding("dvc locks", LOOK, f"held by process {pid}: {command}", mend)
        else:
            mend = "nothing: the next dvc command removes it"
            yield Finding("dvc locks", LOOK, f"left by process {pid}, dead: {command}", mend)
    if not holders:
        yield Finding("dvc locks", OK, "none held")


def check_data(root: Path) -> Iterator[Finding]:
    """Whether the data are here, and dvc.lock is in step with them, the code and the params."""
    absent = [file.stem for file in root.glob("?*.dvc") if not (root / file.stem).exists()]
    if absent:
        yield Finding("data", LOOK, f"not here yet: {shorten(absent)}", "make repro")
        return
    if "dvc" not in installed_packages():
        yield _not_looked_at("data", root)
        return
    said = ask_dvc(root, "status", "--json")
    if said is None:
        yield Finding("data", BLOCKS, "`dvc status` fails", "see `dvc status`")
    elif (status := json.loads(said)) and lacks_only(BUILD, status):
        found = "build/ is not made; models and metrics are as committed"
        yield Finding("data", LOOK, found, "make repro, before you run a stage")
    elif changed := sorted(status):
        mend = "make repro; if data/ was changed on purpose, first: dvc add data"
        yield Finding("data", LOOK, f"out of date, or not here: {shorten(changed)}", mend)
    else:
        yield Finding("data", OK, "dvc.lock is in step")


CHECKS: tuple[Callable[[Path], Iterator[Finding]], ...] = (
    check_python,
    check_pins,
    check_git,
    check_identity,
    check_disk,
    check_store,
    check_remote,
    check_locks,
    check_data,
)


def main() -> None:
    """Print the table; status 1 if something blocks."""
    findings = examine(Path.cwd())
    print(table(findings))
    sys.exit(any(finding.state == BLOCKS for finding in findings))


def _not_looked_at(check: str, root: Path) -> Finding:
    return Finding(check, LOOK, "not looked at: DVC is not installed", install_command(root))


if __name__ == "__main__":
    main()
