"""Train the card detector.

Reads   build/augmented, build/prepared/val, build/ssd_weights.npz
Params  seed, ssd, train_ssd
Writes  models/ssd, metrics/train_ssd.json, plots/train_ssd.csv
Takes   about 14 minutes on 2 cores
"""

import sys

from meishi import paths, reporting
from meishi.data import samples, shards
from meishi.errors import clean_exit
from meishi.files.saved import save_network
from meishi.params import load_params
from meishi.ssd.model import build_detector
from meishi.ssd.training import train_detector
from meishi.steps.running import run_step_or
from meishi.training import distribution, loop
from meishi.training.determinism import seed_everything
from meishi.validation.detector import validate_detector
from meishi.validation.held_out import open_scenes


def main() -> None:
    """Run the stage."""
    params = load_params("seed", "ssd", "train_ssd")
    held_out = open_scenes(paths.VAL)
    seed_everything(params.seed)
    frames = samples.read(paths.AUGMENTED, samples.FRAMES)
    folder = paths.CHECKPOINTS / "ssd"
    weights = paths.SSD_WEIGHTS
    shape = (params.ssd, shards.file_sha256(weights, "fetch"))
    plan = loop.make_plan(frames, params.train_ssd, params.seed, folder, shape)
    trainer, history = train_detector(frames, params.ssd, params.train_ssd, plan, weights)
    if not distribution.is_chief():  # the others have trained along; one writes
        return
    detector = build_detector(params.ssd, trainer)
    metrics = validate_detector(detector, held_out)
    save_network(trainer, params.ssd, paths.SSD)
    reporting.write_csv(paths.PLOTS / "train_ssd.csv", history)
    reporting.write_metrics(paths.METRICS / "train_ssd.json", metrics)
    loop.finish(plan)


if __name__ == "__main__":
    with clean_exit():
        run_step_or(main, (), sys.argv[1:])
