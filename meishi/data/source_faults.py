"""What is wrong with `fetch.sources` by itself, before anything of a source is read."""

from collections.abc import Sequence

from meishi.data import records
from meishi.data.importers.downloading import shown
from meishi.data.importers.locating import is_remote
from meishi.data.importers.registry import READERS
from meishi.data.manifest import MANIFEST_FILE
from meishi.params import SourceParams

OWN_FORMAT = "meishi"


def source_faults(sources: Sequence[SourceParams]) -> list[str]:
    """Say in words what keeps the sources from being read; empty when they are sound."""
    if not sources:
        return ["params.yaml [fetch]: sources is empty; name one folder at least"]
    names = [source.name for source in sources]
    unusable = [
        f"params.yaml [fetch]: source name {name!r}: {records.NAME_RULE}"
        for name in names
        if not records.NAME.fullmatch(name)
    ]
    unusable += [
        f"params.yaml [fetch]: source {source.name!r}: format {source.format!r}; there are "
        f"{', '.join((OWN_FORMAT, *READERS))}"
        for source in sources
        if source.format not in (OWN_FORMAT, *READERS)
    ]
    unusable += [
        f"params.yaml [fetch]: source {source.name!r}: {fault}"
        for source in sources
        if source.format == OWN_FORMAT
        for fault in _own_format_faults(source)
    ]
    return unusable + [
        f"params.yaml [fetch]: two sources are called {name!r}"
        for name in sorted(set(names))
        if names.count(name) > 1
    ]


def _own_format_faults(source: SourceParams) -> list[str]:
    """Say which fields are of other formats alone."""
    faults = [f"labels: {OWN_FORMAT} has none"] if source.labels else []
    if source.sha256:
        faults.append(f"sha256: {MANIFEST_FILE} states those of its files; leave it out")
    if is_remote(source.path):
        faults.append(
            f"path: {OWN_FORMAT} is read from a folder; fetch {shown(source.path)} first, with "
            "`dvc import-url` for instance"
        )
    return faults
