"""Which JSON and XML files of a source are label files.

A file of another kind is left out and counted, unless something names it as one: the user, its
name, or a picture of the same name beside it. Then it is refused by name. So is a file that cannot
be parsed, or is a label file with a part missing: its records would be lost.
"""

import posixpath
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from meishi.data.importers.folding import folded
from meishi.data.importers.labelled import Tally
from meishi.data.importers.nodes import MalformedError, load_json, load_xml
from meishi.data.importers.opening import OpenError, Source
from meishi.pictures.images import SUFFIXES

MAX_OTHERS_TOLD = 3


def json_files(
    source: Source,
    kind: str,
    why_not: Callable[[Any], str | None],
    named: Callable[[str], bool],
    faults: list[str],
    tally: Tally,
) -> Iterator[tuple[str, Any]]:
    """Yield the label files of a kind, parsed.

    Args:
        source: where.
        kind: what messages call them, such as "COCO annotation".
        why_not: says in words why a parsed file is none, None for one; raises MalformedError for
            one that is damaged.
        named: tells whether a name marks a file as one.
        faults: receives files that are damaged, or named as one and none.
        tally: counts the others.
    """
    yield from _files(source, (".json",), kind, load_json, why_not, named, faults, tally)


def xml_files(
    source: Source,
    kind: str,
    why_not: Callable[[ET.Element], str | None],
    named: Callable[[str], bool],
    faults: list[str],
    tally: Tally,
) -> Iterator[tuple[str, ET.Element]]:
    """Yield the label files of a kind, parsed; see `json_files`."""
    yield from _files(source, (".xml",), kind, load_xml, why_not, named, faults, tally)


def _files(
    source: Source,
    suffixes: tuple[str, ...],
    kind: str,
    load: Callable[[bytes], Any],
    why_not: Callable[[Any], str | None],
    named: Callable[[str], bool],
    faults: list[str],
    tally: Tally,
) -> Iterator[tuple[str, Any]]:
    count, before = 0, len(faults)
    others: list[str] = []
    for name in source.with_suffix(*suffixes):
        try:
            value = load(source.read(name))
            why = why_not(value)
        except (MalformedError, OpenError) as error:
            faults.append(f"{source.place(name)}: no {kind}: {error}; mend it, or take it out")
            continue
        if why is None:
            count += 1
            yield name, value
        elif named(name) or name == source.chosen:
            faults.append(f"{source.place(name)}: no {kind}: {why}")
        else:
            tally.left_out[f"{suffixes[0]} files that are no {kind}"] += 1
            others.append(f"; {name}: {why}")
    if not count and len(faults) == before:
        told = "".join(others[:MAX_OTHERS_TOLD])
        if source.chosen and not source.chosen.lower().endswith(suffixes):
            told = f"; {source.chosen}, which is named, is none"
        sought = f"no {kind} in it (*{', *'.join(suffixes)}){told}"
        faults.append(f"{source.path}: {sought}; {holdings(source)}")


def holdings(source: Source) -> str:
    """Say of a source without label files what it holds, and what would do."""
    counts = Counter(posixpath.splitext(name)[1].lower() for name in source.names)
    listed = [f"{count} {suffix or 'without a suffix'}" for suffix, count in counts.most_common()]
    more = ", ..." if len(listed) > MAX_OTHERS_TOLD else ""
    held = f"it holds {', '.join(listed[:MAX_OTHERS_TOLD])}{more}" if listed else "it is empty"
    return f"{held}; export COCO with polygons, or another format that add-photos --help lists"


def pictures(source: Source) -> list[str]:
    """List the pictures of a source."""
    return [name for name in source.names if name.lower().endswith(SUFFIXES)]


def picture_beside(source: Source) -> Callable[[str], bool]:
    """Tell which label files have a picture of the same stem in the same folder."""
    stems = {folded(posixpath.splitext(name)[0]) for name in pictures(source)}
    return lambda name: folded(posixpath.splitext(name)[0]) in stems
