"""How far a compressed network is from the one it was made of: what fine-tuning minimises.

The float network is the teacher (Hinton et al. 2015): no labels are needed, and nothing is learnt
that it did not know. Each distance is zero where both networks agree.
"""

from collections.abc import Callable
from dataclasses import dataclass

from meishi.keras import tf


@dataclass(frozen=True)
class Distillation:
    """What is compared of a network.

    Attributes:
        heads: layers whose outputs are compared.
        distance: (student's outputs, teacher's outputs) to named scalars, the first of which is
            minimised.
    """

    heads: tuple[str, ...]
    distance: Callable[[list, list], dict]


def divergence(logits, teacher_logits):
    """Return the Kullback-Leibler divergence of two Bernoulli variables, element by element."""
    score = tf.sigmoid(teacher_logits)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits
    return entropy(score, logits) - entropy(score, teacher_logits)


def detector_distance(student: list, teacher: list) -> dict:
    """Compare offsets (B, A, 4) and logits (B, A, 1); anchors count as the teacher is sure."""
    (offsets, logits), (teacher_offsets, teacher_logits) = student, teacher
    score = tf.sigmoid(teacher_logits)
    mass = tf.maximum(tf.reduce_sum(score), 1.0)
    difference = tf.abs(offsets - teacher_offsets)
    huber = tf.where(difference < 1, 0.5 * difference**2, difference - 0.5)
    scores = tf.reduce_sum(divergence(logits, teacher_logits)) / mass
    boxes = tf.reduce_sum(score * huber) / mass
    return {"distance": scores + boxes, "scores": scores, "boxes": boxes}


def segmenter_distance(student: list, teacher: list) -> dict:
    """Compare mask logits (B, M, M, 1), pixel by pixel."""
    [logits], [teacher_logits] = student, teacher
    return {"distance": tf.reduce_mean(divergence(logits, teacher_logits))}


DETECTOR = Distillation(("offsets", "logits"), detector_distance)
SEGMENTER = Distillation(("mask_logits",), segmenter_distance)
