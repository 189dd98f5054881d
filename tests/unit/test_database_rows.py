"""How a row becomes bytes, whatever is in it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autonomous_healing.database import Row
from autonomous_healing.database.rows import MAX_ROW_BYTES, encode

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


def test_writes_times_and_ids_as_postgresql_reads_them() -> None:
    record = encode(Row(table="trails", values={"id": UUID(int=7), "at": NOW}), NOW)

    assert msgspec.json.decode(record.payload) == {
        "id": "00000000-0000-0000-0000-000000000007",
        "at": "2026-03-02T15:00:00Z",
    }
    assert record.columns() == ("id", "at")


def test_refuses_a_table_that_no_writer_fills() -> None:
    with pytest.raises(ValueError, match="schema_migrations"):
        Row(table="schema_migrations", values={"version": 1})


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"id": "1", "body": "a\ud800"}, "cannot be encoded"),
        ({"id": "1", "body": nested(100_000)}, "cannot be encoded"),
        ({"id": "1", "body": object()}, "cannot be encoded"),
        ({"id": "1", "body": "x" * MAX_ROW_BYTES}, "too large"),
        ({"id": "1", 'x") VALUES (1); --': "x"}, "impossible name"),
        ({}, "no columns"),
    ],
)
def test_a_row_that_cannot_be_sent_becomes_a_dead_letter(values: Any, reason: str) -> None:
    record = encode(Row(table="trails", values=values), NOW)

    letter = msgspec.json.decode(record.payload)
    assert record.table == "dead_letters"
    assert reason in letter["reason"]
    assert letter["table_name"] == "trails"
    assert letter["payload"].startswith("\\x")


def test_the_same_bad_row_is_the_same_dead_letter() -> None:
    row = Row(table="trails", values={"id": "1", "body": "a\ud800"})

    ids = {msgspec.json.decode(encode(row, NOW).payload)["id"] for _ in range(2)}

    assert len(ids) == 1


def test_says_null_for_what_is_not_a_number() -> None:
    record = encode(Row(table="trails", values={"id": "1", "share": float("nan")}), NOW)

    assert msgspec.json.decode(record.payload) == {"id": "1", "share": None}


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)), inner),
    max_leaves=10,
)


@settings(deadline=None)  # the machine may be busy
@given(values=st.dictionaries(st.text(st.characters(codec=None)), ANYTHING))
def test_never_raises_and_never_breaks_a_line(values: Any) -> None:
    record = encode(Row(table="error_events", values=values), NOW)

    assert b"\n" not in record.payload
    assert record.columns()
