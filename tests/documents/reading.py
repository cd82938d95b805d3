"""What stands in README, CONTRIBUTING and docs: fenced blocks, words in backticks, headings and links, as a Markdown reader sees them."""

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec import Struct

__all__ = ["DOCUMENTS", "ROOT", "Block", "Code", "anchors", "blocks", "codes", "links"]

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md")),
]


class Block(Struct, frozen=True):
    """A fenced block. `mark`: the word behind its language ("" where there is none)."""

    document: str
    line: int
    language: str
    mark: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


class Code(Struct, frozen=True):
    """Words in backticks."""

    document: str
    line: int
    text: str

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


@cache
def _tokens(document: str) -> list[Token]:
    text = (ROOT / document).read_text(encoding="utf-8")
    return MarkdownIt("commonmark").enable("table").parse(text)


def blocks(document: str) -> list[Block]:
    """Its fenced blocks, in order."""
    found = []
    for token in _tokens(document):
        if token.type not in ("fence", "code_block"):
            continue
        language, mark, *more = [*token.info.split(), "", ""]
        assert not any(more), f"{document}: one word behind the language, not {token.info!r}"
        found.append(Block(document, _line(token), language, mark, token.content))
    return found


def codes(document: str) -> list[Code]:
    """Everything in backticks, where it is not a block."""
    found = []
    line = 1
    for token in _tokens(document):
        line = _line(token) if token.map else line
        found += [
            Code(document, line, child.content)
            for child in token.children or ()
            if child.type == "code_inline"
        ]
    return found


def links(document: str) -> list[str]:
    """Where its links lead, as written."""
    return [
        str(child.attrs["href"])
        for token in _tokens(document)
        for child in token.children or ()
        if child.type == "link_open"
    ]


def anchors(document: str) -> set[str]:
    """What a link may name behind `#`, made of the headings as the forges make it."""
    found: set[str] = set()
    tokens = _tokens(document)
    for token, inside in pairwise(tokens):
        if token.type != "heading_open":
            continue
        text = "".join(child.content for child in inside.children or ())
        base = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        number, anchor = 0, base
        while anchor in found:
            number += 1
            anchor = f"{base}-{number}"
        found.add(anchor)
    return found


def _line(token: Token) -> int:
    assert token.map is not None
    return token.map[0] + 1
