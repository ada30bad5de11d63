"""Where the pipeline reads and writes.

Every path is relative to the working directory, which is the repository's root for the stages
(DVC runs them there). dvc.yaml names the same paths: a stage that wrote elsewhere would fail.
"""

from pathlib import Path

PARAMS = Path("params.yaml")

BUILD = Path("build")
RAW = BUILD / "raw"
SSD_WEIGHTS = BUILD / "ssd_weights.npz"
UNET_WEIGHTS = BUILD / "unet_weights.npz"
DIRECTION_WEIGHTS = BUILD / "direction_weights.npz"
PREPARED = BUILD / "prepared"
TRAIN = PREPARED / "train"
VAL = PREPARED / "val"
TEST = PREPARED / "test"
AUGMENTED = BUILD / "augmented"
CHECKPOINTS = BUILD / "checkpoints"

MODELS = Path("models")
SSD = MODELS / "ssd"
UNET = MODELS / "unet"
DIRECTION = MODELS / "direction"
FLAT = MODELS / "flat"
COREML = MODELS / "coreml"
FROZEN = MODELS / "frozen"
TFLITE = MODELS / "tflite"

METRICS = Path("metrics")
PLOTS = Path("plots")
AUGMENTED_SHEET = PLOTS / "augmented.jpg"
OVERLAYS = PLOTS / "overlays"
