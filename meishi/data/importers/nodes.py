"""JSON and XML of unknown hands, read with care: a wrong type is a fault with its place.

A `Node` is a JSON value that knows where it stands. Its getters give None (or nothing) after
they have noted a fault, so that a reader goes on and finds the next one.
"""

import codecs
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from meishi.errors import InputError

# No coordinate and no size is larger; products of such numbers stay finite.
LARGEST = 1e9
PLAIN_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)


class MalformedError(InputError):
    """A file is not JSON, or not XML; the message says why."""


@dataclass(frozen=True)
class Node:
    """A JSON value, its place (file and field), and the list that receives faults."""

    value: Any
    where: str
    faults: list[str]

    def complain(self, what: str) -> None:
        """Note a fault of this value."""
        self.faults.append(f"{self.where}: {what}")

    def at(self, key: str) -> "Node":
        """Step to a field; its value is None when it is missing."""
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return Node(value, f"{self.where}: {key}", self.faults)

    def items(self, key: str) -> Iterator["Node"]:
        """Step through the mappings in a list field."""
        node = self.at(key)
        if not isinstance(node.value, list):
            node.complain(f"expected a list, got {described(node.value)}")
            return
        for index, value in enumerate(node.value):
            item = Node(value, f"{self.where}: {key}[{index}]", self.faults)
            if isinstance(value, dict):
                yield item
            else:
                item.complain(f"expected keys and values, got {described(value)}")

    def text(self, key: str) -> str | None:
        """Read a text field."""
        node = self.at(key)
        if isinstance(node.value, str) and node.value:
            return node.value
        node.complain(f"expected a text, got {described(node.value)}")
        return None

    def number(self, key: str, default: float | None = None) -> float | None:
        """Read a number; `default` when the field is missing."""
        node = self.at(key)
        if node.value is None and default is not None:
            return default
        if (found := as_number(node.value)) is None:
            node.complain(f"expected a number, got {described(node.value)}")
        return found

    def flag(self, key: str) -> bool | None:
        """Read true or false; None when it is missing, or with a fault."""
        node = self.at(key)
        if node.value is None or isinstance(node.value, bool):
            return node.value
        node.complain(f"expected true or false, got {described(node.value)}")
        return None

    def size_px(self, width: str, height: str) -> tuple[int, int] | None:
        """Read width and height; None when both are missing, or with a fault.

        Two zeros are missing, too: writers put them where they do not know.
        """
        stated = [self.at(key).value for key in (width, height)]
        if stated == [None, None] or [as_number(value) for value in stated] == [0, 0]:
            return None
        across, down = self.number(width), self.number(height)
        if across is None or down is None:
            return None
        if min(across, down) < 1 or across % 1 or down % 1:
            self.complain(f"{width}, {height}: expected whole pixels, got {across}x{down}")
            return None
        return int(across), int(down)

    def points(self) -> np.ndarray | None:
        """Read this value as a list of [x, y]: (N, 2) float64."""
        rows = self.value if isinstance(self.value, list) else []
        numbers = [
            [as_number(v) for v in row] if isinstance(row, list) and len(row) == 2 else [None]
            for row in rows
        ]
        if not numbers or any(None in row for row in numbers):
            self.complain(f"expected a list of [x, y], got {shortened(self.value)}")
            return None
        return np.array(numbers, dtype=np.float64)

    def flat_points(self) -> np.ndarray | None:
        """Read this value as x, y, x, y, ...: (N, 2) float64."""
        numbers = [as_number(v) for v in self.value] if isinstance(self.value, list) else []
        if not numbers or None in numbers or len(numbers) % 2:
            self.complain(f"expected x, y, x, y, ..., got {shortened(self.value)}")
            return None
        return np.array(numbers, dtype=np.float64).reshape(-1, 2)


def as_number(value: Any) -> float | None:
    """Take a number of some sane size, or text that is one; None for all else, a bool included."""
    if isinstance(value, str):
        return parse_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if abs(value) < LARGEST else None
    except OverflowError:
        return None


def parse_number(text: str | None) -> float | None:
    """Read a number of some sane size from text; None for all else: 1,5 and 1_000 and nan."""
    if text is None or not PLAIN_NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if abs(value) < LARGEST else None


def parse_size(
    width: str | None, height: str | None, where: str, faults: list[str]
) -> tuple[int, int] | None:
    """Read width and height from text; None when both are missing, or with a fault."""
    if width is None and height is None:
        return None
    across, down = parse_number(width), parse_number(height)
    if across is None or down is None or min(across, down) < 1 or across % 1 or down % 1:
        faults.append(f"{where}: width, height: expected whole pixels, got {(width, height)}")
        return None
    return int(across), int(down)


def decoded(content: bytes) -> str:
    """Decode text in UTF-8, in UTF-16 with its byte order mark, or in cp932, as Windows writes it.

    The last is what tools wrote on Japanese Windows; few texts of other languages can be read so.
    """
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for coding in ("utf-16",) if marked else ("utf-8-sig", "cp932"):
        with suppress(UnicodeDecodeError):
            return content.decode(coding)
    return content.decode("utf-16" if marked else "utf-8-sig", errors="replace")


def load_json(content: bytes) -> Any:
    """Parse JSON in UTF-8, or in UTF-16 or -32 as Windows writes it; byte order marks may stand.

    Raises:
        MalformedError: if it is none, or states a key twice (the first would be lost).
    """
    try:
        return json.loads(content, object_pairs_hook=_once_each)
    except UnicodeDecodeError:
        try:
            return json.loads(content.decode("cp932"), object_pairs_hook=_once_each)
        except ValueError as error:
            raise MalformedError(f"not JSON: it is not in UTF-8 ({error}); save it so") from error
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"not JSON: {error}") from error


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise MalformedError(f"the key {shortened(twice)} stands twice in one object")
    return found


def load_xml(content: bytes) -> ET.Element:
    """Parse XML.

    Raises:
        MalformedError: if it is none, or declares entities (which no label file needs, and which
            can fill the memory).
    """
    if any("<!ENTITY".encode(code) in content for code in ("utf-8", "utf-16-le", "utf-16-be")):
        raise MalformedError("it declares XML entities, which are not read")
    try:
        return ET.fromstring(content)
    except (ET.ParseError, ValueError, LookupError) as error:
        raise MalformedError(f"not XML: {error}") from error


def described(value: Any) -> str:
    """Say what kind of value something is."""
    name = {dict: "keys and values", list: "a list", type(None): "nothing"}.get(type(value))
    return name or shortened(value)


def shortened(value: Any) -> str:
    """Show a value, cut after a few words."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
