"""Reads what pages of the documentation print, so that tests can hold them to it."""

import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"

_LABELLED = re.compile(r"^<!-- shown: ([a-z-]+) -->\n```\w*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def page(name: str) -> str:
    """ "howto/run_it.md" """
    return (DOCS / name).read_text(encoding="utf-8")


def shown(text: str) -> dict[str, str]:
    """The blocks that carry a name in a comment above them."""
    found = _LABELLED.findall(text)
    names = [name for name, _ in found]
    assert len(set(names)) == len(names), "two blocks have one name"
    return dict(found)


def blocks(text: str, language: str) -> list[str]:
    """All fenced blocks of one language."""
    return [block for kind, block in _FENCED.findall(text) if kind == language]


def table_rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, its head left out."""
    below = f"\n{text}".split(f"\n{heading}\n", 1)[1]
    table = re.search(r"(?:^\|.*\|$\n?)+", below, re.MULTILINE)
    assert table is not None, f"no table below {heading!r}"
    lines = table.group().strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
