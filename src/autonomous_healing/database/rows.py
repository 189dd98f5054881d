"""Rows on their way to the database, and the bytes they travel as."""

import json
import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

import msgspec

#: What can stand in a row; times and ids are written as PostgreSQL reads them.
JSON = None | bool | int | float | str | datetime | UUID | Sequence["JSON"] | Mapping[str, "JSON"]

#: Tables a writer may fill: True where rows may be dropped when nothing else is left to drop.
TABLES: Mapping[str, bool] = {
    "error_events": False,
    "healing_reports": False,
    "healing_attempts": False,
    "alerts": False,
    "dead_letters": False,
    "trails": True,
}

#: A row larger than this goes to the dead letters instead of through PostgreSQL's parser.
MAX_ROW_BYTES = 4 * 1024 * 1024
#: How much of such a row, or of one that cannot be said in JSON, is kept there.
KEPT_BYTES = 64 * 1024

_COLUMN = re.compile(r"[a-z_][a-z0-9_]{0,62}")
#: So that the same bad row twice is one dead letter.
_DEAD_LETTERS = UUID("8a4f0c52-6d0f-5f0e-9c1d-3f6f1c6d7b21")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of a known table; its primary key must be among the values.

    NaN and infinities are written as null. Raises `ValueError` for a table that no writer fills.
    """

    table: str
    values: Mapping[str, JSON]

    def __post_init__(self) -> None:
        if self.table not in TABLES:
            raise ValueError(f"no writer fills the table {self.table!r}")


@dataclass(frozen=True, slots=True)
class Record:
    """A row as it is queued, spooled and sent."""

    table: str
    payload: bytes  #: one JSON object without a line break

    @property
    def may_be_dropped(self) -> bool:
        return TABLES[self.table]

    def columns(self) -> tuple[str, ...]:
        return tuple(msgspec.json.decode(self.payload, type=dict[str, msgspec.Raw]))


def encode(row: Row, now: datetime) -> Record:
    """The row's bytes; a row that cannot be said in JSON becomes a dead letter. Never raises."""
    try:
        payload = msgspec.json.encode(row.values)
    except (TypeError, ValueError, OverflowError, RecursionError) as fault:
        return dead_letter(row.table, _as_well_as_possible(row.values), f"cannot be encoded: {fault}", now)
    if len(payload) > MAX_ROW_BYTES:
        return dead_letter(row.table, payload[:KEPT_BYTES], f"too large: {len(payload)} bytes", now)
    if not row.values or not all(_COLUMN.fullmatch(name) for name in row.values):
        return dead_letter(row.table, payload, "has no columns, or one with an impossible name", now)
    return Record(row.table, payload)


def dead_letter(table: str, payload: bytes, reason: str, now: datetime) -> Record:
    """The record that keeps a bad row for people to look at; the same row gives the same identifier."""
    values = {
        "id": uuid5(_DEAD_LETTERS, f"{table} {payload.hex()}"),
        "at": now,
        "table_name": table,
        "reason": reason.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")[:2000],
        "payload": "\\x" + payload.hex(),
    }
    return Record("dead_letters", msgspec.json.encode(values))


def _as_well_as_possible(values: Mapping[str, JSON]) -> bytes:
    try:
        return json.dumps(values, default=str).encode()[:KEPT_BYTES]
    except (TypeError, ValueError, RecursionError):
        return reprlib.repr(values).encode("utf-8", "backslashreplace")[:KEPT_BYTES]
