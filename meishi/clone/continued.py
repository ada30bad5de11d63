"""`meishi continue`: what was trained becomes what the next training begins with.

The scenes and photos that it was trained on go along: none of them may be measured on later, when
others come in and the split is drawn anew.
"""

import tempfile
from collections.abc import Collection
from pathlib import Path

from meishi import paths
from meishi.data import records
from meishi.data.manifest import WeightsEntry, read_manifest, read_seen, replace_weights
from meishi.data.shards import ShardReader
from meishi.data.without_cards import TRAIN_PHOTOS, WITHOUT_CARDS
from meishi.errors import InputError
from meishi.keras import keras
from meishi.ssd.model import load_detector
from meishi.training.continuing import pack
from meishi.unet.model import load_segmenter, load_settings
from meishi.unet.narrowing import narrow_bottom

NETWORKS = ("ssd", "unet")
FILE = "weights/networks.npz"  # with a part of its sha256 behind the stem
ADDED = "; and networks of this repository, trained further"


def continue_from(
    source: Path,
    models: Path,
    bottom_channels: int | None = None,
    names: Collection[str] = NETWORKS,
) -> Path:
    """Put trained networks beside the ImageNet weights of a data source.

    Args:
        source: folder in the layout of data/ whose manifest names weights.
        models: folder with `ssd` and `unet`, as training writes them.
        bottom_channels: of the segmenter that training is to go on with, fewer than it has; as
            many as it has if not given.
        names: of NETWORKS, those that go on; the others begin where they began before.

    Returns:
        The file; `fetch.weights` must name it.

    Raises:
        InputError: if the source, the scenes or a network is missing or damaged, or the segmenter
            has no more channels than that.
    """
    faults: list[str] = []
    manifest = read_manifest(source, faults)
    seen = read_seen(source, manifest, faults) | _trained_on() if manifest else set()
    if manifest is None or manifest.weights is None or faults:
        raise InputError("\n".join(faults) or f"{source}: its manifest names no weights")
    networks = {name: _network(name, models, bottom_channels) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        packed = Path(folder) / "networks.npz"
        pack(networks, source / manifest.weights.file, packed)
        origin = manifest.weights.source.removesuffix(ADDED) + ADDED
        entry = WeightsEntry(FILE, "", manifest.weights.licence, origin)
        return replace_weights(source, (entry, packed.read_bytes()), seen)


def _network(name: str, models: Path, bottom_channels: int | None) -> keras.Model:
    if name == "ssd":
        return load_detector(models / paths.SSD.name)
    folder = models / paths.UNET.name
    segmenter = load_segmenter(folder)
    if bottom_channels is None:
        return segmenter
    return narrow_bottom(segmenter, load_settings(folder), bottom_channels)


def _trained_on() -> set[str]:
    """List the training scenes of this clone, and photos: sha256 of image files, as fetched."""
    scenes = paths.TRAIN, ShardReader(paths.RAW, records.parse_source)
    photos = TRAIN_PHOTOS, ShardReader(WITHOUT_CARDS)
    seen: set[str] = set()
    for side, fetched in (scenes, photos):
        trained = {record.id for record in ShardReader(side).records}
        seen |= {record.sha256 for record in fetched.records if record.id in trained}
    return seen
