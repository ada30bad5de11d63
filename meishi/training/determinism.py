"""One seed, the same bytes: what TensorFlow needs for two runs on a machine to agree."""

from meishi.keras import keras, tf

THREADS = 2  # a fixed number: the order of additions, and so the weights, depend on it


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, and forbid order-dependent kernels. Call before any op."""
    tf.config.threading.set_intra_op_parallelism_threads(THREADS)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)
