"""Training on several devices or machines with `tf.distribute`: the whole batch's loss curve.

Each replica takes its part of every batch, in the order of one worker with the whole batch. Losses
are divided by the count of the whole batch, not of a part, and batch norms see the statistics of
the whole batch, so that only the order of additions differs from training on one worker.

A run on several machines is described by the variable TF_CONFIG, as TensorFlow defines it; all
workers see the same folder, in which worker 0 writes checkpoints and outputs.
"""

import json
import os
from collections.abc import Callable
from functools import cache

import numpy as np

from meishi.errors import InputError
from meishi.keras import keras, tf
from meishi.ranges import STRATEGIES

AUTO, MIRRORED, MULTI_WORKER = STRATEGIES

CLUSTER, WORKER = "TF_CONFIG", "worker"


def workers() -> int:
    """Count the workers that TF_CONFIG names: 1 without it.

    Raises:
        InputError: if it is set, but names no workers, this process is none of them, or there are
            other kinds of processes.
    """
    return _place()[0]


def is_chief() -> bool:
    """Tell whether this process writes what training gives: worker 0, or the only one."""
    return _place()[1] == 0


def _place() -> tuple[int, int]:
    """Read how many workers there are, and which of them this process is."""
    text = os.environ.get(CLUSTER)
    if not text:
        return 1, 0
    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        # TensorFlow, too, takes a number in quotes for a number.
        addresses, index = list(cluster["worker"]), int(task["index"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _no_cluster(repr(error)) from error
    # A chief or parameter servers beside the workers: two processes would write the same files.
    if set(cluster) != {WORKER} or task.get("type") != WORKER:
        kinds = f"jobs {', '.join(map(str, cluster))}, this is of type {task.get('type')!r}"
        raise _no_cluster(f"{kinds}; workers alone can train here")
    if isinstance(cluster["worker"], str) or not 0 <= index < len(addresses):
        raise _no_cluster(f"worker {index} of {cluster['worker']!r}")
    return len(addresses), index


def _no_cluster(why: str) -> InputError:
    return InputError(
        f"{CLUSTER}: not a cluster ({why}); expected "
        '{"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": "worker", "index": N}}'
    )


def choose(name: str, batch: int) -> tf.distribute.Strategy:
    """Make the strategy of a run. Call before any op of TensorFlow.

    Args:
        name: one of STRATEGIES; "auto" is multi_worker where TF_CONFIG names several workers,
            mirrored where there are several GPUs, else plain training on one device.
        batch: of all replicas together.

    Raises:
        InputError: if there is no cluster for multi_worker, or the batch cannot be divided evenly.
    """
    if name == MULTI_WORKER and workers() == 1:
        raise InputError(f"strategy: multi_worker, but {CLUSTER} names no second worker")
    if name == MULTI_WORKER or (name == AUTO and workers() > 1):
        strategy = _of_cluster()
    elif name == MIRRORED or len(tf.config.list_physical_devices("GPU")) > 1:
        kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
        strategy = tf.distribute.MirroredStrategy(tf.config.list_logical_devices(kind))
    else:
        strategy = tf.distribute.get_strategy()
    replicas = strategy.num_replicas_in_sync
    if batch % replicas:
        raise InputError(f"batch: expected a multiple of the {replicas} replicas, got {batch}")
    return strategy


@cache
def _of_cluster() -> tf.distribute.Strategy:
    # One for all runs of a process: each numbers its collective ops from the start, so that those
    # of a second run would be taken for those of a worker that is still in its first.
    return tf.distribute.MultiWorkerMirroredStrategy()


def synchronised(model: keras.Model) -> keras.Model:
    """Let batch norms see the whole batch; call in the scope of a strategy.

    Returns:
        The model itself on one replica, else a copy with the same weights and layer names.
    """
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return model
    copy = keras.models.clone_model(model, clone_function=_synchronised_layer)
    copy.set_weights(model.get_weights())
    return copy


def _synchronised_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    config = layer.get_config()
    if isinstance(layer, keras.layers.BatchNormalization):
        config["synchronized"] = True
    return type(layer).from_config(config)


def collected(model: keras.Model, plain: Callable[[], keras.Model]) -> keras.Model:
    """Bring a trained model to this process.

    Every worker must call it: each has its own part of the batch norms' statistics.

    Args:
        model: trained.
        plain: builds the same network for one device.

    Returns:
        The model itself where it was trained on one replica, else a plain one with its weights.
    """
    if model.distribute_strategy.num_replicas_in_sync == 1:
        return model
    single = plain()
    single.set_weights(model.get_weights())
    return single


def part(order: np.ndarray, batch: int, pipelines: int, pipeline: int) -> np.ndarray:
    """Pick what one worker takes of every batch.

    Args:
        order: (steps * batch,) sample numbers.
        batch: of all workers together, a multiple of their number.
        pipelines: workers.
        pipeline: this one, from 0.

    Returns:
        (steps * batch / pipelines,): one run of neighbours of each batch.
    """
    return order.reshape(-1, pipelines, batch // pipelines)[:, pipeline].ravel()


def feed(
    strategy: tf.distribute.Strategy,
    batches: Callable[[np.ndarray, int], tf.data.Dataset],
    order: np.ndarray,
    batch: int,
) -> tf.distribute.DistributedDataset | tf.data.Dataset:
    """Give each replica its part of every batch, in this order.

    Args:
        strategy: of `choose`.
        batches: (sample numbers, batch size) to a data set.
        order: (steps * batch,) sample numbers.
        batch: of all replicas together.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return batches(order, batch)

    def own(context: tf.distribute.InputContext) -> tf.data.Dataset:
        mine = part(order, batch, context.num_input_pipelines, context.input_pipeline_id)
        return batches(mine, batch // replicas)

    return strategy.distribute_datasets_from_function(own)


def whole_share(count: tf.Tensor) -> tf.Tensor:
    """Turn a mean over a replica's part into its share of the mean over the whole batch.

    Args:
        count: scalar, what the replica divided its losses by, if that was one at least.

    Returns:
        Scalar factor; losses and gradients of the replicas then only need adding up. 1 alone.
    """
    context = tf.distribute.get_replica_context()
    total = context.all_reduce(tf.distribute.ReduceOp.SUM, count)
    return tf.maximum(count, 1.0) / tf.maximum(total, 1.0)
