"""What this machine and this clone have: packages, answers of commands, recorded sizes, locks.

Standard library only, see doctor.py.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


def pins(file: Path) -> dict[str, str]:
    """Read the pins of a requirements file, names normalised; empty if it is not there."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    found = re.findall(r"^([\w.-]+)==(\S+)$", text, re.M)
    return {_normal(name): version for name, version in found}


def installed_packages() -> dict[str, str]:
    """Name the packages of this interpreter, with their versions."""
    found = importlib.metadata.distributions()
    return {_normal(each.metadata["Name"]): each.version for each in found if each.metadata["Name"]}


def install_command(root: Path, which: str = "") -> str:
    """Say how requirements come into the clone's .venv; `make repro` makes that, with the first."""
    pip = f".venv/bin/pip install -r requirements{which}.txt"
    if (root / ".venv" / "bin" / "pip").exists():
        return pip
    return f"make repro, then {pip}" if which else "make repro"


def lacks_only(folder: str, status: dict[str, list]) -> bool:
    """Tell whether all that `dvc status` finds is that paths below a folder are missing."""
    reasons = [each for found in status.values() for each in found]
    if not all(isinstance(reason, dict) for reason in reasons):
        return False  # "changed command"
    paths = [item for reason in reasons for what in reason.values() for item in what.items()]
    # DVC calls an output "not in cache" where it lacks both it and its content.
    gone = ("deleted", "not in cache")
    return all(path.startswith(folder) and why in gone for path, why in paths)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def out_sizes(root: Path) -> Iterator[int]:
    """Yield the bytes of each output that dvc.lock and the .dvc files record."""
    for file in [root / "dvc.lock", *root.glob("?*.dvc")]:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        outs = re.findall(r"^ *outs:$(.*?)(?=^ *\w+:$|\Z)", text, re.M | re.S)
        yield from (int(size) for out in outs for size in re.findall(r"^ *size: (\d+)$", out, re.M))


def lock_holders(file: Path) -> dict[int, str]:
    """Read who holds DVC's locks: the command of each process, by its id.

    Raises:
        ValueError: if the file is damaged.
    """
    try:
        held = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return {int(entry["pid"]): str(entry["cmd"]) for entry in _entries(held)}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: not a lock file of DVC") from error


def _entries(held: dict[str, Any]) -> list[dict[str, Any]]:
    readers = [entry for entries in held.get("read", {}).values() for entry in entries]
    return [*held.get("write", {}).values(), *readers]


def alive(pid: int) -> bool:
    """Tell whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def ask_dvc(root: Path, *arguments: str) -> str | None:
    """Run this interpreter's DVC, as `ask` does."""
    return ask([sys.executable, "-m", "dvc", *arguments], root)


def ask(command: Sequence[str], root: Path) -> str | None:
    """Run a command: what it printed; None if it is not there or fails."""
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return None if done.returncode else done.stdout.strip()


def shorten(names: Sequence[str], limit: int = 4) -> str:
    """List names; beyond the limit only their number."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def gigabytes(size: int) -> str:
    """Write a number of bytes in GB."""
    return f"{size / 1e9:.1f} GB"
