"""The bar that the reading of a source shows."""

import pytest

from meishi.data.progress import LONG, reading


@pytest.mark.parametrize(("count", "shown"), [(LONG - 1, False), (LONG, True)])
def test_reading_shows_a_bar_where_there_is_something_to_wait_for(capsys, count, shown):
    assert list(reading(range(count), "desk")) == list(range(count))
    assert ("read desk: 100%" in capsys.readouterr().err) == shown
