"""Notes are dropped, all else passes."""

import os
import sys

import pytest

from meishi.processes.quiet import without_startup_notes

NOTE = b"I0000 00:00:1795505665.074099    4331 port.cc:153] oneDNN custom operations are on.\n"
HEADER = b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
ERROR = b"E0000 00:00:1795505665.074099    4331 cuda.cc:1] out of memory\n"


def test_notes_are_dropped_and_errors_pass(capfd):
    with without_startup_notes():
        os.write(2, HEADER + NOTE + ERROR)
    assert capfd.readouterr().err.encode() == ERROR


def test_pythons_own_messages_pass(capfd):
    with without_startup_notes():
        print("a warning", file=sys.stderr)
    print("later", file=sys.stderr)
    assert capfd.readouterr().err == "a warning\nlater\n"


def test_an_error_in_the_block_does_not_lose_messages(capfd):
    with pytest.raises(KeyError), without_startup_notes():
        os.write(2, ERROR)
        raise KeyError
    assert capfd.readouterr().err.encode() == ERROR
