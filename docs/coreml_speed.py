"""How long our packages take on this machine, beside the Keras models they came from.

`python docs/coreml_speed.py [RUNS]`: each in turn, the same picture, all in one process; Keras as a
`tf.function`. The best of all runs is what a host that others use as well shows most truly.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np

from meishi import paths
from meishi.coreml.export import RAW_DETECTOR, SEGMENTER
from meishi.coreml.runtime import Package
from meishi.errors import clean_exit
from meishi.keras import keras, tf
from meishi.ssd.model import load_detector
from meishi.unet.model import load_segmenter


def best_ms(runs: int, *calls: Callable[[], object]) -> list[float]:
    """Return the least time of each call, in ms; the calls take turns."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()  # builds its graph
    for _ in range(runs):
        for call, own in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            own.append(time.perf_counter() - start)
    return [1000 * min(own) for own in times]


def compare(name: str, model: keras.Model, runs: int) -> str:
    """Return a row of the table: Keras, the package in both precisions, their ratios."""
    picture = np.random.default_rng(0).integers(0, 256, model.input_shape[1:], dtype=np.uint8)
    batch = tf.constant(picture[None].astype(np.float32))
    graph = tf.function(lambda x: model(x, training=False))
    file = paths.COREML / f"{name}.mlpackage"
    exact, rounded = Package.load(file), Package.load(file, "fp16")
    keras_ms, exact_ms, rounded_ms = best_ms(
        runs,
        lambda: graph(batch),
        lambda: exact.predict({"image": picture}),
        lambda: rounded.predict({"image": picture}),
    )
    cells = f"{keras_ms:.1f} | {exact_ms:.1f} | {rounded_ms:.1f}"
    return f"| {name} | {cells} | {exact_ms / keras_ms:.2f} | {rounded_ms / keras_ms:.2f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=int, nargs="?", default=50)
    runs = parser.parse_args().runs
    print("| package | Keras, ms | fp32, ms | fp16, ms | fp32 / Keras | fp16 / Keras |")
    print("|---|---|---|---|---|---|")
    print(compare(RAW_DETECTOR, load_detector(paths.SSD), runs))
    print(compare(SEGMENTER, load_segmenter(paths.UNET), runs))


if __name__ == "__main__":
    with clean_exit():
        main()
