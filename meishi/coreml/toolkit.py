"""The one door to coremltools: `from meishi.coreml.toolkit import ct`.

coremltools warns while it is imported about the TensorFlow version (newer than the last it was
tested with; our own tests cover the pair) and about libraries that exist on macOS only. Neither
asks anything of the user, so both are held back; its errors are not.
"""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

import meishi.keras  # noqa: F401  TensorFlow has to be set up before coremltools imports it
from meishi.processes.quiet import without_startup_notes


@contextmanager
def only_errors() -> Iterator[None]:
    """Hold back coremltools' warnings and progress bars in the block; errors still raise."""
    logger = logging.getLogger("coremltools")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with without_startup_notes(), redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def _import_quietly():
    with only_errors():
        import coremltools
        from coremltools.converters.mil.frontend.milproto import load
    opsets = {opset: version for version, opset in coremltools._OPSET.items()}
    return coremltools, load.load, opsets


# OPSETS: the specification version that brought each set of operations' definitions.
ct, load_program, OPSETS = _import_quietly()

__all__ = ["OPSETS", "ct", "load_program", "only_errors"]
