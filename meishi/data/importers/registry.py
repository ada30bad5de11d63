"""The formats that are read, by the name that params.yaml and the command use.

A reader takes an opened source, the list for faults and the tally, and yields a `LabelledPhoto`
for each picture; what it cannot read it notes and goes on. Add a format: one file, one entry here.
"""

from collections.abc import Callable, Iterator

from meishi.data.importers import coco, cvat, label_studio, labelme, midv, smartdoc, yolo
from meishi.data.importers.labelled import LabelledPhoto, Tally
from meishi.data.importers.opening import Source

Reader = Callable[[Source, list[str], Tally], Iterator[LabelledPhoto]]

READERS: dict[str, Reader] = {
    "coco": coco.read,
    "labelme": labelme.read,
    "cvat": cvat.read,
    "yolo": yolo.read,
    "label_studio": label_studio.read,
    "midv": midv.read,
    "smartdoc": smartdoc.read,
}
# One label file a picture, none for a picture without objects: what has none holds no card.
EMPTY_WITHOUT_LABELS = ("labelme",)
