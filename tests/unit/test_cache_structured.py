"""Dictionaries of structured fields are read as another reader reads them, or not at all."""

from typing import Any

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.endpoint_healing.caching.structured import Token, parse_dictionary

LETTERS = st.sampled_from([*' \t,;=*aZ09-._"\\?!():/@%~\x7f', "max-age", "=1", "a=(", ")", ";x", "?1"])


def theirs(field: bytes) -> dict[str, Any] | None:
    """As the library reads it, less parameters; None for what it refuses."""
    try:
        read = http_sf.parse(field, tltype="dictionary")
    except (http_sf.StructuredFieldError, ValueError):
        return None
    return {name: None if isinstance(item[0], list) else item[0] for name, item in _pairs(read)}


def _pairs(read: Any) -> list[tuple[str, Any]]:
    return [(name, item if isinstance(item, tuple) else (item, {})) for name, item in read.items()]


@pytest.mark.parametrize(
    ("field", "members"),
    [
        (b"", {}),
        (b"a", {"a": True}),
        (b'a=1, b=-2.5, c=tok/en, d="q\\"", e=?0, f=:aGk=:', None),
        (b"a=(1 2);x, b", {"a": None, "b": True}),
        (b"a;x=1;y, b=2;z", {"a": True, "b": 2}),
        (b"a=1,\tb=2", {"a": 1, "b": 2}),
        (b"a=1, a=2", {"a": 2}),
    ],
)
def test_reads(field: bytes, members: dict[str, Any] | None) -> None:
    found = parse_dictionary(field)
    assert found == theirs(field)
    assert members is None or found == members


@pytest.mark.parametrize(
    "field",
    [b"a=", b"A=1", b"a=1,", b"a=1,,b=2", b"a b", b"a=1 b=2", b"=1", b"a=1.2345", b'a="x', b"a=?2", b"a=&",
     b"a=(1", b"a=(1,2)", b"a=:*:", b"a=1;", b"\xc3\xa9=1", b"a=1234567890123456"],
)  # fmt: skip
def test_one_fault_and_nothing_counts(field: bytes) -> None:
    assert parse_dictionary(field) is None
    assert theirs(field) is None


def test_words_are_told_from_texts() -> None:
    found = parse_dictionary(b'a=word, b="word"') or {}
    assert isinstance(found["a"], Token)
    assert not isinstance(found["b"], Token)


@given(st.lists(LETTERS, max_size=12).map("".join))
def test_agrees_with_another_reader(text: str) -> None:
    """Dates and display strings aside, which it knows and we need not."""
    field = text.encode()
    if "@" not in text and "%" not in text:
        assert parse_dictionary(field) == theirs(field)
