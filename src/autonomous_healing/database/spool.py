"""Records on disk while the database is away. Knows nothing of PostgreSQL."""

import os
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from autonomous_healing.database.errors import DatabaseRefused
from autonomous_healing.database.locks import FileLock
from autonomous_healing.database.rows import Record
from autonomous_healing.database.spool_format import frame
from autonomous_healing.database.spool_lane import Lane

_SEGMENT_BYTES = 1024 * 1024


class SpoolInUse(DatabaseRefused):
    """Another running copy of the product writes to the spool directory."""


class Spool:
    """Keeps records in order, on disk, checksummed one by one, within a bound.

    Beyond the bound the oldest trails make room; records of other tables are kept even then.
    Opening reads what an earlier run has left. Raises `SpoolInUse` when another copy has it open.
    """

    def __init__(self, directory: Path, max_bytes: int) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = FileLock(directory / "lock")
        try:
            self._lock.acquire()
        except BlockingIOError:
            raise SpoolInUse(f"another running copy uses the spool directory {directory}") from None
        self._directory = directory
        self._max_bytes = max_bytes
        self._turn = threading.Lock()  # appends happen on the event loop, syncs in a thread
        segment_bytes = min(_SEGMENT_BYTES, max_bytes // 16)
        self._kept = Lane(directory, "kept", segment_bytes)
        self._droppable = Lane(directory, "trails", segment_bytes)
        self._lane_of_head = self._kept

    @property
    def records(self) -> int:
        """How many records wait here."""
        return self._kept.records + self._droppable.records

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._kept.size + self._droppable.size

    @property
    def is_over_bound(self) -> bool:
        """True when only records are left that must not be dropped and they fill the spool."""
        return self._kept.size >= self._max_bytes

    @property
    def damaged(self) -> int:
        """Records that an earlier run had written and that could not be read again."""
        return self._kept.damaged + self._droppable.damaged

    def append(self, records: Sequence[Record]) -> int:
        """Add records at the end and return how many trails were dropped for want of room.

        Raises `OSError` if the disk takes none of them. They are safe from a power cut after `sync`.
        """
        kept = [record for record in records if not record.may_be_dropped]
        droppable = [record for record in records if record.may_be_dropped]
        with self._turn:
            dropped = self._append_kept(kept) if kept else 0
            return dropped + (self._append_droppable(droppable) if droppable else 0)

    def head(self, rows: int, size: int) -> list[Record]:
        """The oldest records, trails after all others; empty when nothing waits."""
        with self._turn:
            self._lane_of_head = self._kept if self._kept.records else self._droppable
            return self._lane_of_head.head(rows, size)

    def settle(self, head: Sequence[Record], left: Sequence[Record]) -> None:
        """The records of the last `head` are done with, but for those in `left`."""
        with self._turn:
            self._lane_of_head.settle(len(head), left)

    def sync(self) -> None:
        """Wait until the disk has what was appended; blocks for milliseconds, so call it in a thread."""
        with self._turn:
            unsynced = [*self._kept.take_unsynced(), *self._droppable.take_unsynced()]
        unsynced.append(os.open(self._directory, os.O_RDONLY | os.O_CLOEXEC))  # the names of new segments
        try:
            for descriptor in unsynced:
                os.fsync(descriptor)
        finally:
            for descriptor in unsynced:
                os.close(descriptor)

    def close(self) -> None:
        """Leave the records to the next run."""
        with self._turn:
            self._kept.seal()
            self._droppable.seal()
        with suppress(OSError):
            self.sync()
        self._lock.release()

    def _append_kept(self, records: Sequence[Record]) -> int:
        dropped = self._make_room(records)
        while True:
            try:
                self._kept.append(records)
            except OSError:
                if not (given_up := self._droppable.drop_oldest()):
                    raise
                dropped += given_up
            else:
                return dropped

    def _append_droppable(self, records: Sequence[Record]) -> int:
        dropped = self._make_room(records)
        if self.size + _bytes_of(records) > self._max_bytes:
            return dropped + len(records)
        try:
            self._droppable.append(records)
        except OSError:
            return dropped + len(records)
        return dropped

    def _make_room(self, records: Sequence[Record]) -> int:
        dropped, needed = 0, _bytes_of(records)
        while self.size + needed > self._max_bytes and (given_up := self._droppable.drop_oldest()):
            dropped += given_up
        return dropped


def _bytes_of(records: Iterable[Record]) -> int:
    return sum(len(frame(record)) for record in records)
