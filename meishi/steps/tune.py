"""Fine-tune one network for a small storage: `stages/convert.py tune KEY`.

Reads   models/${item.model}, build/augmented, build/prepared/val       Params  seed, tune.${key}
Writes  models/tuned/${key}, metrics/tune/${key}.json
Takes   5 to 15 minutes on 2 cores; the validation figures are those before and after
"""

from meishi import paths, reporting, tunings
from meishi.compression import networks, tuned, tuning
from meishi.data import shards
from meishi.files.saved import WEIGHTS
from meishi.params import load_params
from meishi.training import loop
from meishi.training.determinism import seed_everything


def run(key: str) -> None:
    """Run the step on the entry `key` of `tune`."""
    params = load_params("seed", "tune")
    seed_everything(params.seed)
    settings = tunings.find(params.tune, key)
    source = paths.MODELS / settings.model
    network = networks.load(settings.model, source, paths.AUGMENTED)
    digest = shards.file_sha256(source / WEIGHTS, f"train_{settings.model}")
    folder = paths.CHECKPOINTS / f"tune_{key}"
    samples, plan = tuning.make_plan(network.samples, settings, params.seed, folder, digest)
    model, history = tuning.tune(network.model, network.distillation, samples, settings, plan)
    rounded = tuning.round_weights(network.model, settings)
    nets = {"float32": network.model, "rounded": rounded, "tuned": model}
    reader = shards.ShardReader(paths.VAL)
    metrics = {name: network.validate(net, reader) for name, net in nets.items()}
    tuned.save_tuned(model, source, tunings.FOLDER / key)
    reporting.write_metrics(paths.METRICS / "tune" / f"{key}.json", metrics | history[-1])
    loop.finish(plan)
