"""Counters in a file, for what must be written down before a call is made: a kill costs it nothing."""

import asyncio
import logging
import os
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from autonomous_healing.endpoint_healing.quotas.counter import Place, QuotaCounter

log = logging.getLogger(__name__)

#: Bytes beyond which the file is written anew with the last line of each window.
LARGE = 1_048_576

_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class CounterFile:
    """A line for each state of a window, of which the last one counts: checksum, blank, JSON.

    A line goes out in one write and begins with the line break, so that one which was cut short spoils no
    other. Trouble with the disk is told once, and counting goes on in memory.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._troubled = False
        self._unsynced = False
        self._last: dict[Place, QuotaCounter] = {counter.place: counter for counter in self._read()}

    def counters(self, since: datetime) -> list[QuotaCounter]:
        """The last of each window that was written since then, in an earlier run or in this one."""
        return [counter for counter in self._last.values() if counter.updated_at > since]

    def write(self, counters: Iterable[QuotaCounter]) -> None:
        """Never raises; after it they outlive this process."""
        new = {counter.place: counter for counter in counters}
        if not new:
            return
        self._last |= new
        try:
            if self._append(new.values()) > LARGE:
                self._write_anew()
        except OSError as fault:
            self._tell(fault)
        else:
            self._troubled, self._unsynced = False, True

    async def sync(self) -> None:
        """Wait until the disk has what was written."""
        if self._unsynced:
            self._unsynced = False
            try:
                await asyncio.to_thread(_sync, self._path)
            except OSError as fault:
                self._tell(fault)

    def _append(self, counters: Iterable[QuotaCounter]) -> int:
        """Bytes of the file then."""
        descriptor = os.open(self._path, _APPEND, 0o600)
        try:
            os.write(descriptor, b"".join(map(_line, counters)))
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def _write_anew(self) -> None:
        """Only the last lines, in a file that takes the place of the old one."""
        beside = self._path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        beside.touch(0o600)
        beside.write_bytes(b"".join(map(_line, self._last.values())))
        _sync(beside)
        beside.replace(self._path)

    def _read(self) -> Iterator[QuotaCounter]:
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        found = [_counter(line) for line in lines if line]
        yield from filter(None, found)
        if damaged := found.count(None):
            log.warning("quota_file_damaged", extra={"lines": damaged})

    def _tell(self, fault: OSError) -> None:
        if not self._troubled:
            self._troubled = True
            log.error("quota_file_refused", extra={"reason": str(fault)})


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _line(counter: QuotaCounter) -> bytes:
    payload = msgspec.json.encode(counter)
    return b"\n%08x %b" % (zlib.crc32(payload), payload)


def _counter(line: bytes) -> QuotaCounter | None:
    """None where it is not whole."""
    checksum, _, payload = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(payload):
        return None
    try:
        return msgspec.json.decode(payload, type=QuotaCounter)
    except msgspec.ValidationError:
        return None
