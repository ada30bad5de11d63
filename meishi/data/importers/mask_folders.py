"""Folders of what was drawn or written for photos, and is none of them."""

import posixpath
from collections.abc import Collection, Iterable

from meishi.data.importers.folding import folded_stem

MASKS = ("mask", "masks", "segmentationclass", "segmentationobject", "labels", "annotations")


def holds_masks(name: str) -> bool:
    """Tell whether a file lies in a folder that is named as one of masks or labels."""
    return any(part.casefold() in MASKS for part in name.split("/")[:-1])


def without_masks(names: Collection[str], stated: Iterable[str], known: Iterable[str]) -> list[str]:
    """Leave out the pictures of folders that hold masks, by their names and by what is in them.

    Such a folder has a picture that is called as one outside of such folders: masks/a.png was drawn
    for images/a.png. Not if a label file lies there, or states a path into such a folder, or one
    that leads there from where it lies.

    Args:
        names: pictures of a source, relative POSIX paths.
        stated: paths that label files state.
        known: folders of photos: those of the label files, and those to which their paths lead.
    """
    if any(holds_masks(path.replace("\\", "/")) for path in stated):
        return list(names)
    outside = {folded_stem(name) for name in names if not holds_masks(name)}
    drawn = {
        posixpath.dirname(name)
        for name in names
        if holds_masks(name) and folded_stem(name) in outside
    }
    drawn.difference_update(known)
    return [name for name in names if posixpath.dirname(name) not in drawn]
