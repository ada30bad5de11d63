"""What the tests on a toy repository share."""

import pytest

from tests import toy_repository


@pytest.fixture(scope="session")
def toy_made(tmp_path_factory):
    """A toy whose pipeline has run; to be copied, not changed."""
    return toy_repository.make(tmp_path_factory.mktemp("made") / "toy")
