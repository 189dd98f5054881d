"""Stored answers in PostgreSQL: they survive a restart, and nothing waits for them for long."""

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg

from autonomous_healing.database import Database, DatabaseAway, load_queries
from autonomous_healing.endpoint_healing.caching.rows import CacheRow
from autonomous_healing.endpoint_healing.caching.varying import variant_key
from autonomous_healing.resilience import Clock
from autonomous_healing.wire.message import Fields

log = logging.getLogger(__name__)

_SQL = load_queries(__package__, "store.sql")

#: Seconds a request waits for the table, then goes on without (spec: endpoint healing, section 12).
READ_SECONDS = 0.05

#: Reads under way at once, far fewer than there are connections: a slow database is left alone by others.
_MOST_READS = 2

#: What waits to be written at most; more is not kept.
_MOST_ROWS, _MOST_BYTES, _MOST_REMOVALS = 1000, 16 * 1_048_576, 10_000

#: Rows and bytes of one statement, and seconds between two.
_BATCH_ROWS, _BATCH_BYTES, _FLUSH_SECONDS = 100, 4 * 1_048_576, 0.5

#: Seconds in which a database that refused is left alone, and between two sweeps.
_REST_SECONDS, _SWEEP_SECONDS = 5.0, 3600.0

_AWAY = (DatabaseAway, asyncpg.PostgresError, asyncpg.InterfaceError)


@dataclass(slots=True)
class StoreCounts:
    """Since the start."""

    found: int = 0
    skipped: int = 0  #: reads that were not made, or not in time
    written: int = 0
    dropped: int = 0  #: rows that were not kept: too many waited, or the database refused
    corrupt: int = 0  #: rows that were no longer what had been written
    swept: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TableBounds:
    """Of the table; it is brought below them by each sweep, and between two by as many bytes written."""

    rows: int = 10_000
    total_bytes: int = 256 * 1_048_576


class CacheStore:
    """A second layer. `run` must be running for what is put to be written."""

    def __init__(self, database: Database, clock: Clock, bounds: TableBounds | None = None) -> None:
        self._database = database
        self._clock = clock
        self._bounds = bounds or TableBounds()
        self.counts = StoreCounts()
        self._rows: OrderedDict[bytes, CacheRow] = OrderedDict()
        self._bytes = 0
        self._removed: dict[bytes, None] = {}  #: questions whose answers must go first
        self._looks: set[_Look] = set()
        self._reads: set[asyncio.Task[None]] = set()
        self._swept_at = clock.monotonic()
        self._since_sweep = 0
        self._trouble = ""

    @property
    def waiting(self) -> int:
        """Rows that are still to be written."""
        return len(self._rows)

    @property
    def reads_under_way(self) -> int:
        """Also those whose outcome nobody waits for any more."""
        return len(self._reads)

    def put(self, row: CacheRow) -> None:
        """Write it soon; not kept where too much waits already."""
        self._take_out(row.key)
        if len(self._rows) >= _MOST_ROWS or self._bytes + len(row.body) > _MOST_BYTES:
            self.counts.dropped += 1
            return
        self._rows[row.key] = row
        self._bytes += len(row.body)

    def remove(self, resource: bytes) -> None:
        """All answers to one question: from now on they are not found, and soon they are gone."""
        for key in [key for key, row in self._rows.items() if row.resource == resource]:
            self._take_out(key)
        self._void(resource)
        self._removed[resource] = None
        if len(self._removed) > _MOST_REMOVALS:
            del self._removed[next(iter(self._removed))]

    def look(self, resource: bytes, request: Fields, found: Callable[[CacheRow | None], None]) -> None:
        """Tell `found` once, within `READ_SECONDS`, what these fields choose; None where nobody knows."""
        if resource in self._removed or self._database.away_since is not None:
            found(None)
            return
        if len(self._reads) >= _MOST_READS:
            self.counts.skipped += 1
            found(None)
            return
        look = _Look(resource, found, self.counts)
        self._looks.add(look)
        asyncio.get_running_loop().call_later(READ_SECONDS, look.skip)
        task = asyncio.create_task(self._read(resource, request, look))
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)

    async def find(self, resource: bytes, request: Fields = ()) -> CacheRow | None:
        """The same for those who may wait."""
        answer: asyncio.Future[CacheRow | None] = asyncio.get_running_loop().create_future()
        self.look(resource, request, lambda row: None if answer.done() else answer.set_result(row))
        return await answer

    async def forget_source(self, source: str, endpoint: str | None = None) -> None:
        """All answers from it. Raises `DatabaseAway`."""
        for key in [key for key, row in self._rows.items() if _is_from(row, source, endpoint)]:
            self._take_out(key)
        self._void()
        await self._database.execute(_SQL["remove_source"], source, endpoint)

    async def run(self) -> None:
        """Write what is put, and sweep, for ever."""
        while True:
            await self._clock.sleep(_FLUSH_SECONDS)
            if not await self.flush():
                await self._clock.sleep(_REST_SECONDS)

    async def flush(self) -> bool:
        """Write all that waits; whether the database took it."""
        while self._removed or self._rows:
            if not await self._attempt(self._write_some):
                return False
        due = self._clock.monotonic() - self._swept_at >= _SWEEP_SECONDS
        return await self._attempt(self.sweep) if due or self._is_filled() else True

    async def stop(self) -> None:
        """End what still reads."""
        for task in self._reads:
            task.cancel()
        await asyncio.gather(*self._reads, return_exceptions=True)

    async def sweep(self) -> None:
        """Delete what is of no use any more, and what is too much, in steps. Raises `DatabaseAway`."""
        self._swept_at, self._since_sweep = self._clock.monotonic(), 0
        while await self._delete("sweep_over", self._clock.now()):
            pass
        while await self._delete("sweep_surplus", self._bounds.rows, self._bounds.total_bytes):
            pass

    async def _delete(self, statement: str, *args: object) -> bool:
        deleted = int((await self._database.execute(_SQL[statement], *args)).split()[-1])
        self.counts.swept += deleted
        return deleted > 0

    def _is_filled(self) -> bool:
        return self._since_sweep > self._bounds.total_bytes

    async def _attempt(self, act: Callable[[], Awaitable[None]]) -> bool:
        try:
            await act()
        except _AWAY as fault:
            self.counts.dropped += len(self._rows)
            self._rows.clear()
            self._bytes = 0
            reason = type(fault).__name__
            if reason != self._trouble:
                log.warning("cache_store_troubled", extra={"reason": reason})
            self._trouble = reason
            return False
        if self._trouble:
            log.info("cache_store_recovered")
        self._trouble = ""
        return True

    async def _write_some(self) -> None:
        """Removals first: what was put after one must stay. They wait until the database has taken them."""
        if self._removed:
            gone = list(self._removed)
            await self._database.execute(_SQL["remove_answers"], [one.hex() for one in gone])
            for one in gone:
                self._removed.pop(one, None)
        batch = self._next_batch()
        if not batch:
            return
        try:
            await self._database.executemany(_SQL["put_answer"], [_columns(row) for row in batch])
        except _AWAY:
            self.counts.dropped += len(batch)
            raise
        self.counts.written += len(batch)
        self._since_sweep += sum(len(row.body) for row in batch)

    def _next_batch(self) -> list[CacheRow]:
        batch: list[CacheRow] = []
        size = 0
        while self._rows and len(batch) < _BATCH_ROWS and size < _BATCH_BYTES:
            row = next(iter(self._rows.values()))
            self._take_out(row.key)
            batch.append(row)
            size += len(row.body)
        return batch

    def _take_out(self, key: bytes) -> None:
        row = self._rows.pop(key, None)
        if row is not None:
            self._bytes -= len(row.body)

    async def _read(self, resource: bytes, request: Fields, look: "_Look") -> None:
        row = None
        try:
            row = await self._find(resource, request)
        except _AWAY:
            pass  # as if there were none
        finally:
            self._looks.discard(look)
            look.tell(row)

    def _void(self, resource: bytes | None = None) -> None:
        """What is being read is no longer to be given."""
        for look in list(self._looks):
            if resource in (None, look.resource):
                look.tell(None)

    async def _find(self, resource: bytes, request: Fields) -> CacheRow | None:
        for known in await self._database.fetch(_SQL["find_variants"], resource.hex()):
            names = tuple(name.encode("latin-1") for name in known["varies"])
            key = variant_key(resource, names, request)
            if known["key"] == key.hex():
                return await self._read_row(resource, key)
        return None

    async def _read_row(self, resource: bytes, key: bytes) -> CacheRow | None:
        records = await self._database.fetch(_SQL["read_answer"], key.hex(), self._clock.now())
        if not records:
            return None
        row = _row(records[0])
        if row is None or row.checksum != records[0]["checksum"] or row.resource != resource:
            self.counts.corrupt += 1
            self.remove(resource)
            return None
        return row


