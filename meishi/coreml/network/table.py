"""The layers of neural networks on TensorFlow kernels: one small function a layer, one table.

Each function takes a `parameters.Layer` and gives its output, or a tuple of outputs. Semantics
follow the comments of Apple's NeuralNetwork.proto (apple/coremltools, mlmodel/format). Every value
is float32, as there; branches and loops are run by `network.running`.
"""

from meishi.coreml.network import (
    elementwise,
    indexing,
    normalisation,
    recurrent,
    shaping,
    windows,
)
from meishi.coreml.network.parameters import LayerKernel
from meishi.coreml.ops import RANDOM

LAYERS: dict[str, LayerKernel] = {
    **elementwise.LAYERS,
    **indexing.LAYERS,
    **normalisation.LAYERS,
    **recurrent.LAYERS,
    **shaping.LAYERS,
    **windows.LAYERS,
}

CONTROL = frozenset({"branch", "loop", "loopBreak", "loopContinue"})
REFUSED = {
    "categoricalDistribution": RANDOM,
    "randomBernoulliDynamic": RANDOM,
    "randomBernoulliLike": RANDOM,
    "randomBernoulliStatic": RANDOM,
    "randomNormalDynamic": RANDOM,
    "randomNormalLike": RANDOM,
    "randomNormalStatic": RANDOM,
    "randomUniformDynamic": RANDOM,
    "randomUniformLike": RANDOM,
    "randomUniformStatic": RANDOM,
}
