"""One class of spooled records: an ordered row of append-only files."""

import itertools
import logging
import os
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autonomous_healing.database.rows import Record
from autonomous_healing.database.spool_format import frame, unframe

log = logging.getLogger(__name__)

_APPEND = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class _Segment:
    """One file of a lane and what is left of it."""

    path: Path
    records: int
    size: int  #: bytes on disk


class Lane:
    """The segments of one class of records, in the order in which they were written."""

    def __init__(self, directory: Path, name: str, segment_bytes: int) -> None:
        self.damaged = 0
        self._directory = directory
        self._name = name
        self._segment_bytes = segment_bytes
        self._segments: deque[_Segment] = deque()
        self._writing: int | None = None
        self._unsynced: list[int] = []  # descriptors of full segments that the disk may not have yet
        self._reading: deque[Record] | None = None
        for path in sorted(directory.glob(f"{name}-*.spool")):
            self._adopt(path)
        last = int(self._segments[-1].path.stem.rpartition("-")[2]) if self._segments else 0
        self._numbers = itertools.count(last + 1)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments)

    @property
    def records(self) -> int:
        return sum(segment.records for segment in self._segments)

    def append(self, records: Sequence[Record]) -> None:
        """Write all of them or, with an `OSError`, none."""
        if self._writing is None or self._segments[-1].size >= self._segment_bytes:
            self._begin_segment()
        assert self._writing is not None
        segment, lines = self._segments[-1], b"".join(map(frame, records))
        try:
            _write_all(self._writing, lines)
        except OSError:
            self._take_back(segment)
            raise
        segment.size += len(lines)
        segment.records += len(records)

    def head(self, rows: int, size: int) -> list[Record]:
        """The oldest records, at least one, at most so many rows and about so many bytes."""
        while self._reading is None or not self._reading:
            if not self._segments:
                return []
            self._load()
        taken = itertools.accumulate((len(record.payload) for record in self._reading), initial=0)
        return [
            r
            for r, before in zip(itertools.islice(self._reading, rows), taken, strict=False)
            if before < size
        ]

    def settle(self, count: int, left: Iterable[Record]) -> None:
        """The first `count` records of the head are done with, but for those in `left`."""
        assert self._reading is not None
        for _ in range(count):
            self._reading.popleft()
        self._reading.extendleft(reversed(tuple(left)))
        self._segments[0].records = len(self._reading)
        if not self._reading:
            self._forget(self._segments.popleft())
            self._reading = None

    def drop_oldest(self) -> int:
        """Give up the oldest segment that is not being read and return how many records that cost."""
        first = 0 if self._reading is None else 1
        if len(self._segments) <= first:
            return 0
        if len(self._segments) == first + 1:
            self.seal()
        segment = self._segments[first]
        del self._segments[first]
        self._forget(segment)
        return segment.records

    def take_unsynced(self) -> list[int]:
        """Descriptors to sync and to close, for the caller."""
        taken, self._unsynced = self._unsynced, []
        return taken if self._writing is None else [*taken, os.dup(self._writing)]

    def seal(self) -> None:
        """What comes next goes to a new segment."""
        if self._writing is not None:
            self._unsynced.append(self._writing)
            self._writing = None

    def _adopt(self, path: Path) -> None:
        records, damaged = unframe(path.read_bytes())
        if damaged:
            log.warning("spool_damaged", extra={"segment": path.name, "records": damaged})
            self.damaged += damaged
        if records:
            self._segments.append(_Segment(path, len(records), path.stat().st_size))
        else:
            path.unlink()

    def _begin_segment(self) -> None:
        self.seal()
        path = self._directory / f"{self._name}-{next(self._numbers):012}.spool"
        self._writing = os.open(path, _APPEND, 0o600)
        self._segments.append(_Segment(path, 0, 0))

    def _load(self) -> None:
        if len(self._segments) == 1:
            self.seal()
        segment = self._segments[0]
        records, _ = unframe(segment.path.read_bytes())
        self._reading, segment.records = deque(records), len(records)
        if not records:
            self._forget(self._segments.popleft())
            self._reading = None

    def _take_back(self, segment: _Segment) -> None:
        """Half a write is undone, and the segment is closed since its file is not to be trusted."""
        assert self._writing is not None
        with suppress(OSError):
            os.ftruncate(self._writing, segment.size)
        self.seal()
        if not segment.records:
            self._forget(self._segments.pop())

    def _forget(self, segment: _Segment) -> None:
        segment.path.unlink(missing_ok=True)


def _write_all(descriptor: int, lines: bytes) -> None:
    rest = memoryview(lines)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
