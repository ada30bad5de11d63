import pytest

from meishi.errors import InputError, clean_exit, summary


def test_an_input_error_ends_as_a_message_and_status_1(capsys):
    with pytest.raises(SystemExit) as caught, clean_exit():
        raise InputError("photo.jpg: not a picture")
    assert caught.value.code == "error: photo.jpg: not a picture"  # Python prints it, exit code 1


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ValueError, match="bug"), clean_exit():
        raise ValueError("bug")


def test_a_summary_lists_twenty_and_counts_the_rest():
    assert summary(["a"] * 20).count("\n") == 19
    assert summary(["a"] * 23).endswith("a\n... and 3 more")
