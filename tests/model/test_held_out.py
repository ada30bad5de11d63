"""A training is refused at its beginning where it could not be measured at its end."""

import pytest

from meishi import paths
from meishi.data import samples
from meishi.data.shards import write_shards
from meishi.errors import InputError
from meishi.validation.held_out import open_scenes
from stages import train_ssd, train_unet
from tests.tiny_data import draw_scene


@pytest.fixture
def held_out(workspace):
    """The folder of the validation split, for these numbers of cards."""

    def write(*cards):
        paths.VAL.mkdir(parents=True)
        write_shards(paths.VAL, [draw_scene(i, number, 0) for i, number in enumerate(cards)])

    return write


@pytest.mark.parametrize("cards", [(), (0, 0)])
@pytest.mark.parametrize("stage", [train_ssd, train_unet])
def test_a_split_without_cards_is_refused_before_the_training(held_out, monkeypatch, stage, cards):
    def too_late(*_):
        raise AssertionError("the training has begun")

    held_out(*cards)
    monkeypatch.setattr(samples, "read", too_late)
    words = f"prepared/val: expected scenes with cards .*, got {len(cards)} without; raise"
    with pytest.raises(InputError, match=words):
        stage.main()


def test_a_split_with_a_card_is_opened(held_out):
    held_out(0, 1)
    assert [len(record.cards) for record, _ in open_scenes(paths.VAL)] == [0, 1]
