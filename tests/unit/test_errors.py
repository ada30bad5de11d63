import errno
import os

import pytest

from meishi.errors import InputError, clean_exit, summary


def test_an_input_error_ends_as_a_message_and_status_1(capsys):
    with pytest.raises(SystemExit) as caught, clean_exit():
        raise InputError("photo.jpg: not a picture")
    assert caught.value.code == "error: photo.jpg: not a picture"  # Python prints it, exit code 1


@pytest.mark.parametrize("code", ["ENOSPC", "EDQUOT", "EROFS", "EACCES"])
def test_what_the_machine_lacks_is_a_line_with_the_file(code):
    number = getattr(errno, code)
    with pytest.raises(SystemExit) as caught, clean_exit():
        raise OSError(number, os.strerror(number), "build/raw/0.zip")
    assert caught.value.code == f"error: build/raw/0.zip: {os.strerror(number)}"


def test_a_full_disk_without_a_name_is_a_line_as_well():
    with pytest.raises(SystemExit) as caught, clean_exit():
        raise OSError(errno.ENOSPC, "Can't write data (file write failed)")  # as h5py says it
    assert caught.value.code == "error: No space left on device"


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "no"), OSError("no number")])
def test_another_error_of_the_systems_keeps_its_traceback(error):
    with pytest.raises(OSError, match="no"), clean_exit():
        raise error


def test_ctrl_c_is_a_word_and_status_130(capsys):
    with pytest.raises(SystemExit) as caught, clean_exit():
        raise KeyboardInterrupt
    assert caught.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ValueError, match="bug"), clean_exit():
        raise ValueError("bug")


def test_a_summary_lists_twenty_and_counts_the_rest():
    assert summary(["a"] * 20).count("\n") == 19
    assert summary(["a"] * 23).endswith("a\n... and 3 more")
