"""What a scene of an import is called, whatever its file is."""

import re

ID_LETTERS = 40


def storable(text: str) -> str:
    """Spell out what is no Unicode: a file's name in another encoding, half a character."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def slug(stem: str) -> str:
    """Reduce a name to the letters that an id may have."""
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", stem)[:ID_LETTERS].strip("-_")
    return kept or "photo"
