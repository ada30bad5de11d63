"""Learning rate and optimizer: linear warm-up, cosine decay (Loshchilov & Hutter 2017), AdamW."""

import math

from meishi.keras import keras, tf

CLIP_NORM = 10.0  # per variable: far above what training sees, it stops a freak batch


class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to `peak` over `warmup` steps, then falls to zero along a cosine."""

    def __init__(self, peak: float, warmup: int, steps: int):
        """Plan a run of `steps` steps."""
        self.peak, self.warmup, self.steps = peak, warmup, steps

    def __call__(self, step):
        """Return the rate of a step, float32."""
        step = tf.cast(step, tf.float32)
        rising = (step + 1) / max(self.warmup, 1)
        share = tf.clip_by_value((step - self.warmup) / max(self.steps - self.warmup, 1), 0.0, 1.0)
        falling = 0.5 * (1 + tf.cos(math.pi * share))
        return self.peak * tf.minimum(rising, falling)

    def get_config(self) -> dict:
        """Describe the schedule, as Keras asks."""
        return {"peak": self.peak, "warmup": self.warmup, "steps": self.steps}


def make_optimizer(
    peak: float, warmup: int, steps: int, weight_decay: float
) -> keras.optimizers.Optimizer:
    """Build AdamW; biases and batch norms are not decayed."""
    optimizer = keras.optimizers.AdamW(
        WarmupCosine(peak, warmup, steps), weight_decay=weight_decay, clipnorm=CLIP_NORM
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
