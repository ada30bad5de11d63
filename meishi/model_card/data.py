"""What the model card says of the data: a row a source, and words that hold for what they show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from meishi.data.manifest import Manifest, read_manifest
from meishi.data.source_faults import OWN_FORMAT
from meishi.params import SourceParams

# As `meishi render` names what it makes; whatever else is a source may hold photos.
RENDERED = ("meishi-composited", "meishi-traced", "meishi-extended")

MADE_UP = """\
show no real person's card: names, addresses and numbers are made up, portraits are
paintings in the public domain or drawn."""
# Of the sources of fetch.without_cards, which no figure of scenes is of.
BESIDE = """
Those of {names} are photos of anything but cards, and may show people: detector and classifier
have learnt from them what to refuse; {held_out:g} % are held out, at most."""
OF_RENDERED = {
    "measured_on": "**rendered\nscenes, not on photos**",
    "photos": """\
no figure on this card is of one. [docs/experiments.md](docs/experiments.md) has the few
  that were measured on a small set which is not in the repository.""",
    "privacy": f"The scenes {MADE_UP}",
}
# The same where photos of fetch.without_cards are measured, too.
AND_BESIDE = {
    "measured_on": "**rendered\nscenes, not on photos**, but for photos without a card",
    "photos": f"but for those without a card, {OF_RENDERED['photos']}",
}
WITH_PHOTOS = {
    "measured_on": "scenes\nof the sources below, **photos among them**",
    "photos": "of other cards, places and cameras than the sources below `Data` have.",
    "privacy": f"""\
Scenes that `meishi render` made {MADE_UP} Other sources (%s)
may show real ones: whoever added them answers for their being shown.""",
}


@dataclass
class Described:
    """The sources as rows, what they are made of, and those that may hold photos."""

    rows: list[tuple[str, ...]] = field(default_factory=list)
    origins: list[tuple[str, ...]] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)

    def words(self, beside: bool) -> dict[str, str]:
        """Choose what is said of the scenes as a whole, and whether of photos beside them."""
        if not self.photos:
            return OF_RENDERED | (AND_BESIDE if beside else {})
        return {**WITH_PHOTOS, "privacy": WITH_PHOTOS["privacy"] % ", ".join(self.photos)}


def photos_failed(figures: Mapping[str, Any]) -> str:
    """Say how many photos without a card get one; nothing where none was measured."""
    if not figures:
        return ""
    share, photos = figures["with_false_card"], figures["photos"]
    return (
        f"- Of {photos} photos without a card, none trained on, {share:.1%} get one; of others, of "
        "signs,\n  screens and machines, more ([docs/targets.md](docs/targets.md)).\n"
    )


def describe(root: Path, sources: Sequence[SourceParams], faults: list[str]) -> Described:
    """Describe the sources; exports of other tools have no manifest and no counts."""
    found = Described()
    for source in sources:
        if source.format != OWN_FORMAT:
            found.rows.append((source.name, f"{source.format} export", "", "", "not stated"))
            found.photos.append(source.name)
            continue
        manifest = read_manifest(root / source.path, faults)
        if manifest:
            counts = (manifest.counts.get(key, 0) for key in ("scenes", "cards", "empty_scenes"))
            row = (source.name, *(f"{count:,}" for count in counts), manifest.licence)
            found.rows.append(row)
            found.origins += _origins(manifest)
            found.photos += [] if manifest.name in RENDERED else [source.name]
    return found


def _origins(manifest: Manifest) -> Iterator[tuple[str, ...]]:
    for origin in manifest.sources:
        yield origin.name, origin.licence, origin.url
    if manifest.weights:
        yield "weights", manifest.weights.licence, manifest.weights.source
