"""The weights that training begins with, parted by network: each has a file that changes alone.

One file of a data source holds the backbone's ImageNet weights as `layer/weight`, and networks that
were trained before as `network/layer/weight` (see `training.continuing`). A stage that depended on
all of it would run again where another network went on.
"""

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from meishi.errors import InputError

DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def owner(key: str) -> str:
    """Return the network that an array of such a file belongs to; "" if it is of the backbone."""
    network, _, rest = key.partition("/")
    return network if "/" in rest else ""


def of_network(weights: Path, network: str) -> bytes:
    """Take from a file of weights what one network begins with.

    Args:
        weights: .npz of a data source.
        network: "ssd" or "unet".

    Returns:
        An .npz with the backbone's arrays and the network's own, if there are any: the same bytes
        for the same arrays.

    Raises:
        InputError: if the file is missing or damaged.
    """
    try:
        with np.load(weights) as arrays:
            kept = {key: arrays[key] for key in arrays.files if owner(key) in ("", network)}
    except DAMAGE as error:
        raise InputError(f"{weights}: not a file of weights: {error}") from error
    packed = io.BytesIO()
    np.savez_compressed(packed, **kept)
    return packed.getvalue()
