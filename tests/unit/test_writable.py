import pytest

from meishi.errors import InputError
from meishi.files.writable import check_apart, check_replaceable, check_writable


@pytest.mark.parametrize("place", [".", "..", "/", "inner/.."])
def test_the_folder_that_this_runs_in_is_not_replaced(workspace, place):
    (workspace / "inner").mkdir()
    with pytest.raises(InputError, match="the folder that this runs in, or around it"):
        check_replaceable(workspace.__class__(place))


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is no folder"):
        check_replaceable(tmp_path / "file" / "a" / "b")


@pytest.mark.parametrize("place", ["new", "new/below", "old"])
def test_other_folders_may_be_new_or_not(workspace, place):
    (workspace / "old").mkdir()
    check_replaceable(workspace / place)


def test_a_name_that_leaves_no_room_for_the_half_written_file_is_refused(tmp_path):
    check_writable(tmp_path / ("x" * 240 + ".json"))
    with pytest.raises(InputError, match="cannot be written"):
        check_writable(tmp_path / ("x" * 244 + ".json"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("photo.jpg", r"would replace .*photo\.jpg"),
        ("model/../photo.jpg", r"would replace .*photo\.jpg"),
        ("model", r"would replace .*model/data"),
        ("model/data/out.npz", r"would lie in .*model/data"),
        ("link.jpg", r"would replace .*photo\.jpg"),
        ("other.npz", r"would replace .*other\.npz"),
    ],
)
def test_an_output_that_is_an_input_is_refused(tmp_path, output, words):
    (tmp_path / "photo.jpg").touch()
    (tmp_path / "model" / "data").mkdir(parents=True)
    (tmp_path / "link.jpg").symlink_to(tmp_path / "photo.jpg")
    inputs = [tmp_path / "photo.jpg", tmp_path / "model" / "data"]
    check_apart(inputs, [tmp_path / "other.npz", tmp_path / "model.npz"])
    with pytest.raises(InputError, match=words):
        check_apart(inputs, [tmp_path / "other.npz", tmp_path / output])
