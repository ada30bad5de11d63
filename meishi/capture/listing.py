"""cards.json: what the photos of one run of `meishi capture` showed.

It tells of the crops beside it, so a run strikes out the photos that it is about to do before it
replaces the first crop; one that is interrupted lists what it has done, and what it did not reach.
"""

import json
import os
from collections.abc import Collection
from pathlib import Path

from meishi.capture.naming import identity, is_name
from meishi.errors import InputError
from meishi.files import atomic
from meishi.files.locking import locked

RESULT = "cards.json"


class Listing:
    """The list in a folder of outputs.

    Attributes:
        crops: names of the crops that an earlier run listed, by photo.
    """

    def __init__(self, folder: Path) -> None:
        """Read the list of an earlier run; nothing if there is none, or another file of its name.

        Args:
            folder: of the outputs.
        """
        self._file = folder / RESULT
        rows = _rows(self._file)
        self._earlier: list[dict] = rows or []
        self.crops: dict[str, list[str]] = {str(row["file"]): _crops(row) for row in self._earlier}
        self._is_ours = rows is not None or not os.path.lexists(self._file)

    def check(self) -> None:
        """Refuse to write over a file of that name that is no such list.

        Raises:
            InputError: that names it.
        """
        if not self._is_ours:
            raise InputError(
                f"{self._file}: is there and is no list that `meishi capture` wrote; move it away, "
                "or choose another --out"
            )

    def strike_out(self, photos: Collection[str], crops: Collection[str]) -> None:
        """Take photos off the list; one without them stays as it is.

        Args:
            photos: their `naming.identity`.
            crops: names of theirs, by which they are known if they were given from elsewhere.
        """
        kept = self._without(photos, crops)
        if len(kept) < len(self._earlier):
            self.replace(kept)

    def replace(self, rows: list[dict]) -> None:
        """Write a list in the place of the one that is there."""
        listing = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
        with locked(self._file.parent):
            atomic.atomic_write_text(self._file, listing)

    def break_off(self, rows: list[dict], touched: Collection[str], crops: Collection[str]) -> None:
        """Write the list of a run that was interrupted.

        Args:
            rows: of the photos that it has done.
            touched: the `naming.identity` of those of which it may have written outputs.
            crops: see `strike_out`.
        """
        if touched:
            self.replace([*rows, *self._without(touched, crops)])

    def _without(self, photos: Collection[str], crops: Collection[str]) -> list[dict]:
        gone = {*crops}
        return [
            row
            for row in self._earlier
            if identity(str(row["file"])) not in photos and gone.isdisjoint(_crops(row))
        ]


def _rows(file: Path) -> list[dict] | None:
    """Read a list; None if there is no sound one."""
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        for row in rows:
            identity(str(row["file"])), _crops(row)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return rows if isinstance(rows, list) else None


def _crops(row: dict) -> list[str]:
    names = [card["crop"] for card in row["cards"]]
    return [name for name in names if isinstance(name, str) and is_name(name)]
