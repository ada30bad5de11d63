"""Which picture of a Label Studio task was labelled.

A task's data may name several: regions say on which they were drawn, by the source of their tag
(`"source": "$image"`), or by the tag's name, which mostly is the key of data that it shows.
"""

from collections.abc import Iterable
from typing import Any

from meishi.data.importers.finding import own_name, spellings
from meishi.data.importers.nodes import Node, shortened
from meishi.pictures.images import SUFFIXES

PICTURE_KEYS = ("image", "img", "photo", "picture", "url")


def shown_keys(tasks: list[dict]) -> set[str]:
    """List the keys of data that regions of a file say they were drawn on."""
    rows = [
        (task.get("data"), region)
        for task in tasks
        for annotation in _mappings(task.get("annotations"))
        for region in _mappings(annotation.get("result"))
    ]
    return {
        key
        for data, region in rows
        for key in keys_of(region)
        if isinstance(data, dict) and key in data
    }


def _mappings(values: Any) -> list[dict]:
    return [v for v in values if isinstance(v, dict)] if isinstance(values, list) else []


def keys_of(region: dict) -> list[str]:
    """List the keys of data that a region may be drawn on: its tag's source, or the tag's name."""
    source, tag = region.get("source"), region.get("to_name")
    own = [source[1:]] if isinstance(source, str) and source.startswith("$") else []
    return [*own, tag] if isinstance(tag, str) else own


def is_one_picture(drawn: list[Node], task: Node) -> bool:
    """Tell whether one picture was drawn on, at most; note a fault if not.

    A task may show two pictures, or the pages of a list (`item_index`).
    """
    tags = {str(r.at("to_name").value) for r in drawn} - {"None"}
    pages = {str(r.at("item_index").value or 0) for r in drawn}
    if len(tags) > 1 or pages - {"0"}:
        task.complain(
            f"to_name {sorted(tags)}, item_index {sorted(pages)}: regions of several pictures; "
            "one picture a task is read"
        )
        return False
    return True


def picture_of(task: Node, keys: Iterable[str]) -> str | None:
    """Name the picture of a task: under one of `keys`, else the only one, else a usual key's."""
    data = task.at("data").value
    data = data if isinstance(data, dict) else {}
    # A list of one picture is that picture.
    flat = {k: v[0] if isinstance(v, list) and len(v) == 1 else v for k, v in data.items()}
    texts = {key: value for key, value in flat.items() if isinstance(value, str) and value}
    for key in keys:
        if key in texts:
            return texts[key]
    alike = {key: text for key, text in texts.items() if _is_picture(text)}
    if len({own_name(text) for text in alike.values()}) > 1:
        task.at("data").complain(
            f"{', '.join(alike)}: several pictures, and nothing says which was labelled; leave one"
        )
        return None
    for key in PICTURE_KEYS:
        if key in texts:
            return texts[key]
    if alike:
        return next(iter(alike.values()))
    task.at("data").complain(f"expected one picture, got {shortened(data)}")
    return None


def _is_picture(text: str) -> bool:
    return any(path.lower().endswith(SUFFIXES) for path in spellings(text))
