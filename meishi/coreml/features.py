"""The inputs of a Core ML model, as its description declares them, and what is allowed for each.

A picture is given as RGB (H, W, 3) of 0..255, or (H, W) for a grey input; the description's colour
order makes (1, C, H, W) of it. An array is given in the declared shape, in one of the enumerated
ones, or within the declared range.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from meishi.coreml.toolkit import ct
from meishi.errors import InputError

_PICTURE = ct.proto.FeatureTypes_pb2.ImageFeatureType
_ARRAY = ct.proto.FeatureTypes_pb2.ArrayFeatureType
_TYPES = {"FLOAT16": "fp16", "FLOAT32": "fp32", "DOUBLE": "fp64", "INT32": "int32", "INT8": "int8"}
_GREY = ("GRAYSCALE", "GRAYSCALE_FLOAT16")

Range = tuple[int, int | None]  # of an axis; None: no upper bound


@dataclass(frozen=True)
class Feature:
    """One input or output.

    Attributes:
        name: as the model has it.
        kind: "image", "array", or the description's own word for another kind.
        type: an array's type of numbers, or a picture's colour layout.
        shape: an array's shape, or a picture's (height, width); the default where several are.
        choices: the enumerated shapes; empty if there is none.
        ranges: bounds of each axis; empty if the shape is not a range.
        optional: whether it may be left out.
        default: what an optional array is filled with.
    """

    name: str
    kind: str
    type: str = ""
    shape: tuple[int, ...] = ()
    choices: tuple[tuple[int, ...], ...] = ()
    ranges: tuple[Range, ...] = ()
    optional: bool = False
    default: float | None = None

    @classmethod
    def from_spec(cls, spec) -> "Feature":
        """Read a FeatureDescription."""
        kind = spec.type.WhichOneof("Type")
        if kind == "imageType":
            return _picture(spec)
        if kind == "multiArrayType":
            return _array(spec, spec.type.multiArrayType)
        if kind == "stateType":
            return _array(spec, spec.type.stateType.arrayType)
        return cls(
            spec.name, (kind or "nothing").removesuffix("Type"), optional=spec.type.isOptional
        )

    @property
    def is_grey(self) -> bool:
        """Whether it is a picture of one channel."""
        return self.kind == "image" and self.type in _GREY

    @property
    def may_lack(self) -> bool:
        """Whether a prediction may leave it out."""
        return self.optional or self.default is not None

    def fault(self, shape: Sequence[int]) -> str | None:
        """Say what is wrong with a shape ((height, width) of a picture); None if nothing is."""
        shape = tuple(shape)
        if self.choices:
            allowed = shape in self.choices
        elif self.ranges:
            allowed = len(shape) == len(self.ranges) and all(
                low <= size and (high is None or size <= high)
                for size, (low, high) in zip(shape, self.ranges, strict=True)
            )
        else:
            allowed = not self.shape or shape == self.shape
        return None if allowed else f"{self.name} must be {self.wanted()}, got {shape}"

    def blank(self) -> np.ndarray:
        """Return what stands for an input that is left out, as `tensor` takes it."""
        channels = (3,) if self.kind == "image" and not self.is_grey else ()
        return np.full((*self.shape, *channels), self.default or 0.0)

    @property
    def is_half(self) -> bool:
        """Say whether its numbers are float16 as they come."""
        return self.type in ("fp16", "GRAYSCALE_FLOAT16")

    def wanted(self) -> str:
        """Describe the shapes that are allowed."""
        if self.choices:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        if self.ranges:
            bounds = [_bounds(low, high) for low, high in self.ranges]
            return f"({', '.join(bounds)})"
        return str(self.shape)

    def tensor(self, value: np.ndarray) -> np.ndarray:
        """Check a value and give it the layout and the type that the model computes with.

        Args:
            value: an array, or a picture as described above.

        Returns:
            float32 or int32; a picture as (1, C, H, W).

        Raises:
            InputError: for a shape or a kind of picture that the model does not take.
        """
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise InputError(f"{self.name}: expected numbers, got {array.dtype}")
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise InputError(f"{self.name}: {np.isnan(array).sum()} values are NaN")
        if self.kind == "image":
            return self._pixels(array)
        if self.type.startswith("int"):
            self._check_integers(array)
        if array.ndim == 0 and self.shape == (1,):
            array = array.reshape(1)  # Core ML has no arrays without axes
        fault = self.fault(array.shape)
        if fault:
            raise InputError(fault)
        return array.astype(np.int32 if self.type.startswith("int") else np.float32)

    def _check_integers(self, array: np.ndarray) -> None:
        """Refuse what a conversion to int32, which is what runs, would wrap or cut."""
        limits = np.iinfo(np.int8 if self.type == "int8" else np.int32)
        fits = (array >= limits.min) & (array <= limits.max)  # infinite values do not
        if not fits.all():
            got, span = array[~fits].ravel()[0], f"{limits.min}..{limits.max}"
            raise InputError(f"{self.name}: expected {self.type}, {span}, got {got}")
        if array.dtype.kind == "f" and (array % 1).any():
            raise InputError(f"{self.name}: expected integers ({self.type}), got fractions")

    def _pixels(self, array: np.ndarray) -> np.ndarray:
        channels = () if self.is_grey else (3,)
        if self.is_grey and array.ndim == 3 and array.shape[2] == 1:
            array = array[..., 0]
        fault = self.fault(array.shape[:2])
        if array.shape[2:] != channels or fault:
            size = self.shape if fault is None else None
            wanted = "(H, W)" if self.is_grey else "(H, W, 3)"
            plain = not (self.choices or self.ranges)
            if plain:
                wanted = str((*self.shape, *channels))
            elif fault and size is None:
                wanted = f"{wanted} with (H, W) {self.wanted()}"
            raise InputError(f"{self.name} must be {wanted}, got {array.shape}")
        array = array.astype(np.float32)
        if self.type != "GRAYSCALE_FLOAT16" and not ((array >= 0) & (array <= 255)).all():
            span = f"{array.min():g}..{array.max():g}"
            raise InputError(f"{self.name}: expected pixels of 0..255, got {span}")
        if self.is_grey:
            return array[None, None]
        array = array[..., ::-1] if self.type == "BGR" else array
        return np.ascontiguousarray(array.transpose(2, 0, 1))[None]

    def number(self, value: np.ndarray) -> np.ndarray:
        """Make an output that is one number, a regressor's, an array without axes.

        Raises:
            InputError: if the model makes more of them.
        """
        array = np.asarray(value)
        if array.size != 1:
            raise InputError(
                f"{self.name} is described as one number, but the model makes {array.shape}"
            )
        return array.reshape(())

    def picture(self, value: np.ndarray) -> np.ndarray:
        """Make an image output, (1, C, H, W), RGB uint8 (H, W, 3) or grey (H, W).

        Raises:
            InputError: if what the model makes is no such picture.
        """
        array = np.asarray(value)
        channels = 1 if self.is_grey else 3
        if array.ndim != 4 or array.shape[:2] != (1, channels):
            raise InputError(
                f"{self.name} is described as a picture ({self.type}), made of "
                f"(1, {channels}, H, W), but the model makes {array.shape}"
            )
        array = array[0]
        if self.type != "GRAYSCALE_FLOAT16":
            array = np.clip(np.rint(array), 0, 255).astype(np.uint8)
        if self.is_grey:
            return array[0]
        array = array.transpose(1, 2, 0)
        return array[..., ::-1] if self.type == "BGR" else array


def by_label(labels: Sequence, probabilities: np.ndarray) -> dict:
    """Name probabilities; of classes of one label, as ImageNet's two cranes, the likeliest's."""
    found: dict = {}
    for label, share in zip(labels, map(float, probabilities), strict=True):
        found[label] = max(share, found.get(label, share))
    return found


def kind_name(kinds, number: int) -> str:
    """Name a value of an enumeration of the format; `checks` refuses to run one without a name."""
    return kinds.Name(number) if number in kinds.values() else f"unknown kind {number}"


def _picture(spec) -> Feature:
    image = spec.type.imageType
    sizes = image.enumeratedSizes.sizes
    span = image.imageSizeRange
    flexible = image.WhichOneof("SizeFlexibility")
    ranges = [_range(part) for part in (span.heightRange, span.widthRange)]
    return Feature(
        spec.name,
        "image",
        kind_name(_PICTURE.ColorSpace, image.colorSpace),
        (image.height, image.width),
        tuple((size.height, size.width) for size in sizes),
        tuple(ranges) if flexible == "imageSizeRange" else (),
        spec.type.isOptional,
    )


def _array(spec, array) -> Feature:
    kind = kind_name(_ARRAY.ArrayDataType, array.dataType)
    flexible = array.WhichOneof("ShapeFlexibility")
    default = array.WhichOneof("defaultOptionalValue")
    return Feature(
        spec.name,
        "array",
        _TYPES.get(kind, kind),
        tuple(array.shape),
        tuple(tuple(shape.shape) for shape in array.enumeratedShapes.shapes),
        tuple(_range(axis) for axis in array.shapeRange.sizeRanges)
        if flexible == "shapeRange"
        else (),
        spec.type.isOptional,
        None if default is None else float(getattr(array, default)),
    )


def _range(part) -> Range:
    return int(part.lowerBound), None if part.upperBound < 0 else int(part.upperBound)


def _bounds(low: int, high: int | None) -> str:
    if low == high:
        return str(low)
    return f"{low}.." if high is None else f"{low}..{high}"
