"""TOON text, version 4.0 of its specification, through the `toons` library."""

from collections.abc import Mapping, Sequence
from typing import Any

import toons

#: What HTTP calls it.
MEDIA_TYPE = "text/toon; charset=utf-8"


def dumps(document: Any) -> str:
    """A JSON-like document as TOON."""
    return toons.dumps(document)


def loads(text: str) -> Any:
    """The document that a TOON text holds; raises `ValueError` with line and column when it is malformed."""
    return toons.loads(text)


def table(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of one shape as a named table with its length and fields in the head."""
    return toons.dumps({name: list(rows)})
