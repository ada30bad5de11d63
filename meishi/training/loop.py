"""The training loop of all networks: fixed order, progress, checkpoints, exact resumption.

The order of the samples is drawn at once for the whole run, so a run that starts at step s goes on
with the samples that an undisturbed run would see from s, and ends in the same weights. What a
layer draws (dropout) is kept where it draws from a generator of its own (`direction.dropout`).
Checkpoints lie outside the stage's outputs, under a key of everything that shapes the run: changed
code, a changed parameter or data set starts anew. They are removed when the run is complete.
Of several workers all restore what worker 0 has written: their folder is one.
"""

import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from meishi.errors import InputError
from meishi.files import atomic
from meishi.keras import keras, tf
from meishi.training import distribution

HISTORY_STEPS = 25  # a row of the history is a mean over so many steps


@dataclass(frozen=True)
class Plan:
    """What a run is.

    Attributes:
        samples, batch, epochs, seed: define the order of the samples.
        checkpoint_steps: steps between checkpoints.
        folder: of the checkpoints, unique to this run's parameters and data.
        run: number of this one, of several with the same samples in another order.
    """

    samples: int
    batch: int
    epochs: int
    seed: int
    checkpoint_steps: int
    folder: Path
    run: int = 0

    @property
    def steps(self) -> int:
        """Count the optimizer's steps."""
        return self.samples * self.epochs // self.batch

    def order(self) -> np.ndarray:
        """Return (steps * batch,) sample numbers: a new permutation each epoch."""
        permutations = [
            np.random.default_rng([self.seed, e, self.run]).permutation(self.samples)
            for e in range(self.epochs)
        ]
        return np.concatenate(permutations)[: self.steps * self.batch]

    def of_run(self, number: int) -> "Plan":
        """Plan one of several runs: its order and checkpoints are its own."""
        return replace(self, run=number, folder=self.folder / f"run-{number}")


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
    count: Callable[[tuple], tf.Tensor] | None = None,
) -> list[dict]:
    """Train a model, resuming a run that was interrupted.

    Args:
        model: trained in place; on the replicas of the strategy in whose scope it was made.
        optimizer: with its schedule, made in the same scope.
        losses: (outputs, targets) to named scalars, the first of which is minimised.
        batches: (sample numbers, batch size) to a data set of (inputs, targets), in this order.
        plan: length, order and checkpoints.
        count: targets to what the losses are a mean over, a float32 scalar; the batch when None.

    Returns:
        The history: rows of `step` and the mean of each loss since the row before.
    """
    strategy = model.distribute_strategy
    with strategy.scope():
        step = tf.Variable(0, dtype=tf.int64)
        optimizer.build(model.trainable_variables)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, step=step)
    manager = tf.train.CheckpointManager(checkpoint, str(_own_folder(plan)), max_to_keep=2)
    history, pending = _restore(checkpoint, step, plan)
    train_step = _compile(model, optimizer, losses, count or _batch_size)
    start = int(step.numpy())
    feed = distribution.feed(strategy, batches, plan.order()[start * plan.batch :], plan.batch)
    data = Watched(feed)
    with tqdm(total=plan.steps, initial=start, unit="step", desc=f"train {model.name}") as bar:
        for inputs, targets in data:
            values = train_step(inputs, targets)
            pending.append({key: float(value) for key, value in values.items()})
            step.assign_add(1)
            now = int(step.numpy())
            if now % HISTORY_STEPS == 0 or now == plan.steps:
                history.append({"step": now, **_mean(pending)})
                pending = []
                shown = {k: f"{v:.4f}" for k, v in history[-1].items() if k != "step"}
                bar.set_postfix(shown | {"waiting": f"{data.share:.1%}"})
            if now % plan.checkpoint_steps == 0:
                _save(manager, step, (history, pending), plan)
            bar.update()
    return history


class Watched:
    """Passes batches on, and keeps account of the time that is spent waiting for them."""

    def __init__(self, batches: Iterable):
        """Watch an iterable of batches."""
        self._batches, self._waited_s, self._began_s = batches, 0.0, 0.0

    def __iter__(self) -> Iterator:
        """Yield each batch; the first fills the pipeline, the time counts from there."""
        batches, self._began_s = iter(self._batches), 0.0
        while True:
            asked_s = time.perf_counter()
            try:
                batch = next(batches)
            except StopIteration:
                return
            if self._began_s:
                self._waited_s += time.perf_counter() - asked_s
            else:
                self._began_s = time.perf_counter()
            yield batch

    @property
    def share(self) -> float:
        """Return the share of the time since the first batch that went in waiting, in [0, 1]."""
        elapsed_s = time.perf_counter() - self._began_s
        return self._waited_s / elapsed_s if self._began_s else 0.0


def finish(plan: Plan) -> None:
    """Remove the checkpoints, once the stage's outputs are in place."""
    shutil.rmtree(plan.folder, ignore_errors=True)


def _compile(model, optimizer, losses, count):
    strategy = model.distribute_strategy

    def replica_step(inputs, targets, share=None):
        with tf.GradientTape() as tape:
            values = losses(model(inputs, training=True), targets)
            if share is not None:
                values = {key: value * share for key, value in values.items()}
            total = next(iter(values.values()))
        gradients = tape.gradient(total, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return values

    def part_step(inputs, targets):
        return replica_step(inputs, targets, distribution.whole_share(count(targets)))

    @tf.function
    def distributed_step(inputs, targets):
        values = strategy.run(part_step, args=(inputs, targets))
        add = tf.distribute.ReduceOp.SUM
        return {key: strategy.reduce(add, value, axis=None) for key, value in values.items()}

    return distributed_step if strategy.num_replicas_in_sync > 1 else tf.function(replica_step)


def _batch_size(targets) -> tf.Tensor:
    return tf.cast(tf.shape(targets[0])[0], tf.float32)


def _mean(pending: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([values[key] for values in pending])) for key in pending[0]}


def _own_folder(plan: Plan) -> Path:
    """Say where this worker saves: all must, for each holds a part, but one copy is enough."""
    return plan.folder if distribution.is_chief() else plan.folder / f"worker-{os.getpid()}"


def _history_file(plan: Plan, step: int) -> Path:
    return plan.folder / f"history-{step}.json"


def _save(manager, step, rows: tuple[list, list], plan: Plan) -> None:
    # The rows go first: a checkpoint without them would be resumed with a gap in the history.
    if distribution.is_chief():
        atomic.atomic_write_text(_history_file(plan, int(step.numpy())), json.dumps(rows))
    try:
        manager.save(checkpoint_number=int(step.numpy()))
    except tf.errors.ResourceExhaustedError as error:  # of memory, too
        full = os.strerror(errno.ENOSPC)
        if full not in error.message:
            raise
        raise OSError(errno.ENOSPC, full, str(plan.folder)) from error


def _restore(checkpoint, step, plan: Plan) -> tuple[list, list]:
    """Restore the newest checkpoint; returns the history and the losses not yet in it."""
    newest = tf.train.latest_checkpoint(str(plan.folder))
    if newest is None:
        return [], []
    checkpoint.restore(newest).assert_consumed()
    history, pending = json.loads(_history_file(plan, int(step.numpy())).read_text())
    return history, pending
