"""The segmenter's loss: cross-entropy with soft edges, and Dice (Milletari et al. 2016, sec. 3)."""

from meishi.keras import tf

SMOOTHING = 1.0  # pixels: keeps Dice defined where a crop shows no card


def segmenter_loss(logits, mask, dice_weight: float):
    """Combine both losses.

    Args:
        logits: (B, H, W, 1).
        mask: (B, H, W, 1) float32 coverage in [0, 1].
        dice_weight: of the Dice part.

    Returns:
        total, cross-entropy, Dice loss: scalars.
    """
    entropy = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(mask, logits))
    soft = tf.sigmoid(logits)
    both = tf.reduce_sum(soft * mask, axis=[1, 2, 3])
    sizes = tf.reduce_sum(soft, axis=[1, 2, 3]) + tf.reduce_sum(mask, axis=[1, 2, 3])
    dice = 1 - tf.reduce_mean((2 * both + SMOOTHING) / (sizes + SMOOTHING))
    return entropy + dice_weight * dice, entropy, dice
