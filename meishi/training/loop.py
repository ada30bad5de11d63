"""The training loop of both networks: fixed order, progress, checkpoints, exact resumption.

The order of the samples is drawn at once for the whole run, so a run that starts at step s goes on
with the samples that an undisturbed run would see from s, and ends in the same weights.
Checkpoints lie outside the stage's outputs, under a key of everything that shapes the run: changed
code, a changed parameter or data set starts anew. They are removed when the run is complete.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from meishi import atomic
from meishi.errors import InputError
from meishi.keras import keras, tf

HISTORY_STEPS = 25  # a row of the history is a mean over so many steps


@dataclass(frozen=True)
class Plan:
    """What a run is.

    Attributes:
        samples, batch, epochs, seed: define the order of the samples.
        checkpoint_steps: steps between checkpoints.
        folder: of the checkpoints, unique to this run's parameters and data.
    """

    samples: int
    batch: int
    epochs: int
    seed: int
    checkpoint_steps: int
    folder: Path

    @property
    def steps(self) -> int:
        """Count the optimizer's steps."""
        return self.samples * self.epochs // self.batch

    def order(self) -> np.ndarray:
        """Return (steps * batch,) sample numbers: a new permutation each epoch."""
        permutations = [
            np.random.default_rng([self.seed, e]).permutation(self.samples)
            for e in range(self.epochs)
        ]
        return np.concatenate(permutations)[: self.steps * self.batch]


def make_plan(samples: Any, train: Any, seed: int, folder: Path, *shape: Any) -> Plan:
    """Plan a run; its checkpoints lie under a key of all that shapes it.

    Args:
        samples: a set with `jpegs` and a `key` of its bytes.
        train: a section of params.yaml with `batch`, `epochs`, `checkpoint_steps`.
        seed: of the order.
        folder: parent of the checkpoints.
        shape: whatever else shapes the run.

    Raises:
        InputError: if the samples do not fill a batch.
    """
    settings = repr((samples.key, train, seed, shape))
    key = hashlib.sha256(settings.encode() + code_digest()).hexdigest()[:16]
    counts = (len(samples.jpegs), train.batch, train.epochs)
    plan = Plan(*counts, seed, train.checkpoint_steps, folder / key)
    if plan.steps < 1:
        raise InputError(
            f"training: {counts[0]} samples make no batch of {train.batch}; expected more "
            "samples (augment) or a smaller batch"
        )
    return plan


def code_digest() -> bytes:
    """Hash the package's source: half a run under other code would be nobody's run."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).resolve().parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.digest()


def fit(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    losses: Callable[..., dict],
    batches: Callable[[np.ndarray, int], tf.data.Dataset],
    plan: Plan,
) -> list[dict]:
    """Train a model, resuming a run that was interrupted.

    Args:
        model: trained in place.
        optimizer: with its schedule.
        losses: (outputs, targets) to named scalars, the first of which is minimised.
        batches: (sample numbers, batch size) to a data set of (inputs, targets), in this order.
        plan: length, order and checkpoints.

    Returns:
        The history: rows of `step` and the mean of each loss since the row before.
    """
    step = tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, step=step)
    optimizer.build(model.trainable_variables)
    manager = tf.train.CheckpointManager(checkpoint, str(plan.folder), max_to_keep=2)
    history, pending = _restore(checkpoint, manager, step, plan)
    train_step = _compile(model, optimizer, losses)
    start = int(step)
    data = batches(plan.order()[start * plan.batch :], plan.batch)
    with tqdm(total=plan.steps, initial=start, unit="step", desc=f"train {model.name}") as bar:
        for inputs, targets in data:
            values = train_step(inputs, targets)
            pending.append({key: float(value) for key, value in values.items()})
            step.assign_add(1)
            now = int(step)
            if now % HISTORY_STEPS == 0 or now == plan.steps:
                history.append({"step": now, **_mean(pending)})
                pending = []
                bar.set_postfix({k: f"{v:.4f}" for k, v in history[-1].items() if k != "step"})
            if now % plan.checkpoint_steps == 0:
                _save(manager, step, (history, pending), plan)
            bar.update()
    return history


def finish(plan: Plan) -> None:
    """Remove the checkpoints, once the stage's outputs are in place."""
    shutil.rmtree(plan.folder, ignore_errors=True)


def _compile(model, optimizer, losses):
    @tf.function
    def train_step(inputs, targets):
        with tf.GradientTape() as tape:
            values = losses(model(inputs, training=True), targets)
            total = next(iter(values.values()))
        gradients = tape.gradient(total, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return values

    return train_step


def _mean(pending: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([values[key] for values in pending])) for key in pending[0]}


def _history_file(plan: Plan, step: int) -> Path:
    return plan.folder / f"history-{step}.json"


def _save(manager, step, rows: tuple[list, list], plan: Plan) -> None:
    # The rows go first: a checkpoint without them would be resumed with a gap in the history.
    atomic.atomic_write_text(_history_file(plan, int(step)), json.dumps(rows))
    manager.save(checkpoint_number=int(step))


def _restore(checkpoint, manager, step, plan: Plan) -> tuple[list, list]:
    """Restore the newest checkpoint; returns the history and the losses not yet in it."""
    if manager.latest_checkpoint is None:
        return [], []
    checkpoint.restore(manager.latest_checkpoint).assert_consumed()
    history, pending = json.loads(_history_file(plan, int(step)).read_text())
    return history, pending
