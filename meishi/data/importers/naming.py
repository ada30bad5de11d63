"""What a scene of an import is called, whatever its file is."""

import posixpath
import re

from meishi.data.importers.labelled import LabelledPhoto
from meishi.pictures import images

ID_LETTERS = 40
# Roboflow names each version that it makes of a photo a_jpg.rf.HASH.jpg, of a video's frame
# a_mp4-0012_jpg.rf.HASH.jpg.
VERSION = re.compile(r"^(?P<photo>.+)\.rf\.[0-9A-Za-z_-]{8,}$")
CVAT_FRAME = re.compile(r"^frame_\d{6}$")  # in its exports for single pictures: YOLO, COCO
FRAME = re.compile(r"^(?P<video>.+_(?:mp4|m4v|mov|avi|mkv|webm))-\d+_[a-z]+$", re.IGNORECASE)


def storable(text: str) -> str:
    """Spell out what is no Unicode: a file's name in another encoding, half a character."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def pictured(file: str) -> str | None:
    """Name what a picture shows that others show, too; else None.

    Args:
        file: path in the source.

    Returns:
        The photo of a version of Roboflow's, or the video of its frame; the folder of the frames
        that CVAT takes from a video.
    """
    folder, base = posixpath.split(file)
    stem = posixpath.splitext(base)[0]
    if CVAT_FRAME.match(stem):
        return f"{folder.replace('/', '-') or 'video'}-frames"
    version = VERSION.match(stem)
    if version is None:
        return None
    frame = FRAME.match(version["photo"])
    return frame["video"] if frame else version["photo"]


def slug(stem: str) -> str:
    """Reduce a name to the letters that an id may have."""
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", stem)[:ID_LETTERS].strip("-_")
    return kept or "photo"


def carried_name(photo: LabelledPhoto) -> str:
    """Name the picture that a label file carries; its suffix must be one that is read."""
    base = posixpath.basename(photo.reference.replace("\\", "/"))
    stem, suffix = posixpath.splitext(base)
    known = suffix.lower() in images.SUFFIXES
    return posixpath.join(photo.near, base if known else f"{stem or 'photo'}.png")
