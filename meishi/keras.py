"""The one door to TensorFlow: `from meishi.keras import keras, tf`.

TensorFlow reads two environment variables while it is being imported, so they cannot be set later
by the code that needs them. Importing this module sets them: the only import-time effect in the
package. `TF_USE_LEGACY_KERAS` makes `tf.keras` the same Keras as `tf_keras`, without which the
Core ML converter refuses our models; `TF_CPP_MIN_LOG_LEVEL` silences TensorFlow's notes. Values
already in the environment win: `TF_CPP_MIN_LOG_LEVEL=0` brings every note back.
"""

import os
from contextlib import nullcontext

from meishi.processes.quiet import without_startup_notes

_notes_wanted = os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3") != "3"
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

with nullcontext() if _notes_wanted else without_startup_notes():
    import tensorflow as tf
    import tf_keras as keras
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

__all__ = ["convert_variables_to_constants_v2", "keras", "tf"]
