"""Puts records into their tables in batches and finds the one that spoils a batch. Keeps nothing."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import asyncpg

from autonomous_healing.database.errors import DatabaseAway
from autonomous_healing.database.pool import Database
from autonomous_healing.database.queries import load_queries
from autonomous_healing.database.rows import Record, dead_letter
from autonomous_healing.database.waiting import Clock

_SQL = load_queries(__package__, "statements.sql")

#: SQLSTATE classes and codes that blame the row and not the state of the server: data exception, integrity
#: violation, limits of the parser, unknown column, wrong type (PostgreSQL manual, appendix A).
_ROWS_FAULT_CLASSES = ("22", "23", "54")
_ROWS_FAULT_CODES = ("42703", "42804")


@dataclass(frozen=True, kw_only=True, slots=True)
class Inserted:
    """What became of a batch."""

    stored: int  #: rows that are in their table now
    dead: int  #: rows that are in the dead letters now
    lost: int  #: dead letters that PostgreSQL refused as well
    left: tuple[Record, ...]  #: still to be stored, in order
    reason: str  #: why some are left


class Inserter:
    """Stores batches; safe to repeat, since a row that is there already is left as it is."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def store(self, records: Sequence[Record]) -> Inserted:
        """Store what can be stored; trouble that is no row's own fault leaves the rest of the batch."""
        waiting = deque(_by_statement(records))
        stored = dead = lost = 0
        reason = ""
        while waiting and not reason:
            group = waiting.popleft()
            try:
                await self._insert(group)
            except (DatabaseAway, asyncpg.PostgresError) as fault:
                if not _blames_a_row(fault):
                    waiting.appendleft(group)
                    reason = f"{type(fault).__name__}: {fault}"
                elif group[0].table == "dead_letters" and len(group) == 1:
                    lost += 1
                else:
                    waiting.extendleft(self._narrowed(group, str(fault)))
            else:
                dead += len(group) if group[0].table == "dead_letters" else 0
                stored += len(group) if group[0].table != "dead_letters" else 0
        left = tuple(record for group in waiting for record in group)
        return Inserted(stored=stored, dead=dead, lost=lost, left=left, reason=reason)

    async def _insert(self, group: Sequence[Record]) -> None:
        rows = b"[" + b",".join(record.payload for record in group) + b"]"
        await self._database.execute(_statement(group[0].table, group[0].columns()), rows.decode())

    def _narrowed(self, group: list[Record], reason: str) -> list[list[Record]]:
        """Halves of the group, the second first; or the one bad row as a dead letter."""
        if len(group) == 1:
            return [[dead_letter(group[0].table, group[0].payload, reason, self._clock.now())]]
        middle = len(group) // 2
        return [group[middle:], group[:middle]]


@cache
def _statement(table: str, columns: tuple[str, ...]) -> str:
    return _SQL["insert_rows"].format(table=f'"{table}"', columns=", ".join(f'"{name}"' for name in columns))


def _by_statement(records: Iterable[Record]) -> list[list[Record]]:
    groups: dict[tuple[str, tuple[str, ...]], list[Record]] = {}
    for record in records:
        groups.setdefault((record.table, record.columns()), []).append(record)
    return list(groups.values())


def _blames_a_row(fault: Exception) -> bool:
    state = fault.sqlstate or "" if isinstance(fault, asyncpg.PostgresError) else ""
    return state.startswith(_ROWS_FAULT_CLASSES) or state in _ROWS_FAULT_CODES
