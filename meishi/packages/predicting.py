"""From files to a package's outputs: what `meishi predict` does.

A picture goes to the package's one image input, an `.npz` gives inputs by name. A picture has the
size the model takes, unless resizing was asked for; one without colour is no input of a colour
model.
"""

import sys
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from meishi.coreml.features import Feature
from meishi.coreml.runtime import Package
from meishi.errors import InputError, summary
from meishi.files.atomic import replace_file
from meishi.pictures import images

_GREY_MODES = ("1", "L", "LA", "I", "F")


def predict_files(package: Package, files: Sequence[Path], resize: bool) -> list[dict[str, Any]]:
    """Predict once for each picture, or for each `.npz` when there is no picture.

    A model's states go on from one prediction to the next; they begin at zero.

    Args:
        package: to run.
        files: pictures and `.npz` files; with pictures, the arrays of every `.npz` go with each.
        resize: scale pictures that the model does not take to its (default) size.

    Returns:
        The outputs of each prediction, in the order of the files.

    Raises:
        InputError: of all files that cannot be read or are no input of the package.
    """
    stored = [file for file in files if file.suffix == ".npz"]
    pictures = [file for file in files if file.suffix != ".npz"]
    states: dict[str, np.ndarray] = {}
    if not pictures:
        return _each(stored, lambda file: package.predict(_arrays(file), states))
    feature = _image_input(package)
    shared: dict[str, np.ndarray] = {}
    for file in stored:
        arrays = _arrays(file)
        twice = sorted(set(arrays) & {feature.name, *shared})
        if twice:
            raise InputError(f"{file}: gives the inputs {twice}, which another file gives already")
        shared |= arrays

    def predict(picture: Path) -> dict[str, Any]:
        given = {feature.name: read_picture(picture, feature, resize)}
        return package.predict(shared | given, states)

    return _each(pictures, predict)


def _each(files: Sequence[Path], predict: Callable[[Path], dict[str, Any]]) -> list[dict[str, Any]]:
    """Predict for each file; an InputError tells of all that cannot be used."""
    rows, faults = [], []
    for file in files:
        try:
            rows.append(predict(file))
        except InputError as error:
            told = str(error)
            faults.append(told if told.startswith(str(file)) else f"{file}: {told}")
    if faults:
        raise InputError(summary(faults))
    return rows


def save_outputs(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write outputs as an `.npz`.

    Names are those of the outputs, behind the prediction's number and a slash where there are
    several. A dictionary of probabilities becomes an array, and its labels one of the same name
    with `.labels`.
    """
    arrays: dict[str, np.ndarray] = {}
    for number, row in enumerate(rows):
        prefix = f"{number}/" if len(rows) > 1 else ""
        for name, value in row.items():
            if isinstance(value, dict):
                arrays[f"{prefix}{name}.labels"] = np.array(list(value))
                value = np.array(list(value.values()), np.float32)
            arrays[prefix + name] = value
    with replace_file(path) as partial, partial.open("wb") as stream:
        _write_npz(stream, arrays)


def _write_npz(stream: BinaryIO, arrays: dict[str, np.ndarray]) -> None:
    """Write what `np.savez` would, which takes names such as `file` for its own arguments."""
    with zipfile.ZipFile(stream, "w") as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(value), allow_pickle=False)


def report_nan(rows: Sequence[dict[str, Any]]) -> None:
    """Say on stderr which outputs hold values that are no numbers, and how many: a line for each.

    A package may hold an infinity, or reach one in float16, and multiply it by zero.
    """
    for number, row in enumerate(rows):
        for name, value in row.items():
            values = (
                np.array(list(value.values())) if isinstance(value, dict) else np.asarray(value)
            )
            count = int(np.isnan(values).sum()) if values.dtype.kind == "f" else 0
            if count:
                said = f"{count} of {values.size} values of {name} are NaN"
                print(f"prediction {number}: {said}", file=sys.stderr)


def read_picture(file: Path, feature: Feature, resize: bool) -> np.ndarray:
    """Read a picture for an image input: RGB (H, W, 3) or, for a grey input, (H, W), uint8.

    Raises:
        InputError: if it cannot be read, has another size, or lacks the model's colour.
    """
    picture = images.decode(file)
    with images.own_checks(), images.opened(file) as stored:
        grey = stored.mode.split(";")[0] in _GREY_MODES
    if grey and not feature.is_grey:
        raise InputError(
            f"{file}: a grey picture, but the input {feature.name} has colour; save it as RGB if "
            "that is what you mean"
        )
    if resize and feature.fault(picture.shape[:2]):  # a flexible model takes many sizes
        height, width = feature.shape
        shape = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)
        picture = np.asarray(shape)
    fault = feature.fault(picture.shape[:2])
    if fault:
        raise InputError(f"{file}: (height, width) of {fault}; --resize scales it")
    return np.asarray(Image.fromarray(picture).convert("L")) if feature.is_grey else picture


def _image_input(package: Package) -> Feature:
    found = [feature for feature in package.features.values() if feature.kind == "image"]
    if len(found) != 1:
        names = [feature.name for feature in found] or "none"
        raise InputError(
            f"{package.path}: a picture needs one image input, it has {names}; its inputs are "
            f"{package.inputs}: give them by name in an .npz"
        )
    return found[0]


def _arrays(file: Path) -> dict[str, np.ndarray]:
    try:
        if file.is_file() and not zipfile.is_zipfile(file):
            raise InputError(f"{file}: expected an .npz, which is a zip archive, got another file")
        with np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{file}: cannot be read as .npz: {error}") from error
