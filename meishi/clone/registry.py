"""The model registry: which git tags name a version of a model, or the stage it is in.

The tags are GTO's: `card-detector@v1.2.0` registers a version, `card-detector#release#3` puts it
into a stage. GTO takes any name; here a name must stand under `artifacts:` in dvc.yaml and a stage
in .gto, as they are in the tagged commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from meishi.clone.probing import ask
from meishi.errors import InputError, summary

TAGS = "refs/tags/"
FORMS = "NAME@v1.2.3, NAME#STAGE#1, either with ! to take it back, or NAME@deprecated#1"


class RegistryError(InputError):
    """A ref is none of the registry's tags; every fault is listed."""


@dataclass(frozen=True)
class Declared:
    """What a commit declares.

    Attributes:
        names: of the artifacts in dvc.yaml.
        stages: in .gto, in its order.
    """

    names: tuple[str, ...]
    stages: tuple[str, ...]


def check_refs(refs: Sequence[str], folder: Path = Path()) -> list[str]:
    """Check that each ref registers or assigns a declared artifact.

    Args:
        refs: tags, with or without refs/tags/; they need not exist yet.
        folder: the git repository.

    Returns:
        A line a ref: what it does.

    Raises:
        RegistryError: if a ref does not have a tag's form, or names another artifact or stage.
    """
    faults: list[str] = []
    said = [_check(ref.removeprefix(TAGS), folder, faults) for ref in refs]
    if faults:
        raise RegistryError(summary(faults))
    return said


def _check(tag: str, folder: Path, faults: list[str]) -> str:
    from gto.tag import parse_name

    parsed = parse_name(tag, raise_on_fail=False)
    if not parsed:
        faults.append(f"{tag}: no tag of the registry; expected {FORMS}")
        return ""
    declared = read_declared(tag, folder)
    name, stage = parsed["name"], parsed.get("stage")
    if name not in declared.names:
        faults.append(f"{tag}: dvc.yaml has no artifact {name!r}{_hint(name, declared.names)}")
    if stage and stage not in declared.stages:
        faults.append(f"{tag}: .gto has no stage {stage!r}{_hint(stage, declared.stages)}")
    return f"{tag}: {parsed['action'].value} {name} {parsed.get('version') or stage or ''}".rstrip()


def read_declared(tag: str, folder: Path) -> Declared:
    """Read what the tagged commit declares; the working copy if there is no such tag."""
    pipeline, registry = (_read(file, tag, folder) for file in ("dvc.yaml", ".gto"))
    return Declared(tuple(pipeline.get("artifacts") or ()), tuple(registry.get("stages") or ()))


def _read(file: str, tag: str, folder: Path) -> dict[str, Any]:
    commit = ["git", "rev-parse", "--verify", "--quiet", f"{TAGS}{tag}^{{commit}}"]
    if ask(commit, folder) is None:
        path = folder / file
        text = path.read_text(encoding="utf-8") if path.exists() else None
    else:
        text = ask(["git", "show", f"{TAGS}{tag}:{file}"], folder)
    return YAML(typ="safe").load(text or "") or {}


def _hint(word: str, known: Sequence[str]) -> str:
    near = get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known) or 'none'}"
