"""Train the classifier of cards and their direction: `stages/train_unet.py train_direction`.

Reads   models/ssd, models/unet, build/raw, build/prepared/train, build/prepared/val,
        build/photos, build/direction_weights.npz
Params  seed, direction, train_direction, augment.crop_light, augment.workers
Writes  models/direction, metrics/train_direction.json, plots/train_direction.csv
Takes   38 minutes on 2 slow cores
"""

from functools import partial

from meishi import paths, reporting
from meishi.data import reading, shards, without_cards
from meishi.direction import mining
from meishi.direction.model import build_classifier
from meishi.direction.training import train_classifier
from meishi.files.saved import save_network
from meishi.litert import export as litert_export
from meishi.params import load_params
from meishi.training import distribution, loop
from meishi.training.determinism import seed_everything
from meishi.validation.direction import validate_classifier


def run() -> None:
    """Run the step."""
    params = load_params(
        "seed", "direction", "train_direction", "augment.crop_light", "augment.workers"
    )
    direction, train, recipe = params.direction, params.train_direction, params.augment
    # Before minutes of mining, which finds no cards.
    named = reading.scenes_of(paths.RAW, paths.TRAIN, direction.sources, {})
    reading.require_cards(named, paths.TRAIN)
    photos, kept = (
        shards.ShardReader(side)
        for side in (without_cards.TRAIN_PHOTOS, without_cards.HELD_OUT_PHOTOS)
    )
    with litert_export.exported(paths.SSD, paths.UNET) as networks:
        mine = partial(mining.mine, networks, processes=recipe.workers)
        scenes, held_out = (
            reading.scenes_of(paths.RAW, side, direction.sources, mine(shards.ShardReader(side)))
            for side in (paths.TRAIN, paths.VAL)
        )
        scenes_beside, held_out_beside = (
            reading.photos_of(side, mine(side, least_score=mining.PHOTOS_SCORE))
            for side in (photos, kept)
        )
    views = reading.make_views(
        (scenes, scenes_beside),
        direction,
        recipe.crop_light,
        params.seed,
        recipe.workers,
        [content for _, content in photos],
    )
    seed_everything(params.seed)
    shape = (direction, shards.file_sha256(paths.DIRECTION_WEIGHTS, "fetch"))
    plan = loop.make_plan(views, train, params.seed, paths.CHECKPOINTS / "direction", *shape)
    trainer, history = train_classifier(views, direction, train, plan, paths.DIRECTION_WEIGHTS)
    if not distribution.is_chief():  # the others have trained along; one writes
        return
    classifier = build_classifier(trainer)
    metrics = validate_classifier(classifier, reading.plain_views(held_out, direction))
    beside = validate_classifier(classifier, reading.plain_views(held_out_beside, direction))
    metrics |= {f"{name}_in_photos": value for name, value in beside.items()}
    save_network(trainer, direction, paths.DIRECTION)
    reporting.write_csv(paths.PLOTS / "train_direction.csv", history)
    reporting.write_metrics(paths.METRICS / "train_direction.json", metrics)
    loop.finish(plan)
