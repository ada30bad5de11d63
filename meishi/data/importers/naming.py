"""What a scene of an import is called, whatever its file is."""

import re

ID_LETTERS = 40
# Roboflow names each version that it makes of a photo a_jpg.rf.HASH.jpg, of a video's frame
# a_mp4-0012_jpg.rf.HASH.jpg.
VERSION = re.compile(r"^(?P<photo>.+)\.rf\.[0-9A-Za-z_-]{8,}$")
FRAME = re.compile(r"^(?P<video>.+_(?:mp4|m4v|mov|avi|mkv|webm))-\d+_[a-z]+$", re.IGNORECASE)


def storable(text: str) -> str:
    """Spell out what is no Unicode: a file's name in another encoding, half a character."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def pictured(stem: str) -> str | None:
    """Name what a version of Roboflow's shows: its photo, or the video of its frame; else None."""
    version = VERSION.match(stem)
    if version is None:
        return None
    frame = FRAME.match(version["photo"])
    return frame["video"] if frame else version["photo"]


def slug(stem: str) -> str:
    """Reduce a name to the letters that an id may have."""
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", stem)[:ID_LETTERS].strip("-_")
    return kept or "photo"
