"""Reading a Core ML package, and writing one whose bytes depend on its content only.

coremltools gives each file a random identifier, serialises protobuf maps in hash order and notes
the day of conversion: the same model differs from run to run. Here identifiers derive from the
paths, the serialisation is deterministic and the date is left out, so that a cache keyed by
content (DVC's) knows an unchanged model.
"""

import json
import shutil
import uuid
import zipfile
from pathlib import Path

from google.protobuf.message import DecodeError

from meishi.coreml.toolkit import ct
from meishi.errors import InputError
from meishi.files.atomic import atomic_write_bytes, replace_folder

NEWEST = 10  # specification version of iOS 26, the last that coremltools 9 writes
_DATE = "com.github.apple.coremltools.conversion_date"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://apple.com/coreml/mlpackage")


def save_package(model: "ct.models.MLModel", path: Path) -> None:
    """Save a model as a byte-stable `.mlpackage`, replacing `path` whole.

    Raises:
        ValueError: if `path` does not end in `.mlpackage`.
    """
    path = Path(path)
    if path.suffix != ".mlpackage":
        raise ValueError(f"{path}: a Core ML package's name must end in .mlpackage")
    with replace_folder(path) as partial:
        inside = partial / path.name  # coremltools insists on making the folder itself
        model.save(str(inside))
        _stabilise(inside)
        for entry in sorted(inside.iterdir()):
            entry.rename(partial / entry.name)
        inside.rmdir()


def save_model(model: "ct.models.MLModel", path: Path) -> None:
    """Save a model byte-stable: an `.mlpackage`, or a neural network as one `.mlmodel` file."""
    path = Path(path)
    if path.suffix != ".mlmodel":
        save_package(model, path)
        return
    spec = model.get_spec()
    _drop_dates(spec)
    atomic_write_bytes(path, spec.SerializeToString(deterministic=True))


def restamp_package(source: Path, target: Path, facts: dict[str, str]) -> None:
    """Copy a package to `target`, replacing it whole, with free keys added to its metadata."""
    with replace_folder(target) as partial:
        shutil.copytree(source, partial, dirs_exist_ok=True)
        spec, _ = read_spec(partial)
        spec.description.metadata.userDefined.update(facts)
        spec_path(partial).write_bytes(spec.SerializeToString(deterministic=True))


def spec_path(path: Path) -> Path:
    """Return the path of the package's model file, as its manifest names it.

    Raises:
        InputError: if `path` is not a package or its manifest is damaged or leaves the package.
    """
    path = Path(path)
    if path.is_file():
        kind = "a zip archive: unpack it first" if zipfile.is_zipfile(path) else "a file"
        raise InputError(
            f"{path}: neither a Core ML package, which is a folder, nor an .mlmodel file, "
            f"but {kind}"
        )
    if not path.exists():
        raise InputError(f"{path}: there is no such file or folder")
    if (path / "coremldata.bin").exists():
        raise InputError(f"{path}: a compiled model, of which only Core ML knows the format")
    try:
        manifest = json.loads((path / "Manifest.json").read_text(encoding="utf-8-sig"))
        items = {name: item["path"] for name, item in manifest["itemInfoEntries"].items()}
        root = items[manifest["rootModelIdentifier"]]
    except FileNotFoundError:
        raise InputError(f"{path}: not a Core ML package: there is no Manifest.json") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}/Manifest.json: damaged ({error!r}); convert again") from error
    for item in items.values():
        if not _inside(path / "Data", item):
            fault = leaves(path / "Data" / str(item), f"the path {item!r}")
            raise InputError(f"{path}/Manifest.json: {fault}")
    return path / "Data" / root


def leaves(file: Path, name: str) -> str:
    """Say that a file is outside its package; of a link, what may have made it."""
    linked = any(part.is_symlink() for part in (file, file.parent))
    why = " by a link (of DVC? `dvc config cache.type copy`, `dvc checkout --relink`)"
    return f"{name} leaves the package{why if linked else ''}"


def _inside(folder: Path, item) -> bool:
    try:
        return (folder / item).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, TypeError, ValueError):  # a circle of links, no path at all
        return False


def read_spec(path: Path):
    """Read a model's specification.

    Args:
        path: an `.mlpackage` folder, or an `.mlmodel` file.

    Returns:
        The Model message and the folder of its weight files.

    Raises:
        InputError: if it is missing, damaged or newer than this runtime.
    """
    path = Path(path)
    single = path.is_file() and path.suffix == ".mlmodel" and not zipfile.is_zipfile(path)
    model_file = path if single else spec_path(path)
    spec = ct.proto.Model_pb2.Model()
    try:
        spec.ParseFromString(model_file.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{model_file}: missing from the package; convert again") from None
    except IsADirectoryError:
        raise InputError(f"{model_file}: a folder where the model file should be") from None
    except OSError as error:
        raise InputError(f"{model_file}: cannot be read: {error}") from error
    except DecodeError as error:
        raise InputError(f"{model_file}: damaged ({error}); convert again") from error
    if spec.WhichOneof("Type") is None:
        raise InputError(f"{model_file}: damaged: it holds no model; convert again")
    if spec.specificationVersion > NEWEST:
        raise InputError(
            f"{path}: specification version {spec.specificationVersion} is from the future: "
            f"{NEWEST} is the newest that this runtime knows"
        )
    return spec, model_file.parent / "weights"


def _stabilise(package: Path) -> None:
    model_file = spec_path(package)
    spec = ct.proto.Model_pb2.Model()
    spec.ParseFromString(model_file.read_bytes())
    _drop_dates(spec)
    model_file.write_bytes(spec.SerializeToString(deterministic=True))

    manifest_file = package / "Manifest.json"
    manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    names = {old: _identifier(item["path"]) for old, item in manifest["itemInfoEntries"].items()}
    manifest["itemInfoEntries"] = {
        names[old]: item for old, item in manifest["itemInfoEntries"].items()
    }
    manifest["rootModelIdentifier"] = names[manifest["rootModelIdentifier"]]
    text = json.dumps(manifest, indent=4, sort_keys=True) + "\n"
    manifest_file.write_text(text, encoding="utf-8")


def _drop_dates(spec) -> None:
    for part in (spec, *(spec.pipeline.models if spec.WhichOneof("Type") == "pipeline" else ())):
        part.description.metadata.userDefined.pop(_DATE, None)


def _identifier(path_in_package: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, path_in_package)).upper()
