"""The audit log in PostgreSQL. The statements are in store.sql, by name."""

import json
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from autonomous_healing.database import Database, DatabaseAway, load_queries
from autonomous_healing.safety.chain import GENESIS, Entry, Head, Link, NotAudited, link_after

_SQL = load_queries(__package__, "store.sql")


class AuditStore:
    """Adds to the chain and reads it. Reading raises `DatabaseAway`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, entry: Entry) -> Link:
        """Put it at the end, one writer after the other. Waits no longer than the database's own limits.

        Raises `NotAudited` where PostgreSQL is away or does not take it, and `ValueError` for details that
        have no canonical form.
        """
        try:
            async with self._database.transaction() as connection:
                await connection.execute(_SQL["lock_chain"])
                last = await connection.fetchrow(_SQL["head"])
                link = link_after(_head(last), entry)
                await connection.execute(_SQL["append"], *_row(link))
        except (DatabaseAway, asyncpg.PostgresError) as fault:
            raise NotAudited(f"the audit log does not take it: {fault}") from fault
        return link

    async def head(self) -> Head:
        """Where the chain ends."""
        rows = await self._database.fetch(_SQL["head"])
        return _head(rows[0] if rows else None)

    async def links_after(self, seq: int, limit: int) -> Sequence[Link]:
        """In the order of the chain."""
        return [_link(row) for row in await self._database.fetch(_SQL["links_after"], seq, limit)]

    async def newest(
        self, since: datetime | None, until: datetime | None, before: int | None, limit: int
    ) -> Sequence[Link]:
        """The latest first: from `since` up to, but not at, `until`; below the place `before`."""
        return [
            _link(row)
            for row in await self._database.fetch(_SQL["newest_links"], since, until, before, limit)
        ]


def _head(row: asyncpg.Record | None) -> Head:
    return GENESIS if row is None else Head(row["seq"], row["hash"])


def _row(link: Link) -> tuple[object, ...]:
    one = link.entry
    details = json.dumps(one.details)
    return (
        *(link.seq, one.at, one.actor, one.origin, one.action, one.subject, one.verdict, details),
        *(link.prev_hash, link.hash),
    )


def _link(row: asyncpg.Record) -> Link:
    entry = Entry(
        at=row["at"],
        actor=row["actor"],
        origin=row["origin"],
        action=row["action"],
        subject=row["subject"],
        verdict=row["verdict"],
        details=json.loads(row["details"]),
    )
    return Link(seq=row["seq"], entry=entry, prev_hash=row["prev_hash"], hash=row["hash"])
