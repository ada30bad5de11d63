"""Data sources: folders of labelled scenes and other tools' exports, verified before any use.

Nothing is skipped: every fault is collected, and the data is refused as a whole. Design and
background names are taken to mean the same in every source of scenes: no split separates them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from meishi.data.importers.choosing import in_order
from meishi.data.importers.downloading import DownloadError, file_sha256, shown
from meishi.data.importers.importing import import_scenes
from meishi.data.importers.locating import is_remote, local_path
from meishi.data.importers.registry import READERS
from meishi.data.manifest import MANIFEST_FILE, read_checked, read_manifest, read_seen
from meishi.data.own_source import Scene, manifest_of, read_source
from meishi.data.records import Record
from meishi.data.source_faults import OWN_FORMAT, source_faults
from meishi.errors import InputError, summary
from meishi.params import FetchParams, SourceParams


class SourceError(InputError):
    """A source is not as its manifest says, or holds an unusable scene; every fault is listed."""


def verified_scenes(params: FetchParams, copies: list[str] | None = None) -> Iterator[Scene]:
    """Yield every scene of every source, in order, and check each file on the way.

    Checked are all hashes, that an image can be decoded in full and has the stated size, the
    form of each record, its quads, that no id occurs twice, and the weights. Ids and image names
    get the source's name as a prefix when there is more than one; the attribute `source` names it.
    A picture that two sources hold comes once, if both label it alike.

    Args:
        params: the sources.
        copies: receives a line for each scene that is left out so.

    Raises:
        SourceError: at once for what params.yaml alone shows; at the end for any other fault: what
            was yielded must not be used then.
    """
    if unusable := source_faults(params.sources):  # before all is read
        raise _refusal(unusable)
    keys = ("weights", "direction_weights")
    faults = list(dict.fromkeys(fault for key in keys for fault in _weight_faults(params, key)))
    copies, pictures = [] if copies is None else copies, dict[str, Record]()
    prefixed = len(params.sources) > 1
    yield from _scenes(params.sources, faults, prefixed, pictures, copies)
    also: list[str] = []
    _seen(params, also)
    for record, _ in _without_cards(params, also):  # told with the rest; they are few
        if record.sha256 in pictures:
            also.append(
                f"params.yaml [fetch.without_cards]: {record.id} is the same picture as "
                f"{pictures[record.sha256].id}, a scene of fetch.sources; remove one of the two"
            )
    faults += [fault for fault in also if fault not in faults]
    if faults:
        raise _refusal(faults)


def _refusal(faults: Sequence[str]) -> SourceError:
    return SourceError(f"the data is refused, faults: {len(faults)}\n{summary(faults)}")


def without_cards(params: FetchParams) -> Iterator[Scene]:
    """Yield every photo of `fetch.without_cards`, checked; ids begin with the source's name.

    Raises:
        SourceError: at the end, if there was any fault, as `verified_scenes` would tell, too.
    """
    faults: list[str] = []
    yield from _without_cards(params, faults)
    if faults:
        raise SourceError("\n".join(faults))


def _without_cards(params: FetchParams, faults: list[str]) -> Iterator[Scene]:
    if not params.without_cards:
        return
    faults += source_faults([*params.sources, *params.without_cards])
    for record, content in _scenes(params.without_cards, faults, True, {}, []):
        if record.cards:
            faults.append(
                f"params.yaml [fetch.without_cards]: source {record.attributes['source']!r}: "
                f"{record.id}: expected a photo without a card, got {len(record.cards)} labelled; "
                "name its source in fetch.sources"
            )
        yield record, content


def _scenes(
    given: Sequence[SourceParams],
    faults: list[str],
    prefixed: bool,
    pictures: dict[str, Record],
    copies: list[str],
) -> Iterator[Scene]:
    """Yield the scenes of sources.

    Args:
        given: the sources.
        faults: receives every fault.
        prefixed: whether ids begin with the source's name.
        pictures: receives the first scene of each picture, by its sha256.
        copies: receives a line for each scene whose picture another source holds, labelled alike.
    """
    taken: dict[str, str] = {}
    for source in given:
        prefix = f"{source.name}-" if prefixed else ""
        for record, content in _read(source, faults):
            name = f"{prefix}{record.id}"
            if name in taken:
                faults.append(
                    f"{shown(source.path)}: {name} is also the id of a scene of {taken[name]}"
                )
            taken[name] = shown(source.path)
            image = name + PurePosixPath(record.image).suffix
            # First, and whatever the record says: it may have been another source's.
            attributes = {"source": "", **record.attributes} | {"source": source.name}
            scene = replace(record, id=name, image=image, attributes=attributes)
            first = pictures.setdefault(scene.sha256, scene)
            if first.attributes["source"] == source.name:
                yield scene, content
            elif in_order(first.quads) == in_order(scene.quads):
                copies.append(f"{name}: the same picture as {first.id}, with the same labels")
            else:
                faults.append(
                    f"{shown(source.path)}: {name} is the same picture as {first.id} of "
                    f"{taken[first.id]}, labelled otherwise; remove the one that is wrong"
                )


def seen_scenes(params: FetchParams) -> set[str]:
    """List what the networks in the weights were trained on: sha256 of image files.

    Raises:
        SourceError: if a list is not as its manifest says, as `verified_scenes` would tell, too.
    """
    faults: list[str] = []
    found = _seen(params, faults)
    if faults:
        raise SourceError("\n".join(faults))
    return found


def _seen(params: FetchParams, faults: list[str]) -> set[str]:
    found: set[str] = set()
    for source in params.sources:
        if source.format == OWN_FORMAT and not is_remote(source.path):
            manifest = manifest_of(source, faults)
            found |= read_seen(Path(source.path), manifest, faults) if manifest else set()
    return found


def _weight_faults(params: FetchParams, key: str) -> list[str]:
    """Check a file of weights against the manifest of the source it lies in."""
    file = Path(getattr(params, key))
    for source in params.sources:
        if source.format != OWN_FORMAT:
            continue
        manifest = read_manifest(Path(source.path), [])
        if manifest and manifest.weights and Path(source.path) / manifest.weights.file == file:
            faults: list[str] = []
            read_checked(file, manifest.weights.sha256, faults)
            return faults
        if manifest is None:
            return []  # that fault is told where the source is read
    return [
        f"params.yaml [fetch]: {key}: {file} stands in the {MANIFEST_FILE} of no source; keep the "
        "one that ships it in fetch.sources, or name weights that another one ships"
    ]


def _read(source: SourceParams, faults: list[str]) -> Iterator[Scene]:
    if source.format == OWN_FORMAT:
        if not is_remote(source.path):  # that fault is told with the names
            yield from read_source(source, faults)
    elif source.format in READERS:
        try:
            path = local_path(source.path, source.sha256)
        except DownloadError as error:
            faults.append(str(error))
            return
        if is_remote(source.path) and not source.sha256:
            # Else two runs of one commit could read different data.
            faults.append(
                f"params.yaml [fetch]: source {source.name!r}: sha256: a URL needs it; the file "
                f"that came has {file_sha256(path)}: state it if that is the one you mean"
            )
        yield from import_scenes(path, source.format, source.labels, source.name, faults)
