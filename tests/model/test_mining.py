"""Hard negatives: what the networks propose on scenes, and what of it shows no card."""

import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest

from meishi.capture.card import CapturedCard
from meishi.data.shards import ShardReader, write_shards
from meishi.direction import mining
from meishi.errors import InputError
from meishi.files.atomic import replace_folder
from meishi.files.saved import save_network
from meishi.geometry import quads
from meishi.litert import export as litert_export
from meishi.ssd import model as ssd_model
from meishi.unet import model as unet_model
from tests import small_models, tiny_data

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Detector and segmenter as their stages leave them: untrained, and sure of everything."""
    small_models.small_networks()  # the seed
    folder = tmp_path_factory.mktemp("trained")
    ssd, unet = small_models.SSD, small_models.UNET
    trainer = ssd_model.build_trainer(ssd)
    for layer in trainer.layers:
        if layer.name.startswith("logits") and layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, np.ones_like(bias)])
    save_network(trainer, ssd, folder / "ssd")
    save_network(unet_model.build_trainer(unet), unet, folder / "unet")
    return folder / "ssd", folder / "unet"


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "side"
    with replace_folder(folder) as target:
        write_shards(target, iter(tiny_data.scenes(groups=4)))
    return ShardReader(folder)


def test_what_is_mined_does_not_depend_on_the_workers(folders, reader):
    with litert_export.exported(*folders) as networks:
        found = mining.mine(networks, reader, 1)
        again = mining.mine(networks, reader, 2)
        none = mining.mine(networks, reader, 1, least_score=0.9)  # all scores are 1 / (1 + 1 / e)
    assert found and found.keys() == again.keys() <= {record.id for record in reader.records}
    for name, others in found.items():
        np.testing.assert_array_equal(others, again[name])
    assert none == {}
    assert not networks[0].exists()


SETTINGS_AFTERWARDS = """
import sys
from pathlib import Path
from meishi.litert import export as litert_export
from meishi.training.determinism import seed_everything

if __name__ == "__main__":
    with litert_export.exported(Path(sys.argv[1]), Path(sys.argv[2])):
        seed_everything(1)
"""


def test_tensorflow_still_takes_the_settings_of_a_training(folders, tmp_path):
    script = tmp_path / "settings.py"
    script.write_text(SETTINGS_AFTERWARDS, encoding="utf-8")
    subprocess.run([sys.executable, script, *folders], check=True)


def test_a_missing_network_is_named(folders, tmp_path):
    with (
        pytest.raises(InputError, match="run the stage train_ssd"),
        litert_export.exported(tmp_path / "ssd", folders[1]),
    ):
        pass


@dataclass
class Proposing:
    """Proposes given quads, in pixels; None where the mask has no four sides."""

    proposals: list
    asked: list = field(default_factory=list)

    def candidates(self, image):
        return [(np.array([0.1, 0.1, 0.9, 0.9]), 1.0)] * len(self.proposals)

    def fit(self, image, box_xyxy, score):
        quad_px = self.proposals[len(self.asked)]
        self.asked.append(box_xyxy)
        return None if quad_px is None else CapturedCard(float(score), 1.0, quad_px, box_xyxy)


def test_a_quad_on_a_card_a_piece_of_it_and_a_mask_without_sides_are_no_others():
    record, content = tiny_data.draw_scene(0, 1, 0)
    card_px = quads.to_px(record.quads[0], record.size_px)
    beside = card_px - card_px.min(axis=0) + 200
    piece, spot = (
        card_px.mean(axis=0) + by * (card_px - card_px.mean(axis=0)) for by in (0.6, 0.4)
    )
    proposals = [card_px, None, beside, piece, spot, card_px + 1]
    found = mining._others(Proposing(proposals), record, content)
    expected = [quads.to_relative(quad_px, record.size_px) for quad_px in (beside, spot)]
    np.testing.assert_allclose(found, expected)
    assert mining._others(Proposing([card_px]), record, content).shape == (0, 4, 2)


def test_a_quad_on_one_of_two_cards_is_no_other():
    record, content = tiny_data.draw_scene(2, 2, 0)
    cards_px = [quads.to_px(quad, record.size_px) for quad in record.quads]
    assert len(cards_px) == 2 and quads.iou(*cards_px) == 0
    assert len(mining._others(Proposing(cards_px), record, content)) == 0
