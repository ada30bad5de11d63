"""Keep the lists of docs/coreml-runtime.md in step with the runtime: run it without arguments.

A test compares.
"""

import re
import textwrap
from pathlib import Path

from meishi.coreml.network import table
from meishi.coreml.ops import CONSTANTS, CONTROL, OPS, REFUSED
from meishi.errors import clean_exit

PAGE = Path(__file__).with_name("coreml-runtime.md")
LISTS = {
    "Operations of ML programs": {*OPS, *CONTROL},
    "Constants of ML programs": CONSTANTS,
    "Layers of neural networks": {*table.LAYERS, *table.CONTROL},
    "Refused by name": {*REFUSED, *table.REFUSED},
}


def updated(text: str) -> str:
    """Return the page with each list replaced by what the runtime knows."""
    for title, names in LISTS.items():
        words = ", ".join(f"`{name}`" for name in sorted(names))
        body = textwrap.fill(words, 100, break_long_words=False, break_on_hyphens=False)
        pattern = rf"(### {title}\n).*?(\n#|\Z)"
        text = re.sub(pattern, rf"\1\n{body}\n\2", text, flags=re.S)
    return text


def main() -> None:
    """Write the lists into the page."""
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    with clean_exit():
        main()
