"""What each kernel of a network costs at so many bits: what `tune.*.kernel_bits` were chosen by.

`python docs/kernel_bits.py ssd|unet [PICTURES]`: one kernel at a time is put on a palette of 4, 16
or 64 values, or on its int8 grid; all else stays in float32, and nothing is tuned. The figure is
the distance from the float32 network, which fine-tuning lowers, on training pictures. 2 minutes.
"""

import argparse

import numpy as np
from tqdm import tqdm

from meishi import paths
from meishi.compression import grids, networks, palettes
from meishi.compression.folding import fold_batch_norms
from meishi.errors import clean_exit
from meishi.keras import keras, tf
from meishi.pictures import images

SMALLEST = 16000  # values of a kernel that is worth the question
BITS = (2, 4, 6, 0)  # as in `kernel_bits`: 0 for the int8 grid


def rounded(kernel: np.ndarray, bits: int) -> np.ndarray:
    """Put a kernel on a palette of 2^bits values, or on its int8 grid for 0."""
    if bits == 0:
        return grids.int8_grid(kernel, 3)
    palette = palettes.make_palette(kernel, 2**bits)
    return palettes.nearest(kernel, palette).astype(np.float32)


def main() -> None:
    """Print a row for each large kernel, the costliest at four bits first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=("ssd", "unet"))
    parser.add_argument("pictures", type=int, nargs="?", default=96)
    given = parser.parse_args()
    name, count = given.network, given.pictures
    network = networks.load(name, paths.MODELS / name, paths.AUGMENTED)
    folded = fold_batch_norms(network.model)
    jpegs = network.samples.jpegs
    chosen = np.random.default_rng(0).permutation(len(jpegs))[:count]
    pictures = np.stack([images.decode(jpegs[index]) for index in chosen]).astype(np.float32)
    heads = [folded.get_layer(head).output for head in network.distillation.heads]
    ends = keras.Model(folded.input, heads)

    def answers():
        return tf.nest.flatten(ends.predict(pictures, batch_size=16, verbose=0))

    expected, rows = answers(), []
    layers = [x for x in folded.layers if type(x) is keras.layers.Conv2D]
    for layer in tqdm([x for x in layers if np.prod(x.kernel.shape) >= SMALLEST], leave=False):
        kernel, bias = layer.get_weights()
        costs = []
        for bits in BITS:
            layer.set_weights([rounded(kernel, bits), bias])
            costs.append(float(network.distillation.distance(answers(), expected)["distance"]))
        layer.set_weights([kernel, bias])
        rows.append((layer.name, kernel.size, *costs))
    columns = [f"{bits} bits" if bits else "int8" for bits in BITS]
    print("| kernel | values | " + " | ".join(columns) + " |")
    print("|---|---|" + "---|" * len(BITS))
    for layer, size, *costs in sorted(rows, key=lambda row: -row[3]):
        print(f"| {layer} | {size:,} | " + " | ".join(f"{cost:.5f}" for cost in costs) + " |")


if __name__ == "__main__":
    with clean_exit():
        main()
