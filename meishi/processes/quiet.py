"""Keeping native libraries' start-up notes off the user's screen.

TensorFlow and LiteRT write information lines to file descriptor 2 before any log level can reach
them. Only those lines are dropped: warnings and errors still arrive, a little later.
"""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# An absl information line (`I0000 00:00:17… port.cc:153] …`), its W0000 twin of the LiteRT
# converter that only repeats our own arguments, absl's header above them, LiteRT's delegate.
_NOTE = re.compile(
    rb"^(I\d{4} |W\d{4} .*tf_tfl_flatbuffer_helpers|WARNING: All log messages before absl::"
    rb"|INFO: Created TensorFlow Lite )"
)


@contextmanager
def without_startup_notes() -> Iterator[None]:
    """Hold back what is written to descriptor 2 in the block, then pass on all but the notes."""
    with held_back(lambda line: not _NOTE.match(line)):
        yield


@contextmanager
def held_back(passes: Callable[[bytes], object]) -> Iterator[list[bytes]]:
    """Hold back what is written to descriptor 2 in the block.

    Args:
        passes: says of a line whether it is passed on afterwards.

    Yields:
        A list that is empty until the block ends, then holds every line.
    """
    lines: list[bytes] = []
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield lines
        finally:
            sys.stderr.flush()
            os.dup2(screen, 2)
            os.close(screen)
            held.seek(0)
            lines += held
            os.write(2, b"".join(line for line in lines if passes(line)))
