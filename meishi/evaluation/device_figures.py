"""Times on Apple's chips that others published: what the device model is calibrated on.

None was measured here. Multiply-accumulates of the Keras nets are counted from
`keras.applications`, those of FastViT are the paper's (arXiv 2303.14189, table 4), of which the few
depthwise ones are not told apart.
"""

from dataclasses import dataclass

FASTVIT = "https://github.com/apple/ml-fastvit (README, iPhone 12 Pro, ModelBench)"
COREML_DOCS = (
    "https://apple.github.io/coremltools/docs-guides/source/opt-palettization-perf.html "
    "(float16, iPhone 14 Pro)"
)
CLASSIFIERS = "https://github.com/tucan9389/ImageClassification-CoreML (README, in an app)"
DETECTORS = "https://github.com/tucan9389/ObjectDetection-CoreML (README, in an app)"


@dataclass(frozen=True)
class Chip:
    """Speed of a Neural Engine as Apple announced it, in 10^12 float16 operations a second."""

    tops: float
    note: str


# Apple's newsroom at each launch. From A17 Pro on the figure is for int8: half of it in float16.
CHIPS = {
    "A12": Chip(5.0, "announced with iPhone XS"),
    "A13": Chip(6.0, "announced as 20 % faster than A12"),
    "A14": Chip(11.0, "announced with iPad Air 4"),
    "A15": Chip(15.8, "announced with iPhone 13"),
    "A16": Chip(17.0, "announced with iPhone 14 Pro"),
    "A17 Pro": Chip(17.5, "35 announced, taken as int8"),
    "A18": Chip(17.5, "35 announced, taken as int8"),
}


@dataclass(frozen=True)
class Published:
    """One published time.

    Attributes:
        net: which network.
        chip: key of `CHIPS`.
        dense, depthwise: 10^9 multiply-accumulates of one image, by kind of convolution.
        ms: of one prediction, the model alone or an image in an app.
        source: where it stands.
    """

    net: str
    chip: str
    dense: float
    depthwise: float
    ms: float
    source: str


@dataclass(frozen=True)
class PublishedLive:
    """A published time of one image in an app, and the frames a second of its camera loop."""

    net: str
    chip: str
    single_ms: float
    fps: float
    source: str


ISOLATED = (
    *(
        Published(f"FastViT-{name}", "A14", macs, 0.0, ms, FASTVIT)
        for name, macs, ms in (
            ("T8", 0.7, 0.8),
            ("T12", 1.4, 1.2),
            ("S12", 1.8, 1.4),
            ("SA12", 1.9, 1.6),
            ("SA24", 3.8, 2.6),
            ("SA36", 5.6, 3.5),
            ("MA36", 7.9, 4.6),
        )
    ),
    Published("MobileNetV2", "A16", 0.280, 0.0207, 0.48, COREML_DOCS),
    Published("MobileNetV3-small", "A16", 0.049, 0.0075, 0.13, COREML_DOCS),
    Published("ResNet50", "A16", 3.858, 0.0, 1.52, COREML_DOCS),
)

# The median of the devices with that chip. SSDLite: the backbone at 300, heads left out.
SINGLE_IMAGE = (
    *(
        Published(name, chip, dense, depthwise, ms, CLASSIFIERS)
        for name, dense, depthwise, times in (
            ("MobileNet", 0.551, 0.0174, {"A12": 18, "A13": 13, "A14": 17}),
            ("MobileNetV2", 0.280, 0.0207, {"A12": 21, "A13": 14, "A14": 15}),
            ("ResNet50", 3.858, 0.0, {"A12": 26, "A13": 20, "A14": 21}),
        )
        for chip, ms in times.items()
    ),
    Published("MobileNetV2-SSDLite", "A12", 0.529, 0.0385, 31, DETECTORS),
    Published("MobileNetV2-SSDLite", "A13", 0.529, 0.0385, 18, DETECTORS),
)

CAMERA_FPS = 30.0  # of the apps; whatever is as fast as the camera says nothing about the phone
LIVE = (
    PublishedLive("MobileNetV2-SSDLite", "A12", 31, 23, DETECTORS),
    PublishedLive("ObjectDetector", "A12", 24, 23, DETECTORS),
    PublishedLive("YOLOv3Tiny", "A12", 46, 21, DETECTORS),
    PublishedLive("YOLOv3", "A12", 108, 8, DETECTORS),
    PublishedLive("YOLOv3", "A13", 83, 9, DETECTORS),
)
