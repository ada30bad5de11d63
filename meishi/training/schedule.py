"""Learning rate and optimizer: linear warm-up, cosine decay (Loshchilov & Hutter 2017), AdamW."""

from meishi.keras import keras

CLIP_NORM = 10.0  # per variable: far above what training sees, it stops a freak batch


def make_optimizer(
    peak: float, warmup: int, steps: int, weight_decay: float
) -> keras.optimizers.Optimizer:
    """Build AdamW; biases and batch norms are not decayed.

    Args:
        peak: learning rate after `warmup` steps, to which it rises linearly from zero; it then
            falls to zero along a cosine.
        warmup: steps; 0 begins at the peak.
        steps: of the whole run.
        weight_decay: of everything else.
    """
    falling = max(steps - warmup, 1)
    rising = {"warmup_target": peak, "warmup_steps": warmup}
    decay = keras.optimizers.schedules.CosineDecay
    rate = decay(0.0, falling, **rising) if warmup else decay(peak, falling)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=weight_decay, clipnorm=CLIP_NORM)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
