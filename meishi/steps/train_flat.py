"""Train the segmenter of flat views, from the segmenter on: `stages/train_unet.py train_flat`.

Reads   models/unet, build/prepared/train, build/prepared/val
Params  seed, flat, train_flat, augment.crop_light, augment.overprint, augment.workers
Writes  models/flat, metrics/train_flat.json, plots/train_flat.csv
Takes   about 24 minutes on 2 cores of 2.0 GHz, 5 of them for the views
"""

from dataclasses import replace

from meishi import paths, reporting
from meishi.data import shards
from meishi.data.flat_views import make_flat_views
from meishi.files.saved import WEIGHTS, save_network
from meishi.params import load_params
from meishi.training import distribution, loop
from meishi.training.determinism import seed_everything
from meishi.unet.model import build_segmenter, load_settings
from meishi.unet.training import begin_at, train_once
from meishi.validation.flat import validate_flat
from meishi.validation.held_out import open_scenes


def run() -> None:
    """Run the step."""
    params = load_params(
        "seed",
        "flat",
        "train_flat",
        "augment.crop_light",
        "augment.overprint",
        "augment.workers",
    )
    train, seed = params.train_flat, params.seed
    unet = replace(load_settings(paths.UNET), margin=params.flat.margin)
    held_out = open_scenes(paths.VAL)
    views, others = (
        make_flat_views(scenes, unet.input_px, params.flat, params.augment, seed)
        for scenes in (shards.ShardReader(paths.TRAIN), held_out)
    )
    seed_everything(seed)
    shape = (unet, shards.file_sha256(paths.UNET / WEIGHTS, "train_unet"))
    plan = loop.make_plan(views, train, seed, paths.CHECKPOINTS / "flat", *shape)
    prepare = begin_at(paths.UNET, train.frozen_blocks)
    trainer, history = train_once(views, unet, train, plan, prepare)
    if not distribution.is_chief():  # the others have trained along; one writes
        return
    metrics = validate_flat(build_segmenter(trainer), others)
    save_network(trainer, unet, paths.FLAT)
    reporting.write_csv(paths.PLOTS / "train_flat.csv", history)
    reporting.write_metrics(paths.METRICS / "train_flat.json", metrics)
    loop.finish(plan)
