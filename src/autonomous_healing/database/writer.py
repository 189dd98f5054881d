"""Writes events to the database behind the user's back, and loses none. Does not know what they mean."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from autonomous_healing.database.inserts import Inserted, Inserter
from autonomous_healing.database.pool import Database
from autonomous_healing.database.rows import Record, Row, encode
from autonomous_healing.database.spool import Spool
from autonomous_healing.database.waiting import Clock, first_of

log = logging.getLogger(__name__)

#: Measured for the data plane: larger slices hold up the event loop for too long.
_BATCH_ROWS = 250
_BATCH_BYTES = 1024 * 1024
_FLUSH_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class WriterCounts:
    """Where all rows are: accepted = stored + dead + dropped + pending."""

    accepted: int  #: put here, or left in the spool by an earlier run
    stored: int
    spooled: int  #: written to disk so far, whatever became of them then
    dead: int  #: kept in the dead letters
    dropped: int
    pending: int  #: in memory or in the spool


class EventWriter:
    """Takes rows at once and brings them to PostgreSQL in batches, by way of the disk when it is away.

    Order is kept within a table, save for rows that overflow a full queue. A kill costs what is in memory: at
    most the rows of the last 0.2 s while the loop keeps up.
    """

    def __init__(self, database: Database, spool: Spool, clock: Clock, queue_max: int = 10_000) -> None:
        self._database = database
        self._spool = spool
        self._clock = clock
        self._queue_max = queue_max
        self._inserter = Inserter(database, clock)
        self._queue: deque[Record] = deque()
        self._in_flight: Sequence[Record] = ()
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()
        self._turn = asyncio.Lock()
        self._accepted = spool.records
        self._stored = self._spooled = self._dead = self._dropped = 0
        self._trouble = ""

    @property
    def counts(self) -> WriterCounts:
        return WriterCounts(
            accepted=self._accepted,
            stored=self._stored,
            spooled=self._spooled,
            dead=self._dead,
            dropped=self._dropped,
            pending=len(self._queue) + len(self._in_flight) + self._spool.records,
        )

    def put(self, row: Row) -> None:
        """Take a row; never waits and never raises. A full queue overflows to the spool."""
        record = encode(row, self._clock.now())
        self._accepted += 1
        if len(self._queue) < self._queue_max:
            self._queue.append(record)
        elif not self._spill([record]):
            self._squeeze_in(record)
        self._arrived.set()
        if len(self._queue) >= _BATCH_ROWS:
            self._enough.set()

    async def run(self) -> None:
        """Store what arrives, for ever; what an earlier run left in the spool comes first."""
        if self._spool.records:
            log.info("spool_replayed", extra={"records": self._spool.records})
        progressing = True
        while True:
            await self._pause(progressing)
            async with self._turn:
                progressing = await self._step()

    async def drain(self, deadline_seconds: float) -> None:
        """Store what waits for so long, then put the rest to disk; to be called when `run` has ended."""
        try:
            async with asyncio.timeout(deadline_seconds), self._turn:
                while (self._queue or self._spool.records) and await self._step():
                    pass
        except TimeoutError:
            log.warning("drain_cut_short", extra={"pending": self.counts.pending})
        finally:
            self._queue_max = 0  # whatever still comes goes straight to the disk
            while self._queue and self._spill_batch():
                pass
            self._spool.sync()

    async def _pause(self, progressing: bool) -> None:
        if not self._queue and not self._spool.records:
            self._arrived.clear()
            await self._arrived.wait()
        if progressing and self._spool.records:
            await self._clock.sleep(0)
        elif not progressing:
            await self._clock.sleep(_FLUSH_SECONDS)
        elif len(self._queue) < _BATCH_ROWS:
            self._enough.clear()
            await first_of(self._clock.sleep(_FLUSH_SECONDS), self._enough.wait())

    async def _step(self) -> bool:
        """Keep the order, then store one batch; False when the database took none or not all of it."""
        if self._queue and (self._spool.records or self._database.away_since is not None):
            await self._move_to_spool()
        if self._database.away_since is not None:
            return False
        return await (self._store_spooled() if self._spool.records else self._store_queued())

    async def _store_spooled(self) -> bool:
        head = self._spool.head(_BATCH_ROWS, _BATCH_BYTES)
        result = await self._inserter.store(head)
        self._spool.settle(head, result.left)
        return self._count(result)

    async def _store_queued(self) -> bool:
        self._in_flight = self._take_batch()
        left: Sequence[Record] = self._in_flight
        try:
            result = await self._inserter.store(self._in_flight)
            left = result.left
        finally:
            self._in_flight = ()
            self._queue.extendleft(reversed(left))
        if left:
            await self._move_to_spool()
        return self._count(result)

    def _take_batch(self) -> list[Record]:
        batch: list[Record] = []
        size = 0
        while self._queue and len(batch) < _BATCH_ROWS and size < _BATCH_BYTES:
            batch.append(self._queue.popleft())
            size += len(batch[-1].payload)
        return batch

    def _count(self, result: Inserted) -> bool:
        self._stored += result.stored
        self._dead += result.dead
        self._dropped += result.lost
        if result.dead or result.lost:
            log.warning("rows_refused", extra={"dead": result.dead, "lost": result.lost})
        if result.reason != self._trouble:
            self._trouble = result.reason
            log.warning("writing_troubled", extra={"reason": self._trouble or "over"})
        return not result.left

    async def _move_to_spool(self) -> None:
        while self._queue and self._spill_batch():
            await asyncio.to_thread(self._spool.sync)

    def _spill_batch(self) -> bool:
        """Move a batch from the queue to the end of the spool; False when the disk would not take it."""
        batch = self._take_batch()
        if self._spill(batch):
            return True
        self._queue.extendleft(reversed(batch))
        return False

    def _spill(self, records: Sequence[Record]) -> bool:
        try:
            dropped = self._spool.append(records)
        except OSError as fault:
            log.error("spool_refused", extra={"reason": str(fault), "rows": len(records)})
            return False
        self._spooled += len(records)
        self._dropped += dropped
        return True

    def _squeeze_in(self, record: Record) -> None:
        """Neither database nor disk nor queue has room: a trail has to go, if there is one."""
        self._dropped += 1
        if record.may_be_dropped:
            return
        victim = next((n for n, queued in enumerate(self._queue) if queued.may_be_dropped), None)
        if victim is not None:
            del self._queue[victim]
            self._queue.append(record)
