"""The files of a folder that holds an export."""

import os
from pathlib import Path


def files_in(folder: Path) -> tuple[tuple[str, ...], list[str]]:
    """List the files in a folder and below, links followed; hidden ones are no part of an export.

    Returns:
        Their paths from the folder, sorted; and, in words, what cannot be reached. That is not left
        out in silence: a picture whose label file is missing would be one without cards.
    """
    names: list[str] = []
    faults: list[str] = []

    def note(error: OSError) -> None:
        faults.append(f"{error.filename}: cannot be read: {error.strerror}")

    seen = {os.path.realpath(folder)}
    for parent, folders, files in os.walk(folder, onerror=note, followlinks=True):
        shown = sorted(name for name in folders if is_listed(name))
        folders[:] = [name for name in shown if _entered(os.path.join(parent, name), seen)]
        names += [(Path(parent) / file).relative_to(folder).as_posix() for file in files]
    places = {name: os.path.join(folder, name) for name in sorted(names) if is_listed(name)}
    faults += [
        f"{place}: a link to {os.readlink(place)}, which cannot be reached"
        for place in places.values()
        if os.path.islink(place) and not os.path.exists(place)
    ]
    return tuple(name for name, place in places.items() if os.path.isfile(place)), faults


def is_listed(name: str) -> bool:
    """Tell whether a path inside an export is a part of it, and not what a system put beside it."""
    parts = name.split("/")
    return "__MACOSX" not in parts and not any(part.startswith(".") for part in parts)


def _entered(folder: str, seen: set[str]) -> bool:
    """Tell whether to list a folder: a link only if it leads to what is not listed otherwise.

    Args:
        folder: its path.
        seen: where the source lies, and where the links lead that were followed; receives this one.
    """
    if not os.path.islink(folder):
        return True
    real = os.path.realpath(folder)
    around = any(one == real or one.startswith(f"{real}{os.sep}") for one in seen)
    inside = any(real.startswith(f"{one}{os.sep}") for one in seen)
    if around or inside:  # listed already, or without end
        return False
    seen.add(real)
    return True
