"""MODEL_CARD.md as a part of the report, its pictures copied beside the page."""

import shutil
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

CARD = Path("MODEL_CARD.md")


def card_html(folder: Path) -> str:
    """Render the model card; "" when there is none.

    Args:
        folder: the report's. Pictures with a relative address are copied to its card/; other
            relative links lead out of the report, so only their text is kept. Comments and
            other HTML are left out.
    """
    if not CARD.is_file():
        return ""
    parser = MarkdownIt("commonmark").enable("table")
    tokens = _without_html(parser.parse(CARD.read_text(encoding="utf-8")))
    for token in tokens:
        token.children = _without_html(token.children or [])
        for inner in token.children:
            _localise(inner, folder)
    return parser.renderer.render(tokens, parser.options, {})


def _without_html(tokens: list[Token]) -> list[Token]:
    return [token for token in tokens if token.type not in ("html_block", "html_inline")]


def _localise(token: Token, folder: Path) -> None:
    if token.type == "link_open" and "://" not in str(token.attrGet("href")):
        token.attrs.pop("href")
    source = str(token.attrGet("src") or "")
    if token.type != "image" or "://" in source or not Path(source).is_file():
        return
    (folder / "card").mkdir(exist_ok=True)
    copied = folder / "card" / Path(source).name
    shutil.copyfile(source, copied)
    token.attrSet("src", f"card/{copied.name}")
