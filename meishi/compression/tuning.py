"""Fine-tuning onto palettes and grids: what is stored is what was trained.

The float network teaches the rounded one on pictures of the training set; the loop, with its
progress, checkpoints and exact resumption, is that of every training.
"""

from functools import partial
from pathlib import Path

import numpy as np

from meishi.compression.distillation import Distillation
from meishi.compression.folding import fold_batch_norms
from meishi.compression.student import build_student, finish
from meishi.data import input_pipeline
from meishi.data.samples import SampleSet
from meishi.keras import keras, tf
from meishi.training import loop, schedule
from meishi.tunings import Tuning


def make_plan(
    samples: SampleSet, tuning: Tuning, seed: int, folder: Path, *shape
) -> tuple[SampleSet, loop.Plan]:
    """Draw the pictures of a fine-tuning, and plan its run.

    Args:
        samples: pictures of the model's input size; their labels are not used.
        tuning: settings.
        seed: of the drawing.
        folder: parent of the checkpoints.
        shape: whatever else shapes the run, such as a digest of the float weights.

    Returns:
        The chosen samples, one for each place in a batch, and the plan.
    """
    count, available = tuning.steps * tuning.batch, len(samples.jpegs)
    rounds = range(-(-count // available))
    orders = [np.random.default_rng([seed, available + r]).permutation(available) for r in rounds]
    picks = np.concatenate(orders)[:count]
    chosen = SampleSet(
        [samples.jpegs[n] for n in picks], [samples.quads[n] for n in picks], samples.key
    )
    return chosen, loop.make_plan(chosen, tuning, seed, folder, shape)


def tune(
    model: keras.Model,
    distillation: Distillation,
    samples: SampleSet,
    tuning: Tuning,
    plan: loop.Plan,
) -> tuple[keras.Model, list[dict]]:
    """Round a network's kernels and fine-tune it until it does what it did.

    Args:
        model: trained; `image` (B, S, S, 3) float32 RGB in [0, 255] to anything.
        distillation: what is compared.
        samples: of `make_plan`.
        tuning: settings.
        plan: of `make_plan`.

    Returns:
        A model with folded batch norms whose kernels lie on palettes and int8 grids, biases in
        float16 steps; and the history.
    """
    folded = fold_batch_norms(model)
    student = build_student(folded, tuning)
    both = _side_by_side(student, folded, distillation.heads)
    optimizer = schedule.make_optimizer(tuning.learning_rate, tuning.warmup_steps, plan.steps, 0.0)
    signature = (tf.TensorSpec((), tf.float32),)
    batches = partial(input_pipeline.batches, samples, _unlabelled, signature)
    history = loop.fit(both, optimizer, partial(_losses, distillation), batches, plan)
    return finish(folded, student), history


def round_weights(model: keras.Model, tuning: Tuning) -> keras.Model:
    """Round a network's kernels without any fine-tuning: what that is compared with."""
    folded = fold_batch_norms(model)
    return finish(folded, build_student(folded, tuning))


def _unlabelled(quads: np.ndarray) -> tuple[np.float32]:
    return (np.float32(len(quads)),)  # the pipeline wants a target; nothing reads it


def _side_by_side(student, teacher, heads: tuple[str, ...]) -> keras.Model:
    """Join both networks: an image to the student's heads, then the teacher's."""
    image = keras.Input(teacher.input_shape[1:], name="image")
    outputs = []
    for name, net in (("student", student), ("teacher", teacher)):
        ends = keras.Model(net.input, [net.get_layer(head).output for head in heads], name=name)
        if name == "teacher":
            ends.trainable = False
        found = ends(image)
        outputs += found if isinstance(found, list) else [found]
    return keras.Model(image, outputs, name=f"{teacher.name}_compressed")


def _losses(distillation: Distillation, outputs: list, _targets) -> dict:
    half = len(outputs) // 2
    return distillation.distance(outputs[:half], outputs[half:])