class _Look:
    """One question to the table: answered once, by it or by the end of patience."""

    __slots__ = ("_counts", "_found", "resource")

    def __init__(
        self, resource: bytes, found: Callable[[CacheRow | None], None], counts: StoreCounts
    ) -> None:
        self.resource = resource
        self._found: Callable[[CacheRow | None], None] | None = found
        self._counts = counts

    def tell(self, row: CacheRow | None) -> None:
        found, self._found = self._found, None
        if found is not None:
            self._counts.found += row is not None
            found(row)

    def skip(self) -> None:
        if self._found is not None:
            self._counts.skipped += 1
            self.tell(None)


def _is_from(row: CacheRow, source: str, endpoint: str | None) -> bool:
    return row.source == source and endpoint in (None, row.endpoint)


def _columns(row: CacheRow) -> tuple[object, ...]:
    return (
        row.key.hex(),
        row.resource.hex(),
        list(row.varies),
        row.source,
        row.endpoint,
        row.kind,
        row.status,
        json.dumps(row.headers),
        row.body,
        row.stored_at,
        row.fresh_until,
        row.stale_until,
        row.as_of,
        row.etag,
        row.hits,
        row.checksum,
    )


def _row(record: asyncpg.Record) -> CacheRow | None:
    """None where it cannot be read."""
    try:
        return _read_columns(record)
    except (ValueError, TypeError):
        return None


def _read_columns(record: asyncpg.Record) -> CacheRow:
    return CacheRow(
        key=bytes.fromhex(record["key"]),
        resource=bytes.fromhex(record["resource"]),
        varies=tuple(record["varies"]),
        source=record["source"],
        endpoint=record["endpoint"],
        kind=record["kind"],
        status=record["status"],
        headers=tuple((str(name), str(value)) for name, value in json.loads(record["headers"])),
        body=record["body"],
        stored_at=record["stored_at"],
        fresh_until=record["fresh_until"],
        stale_until=record["stale_until"],
        as_of=record["as_of"],
        etag=record["etag"],
        hits=record["hits"],
    )
