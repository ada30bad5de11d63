"""Names compared as a person would: case and Unicode composition do not count."""

import posixpath
import unicodedata


def folded(name: str) -> str:
    """Bring a name to the form in which case and Unicode composition do not count."""
    return composed(composed(name).casefold())


def composed(text: str) -> str:
    """Bring a text to one form of Unicode: macOS writes a letter and its mark as two."""
    return unicodedata.normalize("NFC", text)


def folded_stem(path: str) -> str:
    """Fold the last part of a path, without its suffix."""
    return folded(posixpath.splitext(posixpath.basename(path))[0])
