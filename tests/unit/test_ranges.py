import re
import typing
from dataclasses import fields, is_dataclass

import pytest
from ruamel.yaml import YAML

from meishi.params import Params, ParamsError, load_params
from meishi.tunings import Tuning
from meishi.variants import Variant

# Numbers without a range of their own, and why.
UNMARKED = {
    "RangeParams.low": "its unit is that of where it is used, which has the range",
    "LimitParams.limit": "of any figure",
    "ConfidenceParams.bias": "a logit",
    "Variant.sparsity": "depends on how the weights are stored",
}


def put(workspace, place: str, value) -> None:
    """Set a value of params.yaml by its dotted path; a number is a place in a list."""
    file, yaml = workspace / "params.yaml", YAML()
    params = yaml.load(file.read_text())
    *way, last = (int(key) if key.isdigit() else key for key in place.split("."))
    section = params
    for key in way:
        section = section[key]
    assert last in section or isinstance(last, int)
    section[last] = value
    yaml.dump(params, file)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("seed", -1, ": seed: expected 0 at least, got -1"),
        ("preprocess.val_fraction", 0, "val_fraction: expected above 0, below 1, got 0.0"),
        (
            "preprocess.val_fraction",
            0.83,
            "[preprocess]: test_fraction: expected below 1 together with val_fraction (0.83), "
            "got 0.17",
        ),
        ("augment.jpeg_quality", 9200, "[augment]: jpeg_quality: expected 1 to 100, got 9200"),
        ("augment.frame.flip", 7, "[augment.frame]: flip: expected 0 to 1, got 7.0"),
        ("augment.frame.perspective.high", 0.5, "perspective]: high: expected 0 at least, below"),
        ("augment.frame.affine.scale_low", 0, "scale_low: expected above 0, got 0.0"),
        ("augment.frame.affine.scale_low", 3, "scale_high: expected scale_low (3) at least, got 1"),
        ("augment.frame.cut_high", 0.01, "cut_high: expected cut_low (0.02) at least, got 0.01"),
        ("augment.crop.empty_low", 0, "empty_low: expected above 0, 1 at most, got 0.0"),
        ("augment.crop.rotate_deg", -8, "rotate_deg: expected 0 to 180, got -8.0"),
        ("augment.paste.tilt_deg", 90, "tilt_deg: expected 0 at least, below 90, got 90.0"),
        (
            "augment.swap.shadow.low",
            0.6,
            "[augment.swap.shadow]: high: expected low (0.6) at least",
        ),
        ("augment.frame_light.color.hue", 0.6, "color]: hue: expected 0 to 0.5, got 0.6"),
        ("augment.frame_light.cast.red", 300, "cast]: red: expected 0 to 255, got 300"),
        ("augment.crop_light.jpeg.low", 0, "[augment.crop_light.jpeg]: low: expected 1 to 100"),
        ("augment.crop_light.jpeg.low", 95, "jpeg]: high: expected low (95) at least, got 90"),
        ("augment.crop_light.blur.low", 1, "blur]: low: expected 3 at least, got 1.0"),
        ("augment.crop_light.blur.low", 4, "[augment.crop_light.blur]: low: expected an odd whole"),
        ("augment.crop_light.blur.high", 6, "[augment.crop_light.blur]: high: expected an odd"),
        ("augment.frame_light.blur.low", 4, "[augment.frame_light.blur]: low: expected an odd"),
        ("augment.frame_light.blur.high", 4, "blur]: high: expected an odd whole number, got 4.0"),
        ("augment.frame_light.blur.high", 3.5, "high: expected an odd whole number, got 3.5"),
        ("ssd.levels", [0, 8, 4, -2], "[ssd]: levels[0]: expected 1 at least, got 0"),
        ("ssd.levels", [16, 8, 4, -2], "[ssd]: levels[3]: expected 1 at least, got -2"),
        ("ssd.levels", [], "[ssd]: levels: expected one item at least, got ()"),
        ("ssd.scales.1.0", 0, "[ssd]: scales[1][0]: expected above 0, got 0.0"),
        ("ssd.scales.1", [], "[ssd]: scales[1]: expected one item at least, got ()"),
        ("ssd.aspects", [0.5, 0], "[ssd]: aspects[1]: expected above 0, got 0.0"),
        ("ssd.variances.1", 0, "[ssd]: variances[1]: expected above 0, got 0.0"),
        ("train_ssd.focal_gamma", 0.5, "focal_gamma: expected 0, or 1 at least, got 0.5"),
        ("unet.margin", -0.1, "[unet]: margin: expected 0 at least, got -0.1"),
        ("unet.blocks", 99, "[unet]: blocks: expected 1 to 11, got 99"),
        ("unet.blocks", 0, "[unet]: blocks: expected 1 to 11, got 0"),
        ("train_ssd.frozen_blocks", 12, "[train_ssd]: frozen_blocks: expected 0 to 11, got 12"),
        ("train_unet.frozen_blocks", 99, "[train_unet]: frozen_blocks: expected 0 to 11, got 99"),
        (
            "train_unet.frozen_blocks",
            9,
            "[train_unet]: frozen_blocks: expected 0 to 8 (unet.blocks), got 9",
        ),
        ("train_flat.frozen_blocks", 9, "expected 0 to 8 (unet.blocks), got 9"),
        ("flat.wrong.far.low", -1, "[flat.wrong.far]: low: expected above -1, below 1, got -1.0"),
        ("flat.wrong.shift.high", -0.5, "[flat.wrong.shift]: high: expected low (-0.3) at least"),
        ("flat.wrong.corner_sigmas", [], "corner_sigmas: expected one item at least"),
        ("train_direction.frozen_blocks", 14, "frozen_blocks: expected 0 to 13, got 14"),
        ("tune.ssd_int8.frozen_blocks", 99, "[tune.ssd_int8]: frozen_blocks: expected 0 to 11"),
        (
            "tune.unet_int8.frozen_blocks",
            9,
            "[tune.unet_int8]: frozen_blocks: expected 0 to 8 (unet.blocks), got 9",
        ),
        ("train_ssd.learning_rate", -5, "learning_rate: expected above 0, got -5.0"),
        ("train_ssd.match_iou", 0.3, "match_iou: expected ignore_iou (0.4) at least, got 0.3"),
        ("train_unet.dice_weight", -1, "dice_weight: expected 0 at least, got -1.0"),
        ("direction.dropout", 1.5, "[direction]: dropout: expected 0 at least, below 1, got 1.5"),
        ("direction.shuffled", 30, "[direction]: shuffled: expected 0 to 1, got 30.0"),
        ("train_direction.label_smoothing", 1, "label_smoothing: expected 0 at least, below 1"),
        ("tune.ssd_int8.learning_rate", 0, "[tune.ssd_int8]: learning_rate: expected above 0"),
        ("exports.ssd_fp16.loss", -1, "[exports.ssd_fp16]: loss: expected 0 at least, got -1.0"),
        ("capture.iou_threshold", 65, "[capture]: iou_threshold: expected 0 to 1, got 65.0"),
        ("capture.looks", [0.5, 0], "[capture]: looks[1]: expected above 0, 1 at most, got 0.0"),
        ("capture.max_side_ratio", 0.9, "max_side_ratio: expected 1 at least, got 0.9"),
        (
            "ship.target",
            "15",
            "[ship]: target: expected iOS and its number, such as iOS15, got '15'",
        ),
        (
            "ship.ssd.1.figure",
            "detection.ap5",
            "[ship.ssd[1]]: figure: expected one of detection.ap50, detection.ap75, ",
        ),
        ("ship.unet.0.figure", "detection.ap50", "[ship.unet[0]]: figure: expected one of segment"),
        ("ship.direction.0.figure", "right", "figure: expected one of direction.right, "),
        ("ship.ssd.1.loss", -3, "[ship.ssd[1]]: loss: expected 0 at least, got -3.0"),
        ("gate.limits.0.loss", -0.1, "[gate.limits[0]]: loss: expected 0 at least, got -0.1"),
        ("capture.looks", [float("inf")], "[capture]: looks[0]: expected float, got float inf"),
    ],
)
def test_a_value_out_of_range_is_named_with_its_place(workspace, place, value, message):
    put(workspace, place, value)
    with pytest.raises(ParamsError, match=re.escape(message)) as caught:
        load_params("seed")
    assert len(str(caught.value).splitlines()) <= 2


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("augment.crops_per_empty_scene", 0),
        ("augment.frame.affine.probability", 0),
        ("augment.frame.perspective.low", 0),
        ("augment.frame_light.cast.red", 0),
        ("augment.crop.box_jitter", 0),
        ("augment.paste.rotate_deg", 0),
        ("augment.zoom.cut", 0),
        ("augment.zoom.share_high", 1.2),  # a window that leaves out a rim of the card
        ("train_ssd.frozen_blocks", 11),
        ("train_unet.frozen_blocks", 8),
        ("train_direction.frozen_blocks", 13),
        ("tune.ssd_int8.frozen_blocks", 11),
        ("unet.blocks", 11),
        ("augment.frame_light.blur.high", 7),
        ("ship.unet.0.figure", "capture.false_cards_per_image"),
        ("direction.sources", []),
        ("flat.margin", 0),
        ("flat.wrong.shift.probability", 0),
        ("direction.dropout", 0),
        ("direction.corner_sigma", 0),
        ("train_ssd.weight_decay", 0),
        ("train_ssd.warmup_steps", 0),
        ("train_ssd.focal_gamma", 0),
        ("train_ssd.overlap_weight", 0),
        ("train_ssd.ignore_iou", 0.5),  # no anchor between background and card
        ("train_direction.label_smoothing", 0),
        ("unet.margin", 0),
        ("capture.looks", []),
        ("capture.looks", [1]),
        ("capture.score_threshold", 0),
        ("capture.direction_threshold", 1),
        ("evaluate.overlays", 0),
        ("ship.unet", []),
        ("ship.target", "iOS26"),
    ],
)
def test_a_value_that_turns_something_off_is_taken(workspace, place, value):
    put(workspace, place, value)
    load_params("seed")


def numbers(kind: type):
    """Yield "CLASS.FIELD" and whether it has a mark, of every number in a dataclass."""
    hints = typing.get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        waiting = [(hints[field.name], False)]
        while waiting:
            hint, marked = waiting.pop()
            if hasattr(hint, "__metadata__"):
                waiting.append((hint.__origin__, True))
            elif typing.get_origin(hint) is tuple:  # a mark on a tuple is none on its items
                waiting += [(item, False) for item in typing.get_args(hint) if item is not ...]
            elif is_dataclass(hint):
                yield from numbers(hint)
            elif hint in (int, float):
                yield f"{kind.__name__}.{field.name}", marked


def test_every_number_has_a_range():
    found = {pair for kind in (Params, Tuning, Variant) for pair in numbers(kind)}
    assert {name for name, marked in found if not marked} == set(UNMARKED)
