"""Our own nets, converted in float32, give what Keras gives: to 1e-4, in either format."""

import numpy as np
import pytest

from meishi.coreml.export import DETECTOR_OUTPUTS, SEGMENTER_OUTPUTS
from meishi.coreml.freeze import by_name, freeze
from meishi.coreml.runtime import Package
from meishi.coreml.toolkit import ct, only_errors
from meishi.keras import keras
from meishi.params import load_params
from meishi.ssd import model as ssd
from meishi.unet import model as unet

pytestmark = pytest.mark.tf
TOLERANCE = 1e-4


def our_net(name):
    keras.utils.set_random_seed(2)
    params = load_params("ssd", "unet")
    if name == "unet":
        return unet.build_segmenter(unet.build_trainer(params.unet)), SEGMENTER_OUTPUTS
    return ssd.build_detector(params.ssd, ssd.build_trainer(params.ssd)), DETECTOR_OUTPUTS


@pytest.mark.parametrize("name", ["ssd", "unet"])
@pytest.mark.parametrize("kind", ["mlprogram", "neuralnetwork"])
def test_our_nets_in_float32(tmp_path, name, kind):
    model, names = our_net(name)
    frozen = freeze(model, names, keep_batch=False)
    image = ct.ImageType(name="image", shape=frozen.inputs[0].shape.as_list())
    program = {"compute_precision": ct.precision.FLOAT32} if kind == "mlprogram" else {}
    path = tmp_path / ("net.mlpackage" if program else "net.mlmodel")
    with only_errors():
        ct.convert(
            [frozen], source="tensorflow", convert_to=kind, inputs=[image], skip_model_load=True,
            **program,
        ).save(str(path))  # fmt: skip
    picture = np.random.default_rng(0).integers(0, 256, model.input_shape[1:], dtype=np.uint8)
    found = list(Package.load(path).predict({"image": picture}).values())
    for value in by_name(model(picture[None].astype(np.float32)), names).values():
        expected = value.numpy()[0]
        (same,) = [part for part in found if part.size == expected.size]
        assert np.abs(same.reshape(expected.shape) - expected).max() <= TOLERANCE
