"""Train the card segmenter.

Two steps are nodes of their own in dvc.yaml: `train_unet.py train_flat`, the segmenter of flat
views, and `train_unet.py train_direction`, the reading direction.

Reads   build/augmented, build/prepared/val, build/unet_weights.npz
Params  seed, unet, train_unet
Writes  models/unet, metrics/train_unet.json, plots/train_unet.csv
Takes   about 18 minutes on 2 cores
"""

import sys

from meishi import paths, reporting
from meishi.data import samples, shards
from meishi.errors import clean_exit
from meishi.files.saved import save_network
from meishi.params import load_params
from meishi.steps.running import run_step_or
from meishi.training import distribution, loop
from meishi.training.determinism import seed_everything
from meishi.unet.model import build_segmenter
from meishi.unet.training import train_segmenter
from meishi.validation.held_out import open_scenes
from meishi.validation.segmenter import validate_segmenter

STEPS = ("train_flat", "train_direction")


def main() -> None:
    """Run the stage."""
    params = load_params("seed", "unet", "train_unet")
    held_out = open_scenes(paths.VAL)
    seed_everything(params.seed)
    crops = samples.read(paths.AUGMENTED, samples.CROPS)
    folder = paths.CHECKPOINTS / "unet"
    weights = paths.UNET_WEIGHTS
    shape = (params.unet, shards.file_sha256(weights, "fetch"))
    plan = loop.make_plan(crops, params.train_unet, params.seed, folder, shape)
    trainer, history = train_segmenter(crops, params.unet, params.train_unet, plan, weights)
    if not distribution.is_chief():  # the others have trained along; one writes
        return
    segmenter = build_segmenter(trainer)
    metrics = validate_segmenter(segmenter, held_out, params.unet)
    save_network(trainer, params.unet, paths.UNET)
    reporting.write_csv(paths.PLOTS / "train_unet.csv", history)
    reporting.write_metrics(paths.METRICS / "train_unet.json", metrics)
    loop.finish(plan)


if __name__ == "__main__":
    with clean_exit():
        run_step_or(main, STEPS, sys.argv[1:])
