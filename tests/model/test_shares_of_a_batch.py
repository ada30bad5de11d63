"""What a replica's losses count for in the whole batch, and which batch norms it learns with."""

import numpy as np
import pytest

from meishi.keras import keras, tf
from meishi.training import distribution

pytestmark = pytest.mark.tf


class Replica:
    """One of several, whose counts add up to a total."""

    def __init__(self, total):
        self.total = total

    def all_reduce(self, operation, count):
        assert operation == tf.distribute.ReduceOp.SUM
        return tf.constant(self.total, tf.float32)


@pytest.mark.parametrize("counts", [(3, 1), (3, 0), (0, 0), (1, 0)])
def test_losses_of_replicas_add_up_to_the_mean_over_the_whole_batch(monkeypatch, counts):
    sums = (5.0, 7.0)  # of the losses, each divided by its count, if that is one at least
    monkeypatch.setattr(tf.distribute, "get_replica_context", lambda: Replica(sum(counts)))
    shares = [float(distribution.whole_share(tf.constant(float(count)))) for count in counts]
    means = [total / max(count, 1) for total, count in zip(sums, counts, strict=True)]
    whole = sum(share * mean for share, mean in zip(shares, means, strict=True))
    assert whole == pytest.approx(sum(sums) / max(sum(counts), 1))


def test_batch_norms_of_several_replicas_are_synchronised_and_keep_what_else_they_are():
    norm = keras.layers.BatchNormalization(epsilon=0.02, momentum=0.9, name="norm")
    copy = distribution._synchronised_layer(norm)
    assert not norm.synchronized and copy.synchronized
    assert copy.get_config() == norm.get_config()


def test_workers_take_neighbours_of_every_batch():
    order = np.arange(12)  # three batches of four
    assert distribution.part(order, 4, 2, 0).tolist() == [0, 1, 4, 5, 8, 9]
    assert distribution.part(order, 4, 2, 1).tolist() == [2, 3, 6, 7, 10, 11]
