"""Writing an `.mlpackage` whose bytes depend on its content only.

coremltools gives each file a random identifier, serialises protobuf maps in hash order and notes
the day of conversion: the same model differs from run to run. Here identifiers derive from the
paths, the serialisation is deterministic and the date is left out, so that a cache keyed by
content (DVC's) knows an unchanged model.
"""

import json
import uuid
from pathlib import Path

from meishi.atomic import replace_folder
from meishi.coreml.toolkit import ct
from meishi.errors import InputError

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


def spec_path(path: Path) -> Path:
    """Return the path of the package's model file, as its manifest names it.

    Raises:
        InputError: if `path` is not a package or its manifest is damaged.
    """
    path = Path(path)
    try:
        manifest = json.loads((path / "Manifest.json").read_text(encoding="utf-8"))
        root = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"]
    except FileNotFoundError:
        raise InputError(f"{path}: not a Core ML package: there is no Manifest.json") from None
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(f"{path}/Manifest.json: damaged ({error!r}); convert again") from error
    return path / "Data" / root


def _stabilise(package: Path) -> None:
    model_file = spec_path(package)
    spec = ct.proto.Model_pb2.Model()
    spec.ParseFromString(model_file.read_bytes())
    spec.description.metadata.userDefined.pop(_DATE, None)
    for part in spec.pipeline.models:
        part.description.metadata.userDefined.pop(_DATE, None)
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


def _identifier(path_in_package: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, path_in_package)).upper()
