"""The default probe: run the package once on a picture and look at what comes out.

A picture of the size the model takes, grey gradients with a light rectangle, so that neither a
constant nor noise is what the model sees. Its outputs must be finite numbers.
"""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from meishi.collections.archive import tree_sha256
from meishi.collections.trials import ProbeError, ShortageError, is_shortage
from meishi.errors import InputError

SPARE_FILES = 8  # that a library may open at a time


def probe_package(model: str, package: Path) -> None:
    """Try a package; one that fails is tried once more, if its files can be read.

    Not every library says that it lacked something: coremltools calls a file that it could not open
    unreadable. Whether that is so can be seen, and what has passed by then does not come again.

    Raises:
        ProbeError: if it cannot be loaded or run, or an output is not finite.
        ShortageError: if the machine lacked memory, files or the like; the package is not judged.
    """
    try:
        _try(model, package)
    except ProbeError:
        try:
            with ExitStack() as held:
                for _ in range(SPARE_FILES):
                    held.enter_context((package / "Manifest.json").open("rb"))
                tree_sha256(package)
        except OSError as error:
            if is_shortage(error):
                raise _shortage(model, error) from error
        _try(model, package)


def _try(model: str, package: Path) -> None:
    try:
        # Here, not above: it loads coremltools and TensorFlow.
        from meishi.coreml.runtime import Package
    except (ImportError, OSError, MemoryError) as error:
        raise ShortageError(f"{model}: nothing to run a package with: {error!r}") from error
    try:
        loaded = Package.load(package)
        outputs = loaded.predict(
            {
                name: probe_picture(feature.shape, feature.is_grey)
                if feature.kind == "image"
                else np.zeros(feature.shape, np.float32)
                for name, feature in loaded.features.items()
                if not feature.optional
            }
        )
    except Exception as error:  # whatever a package does to the runtime, it is not to run
        if is_shortage(error):
            raise _shortage(model, error) from error
        if isinstance(error, InputError):
            raise ProbeError(str(error)) from error
        raise ProbeError(f"{model}: the trial failed: {error!r}") from error
    for name, value in outputs.items():
        numbers = np.asarray(list(value.values()) if isinstance(value, dict) else value)
        if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
            raise ProbeError(f"{model}: output {name} holds numbers that are not finite")


def _shortage(model: str, error: Exception) -> ShortageError:
    return ShortageError(f"{model}: the trial was cut short: {error}")


def probe_picture(shape: tuple[int, ...], grey: bool) -> np.ndarray:
    """Draw the probe picture.

    Args:
        shape: (height, width).
        grey: one channel instead of RGB.

    Returns:
        (H, W) or (H, W, 3) uint8.
    """
    height, width = shape
    ramp = np.linspace(30, 120, height * width).reshape(height, width)
    ramp[height // 4 : 3 * height // 4, width // 6 : 5 * width // 6] = 235
    picture = ramp.astype(np.uint8)
    return picture if grey else np.repeat(picture[..., None], 3, axis=2)
