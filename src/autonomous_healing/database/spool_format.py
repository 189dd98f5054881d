"""How a record lies on disk: `crc32 length table payload`, one line each.

The checksum covers all after it. The length lets the next record be found when a line break is damaged.
"""

import re
import zlib

from autonomous_healing.database.rows import TABLES, Record

_HEAD = re.compile(rb"([0-9a-f]{8}) ((\d{1,9}) ([a-z_]{1,63}) )")


def frame(record: Record) -> bytes:
    """The record as a line, with its line break."""
    body = b"%d %s %s" % (len(record.payload), record.table.encode(), record.payload)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def unframe(blob: bytes) -> tuple[list[Record], int]:
    """All whole records, and the number of damaged places between them."""
    records: list[Record] = []
    damaged, position, was_whole = 0, 0, True
    while position < len(blob):
        if found := _whole_record(blob, position):
            record, position = found
            records.append(record)
            was_whole = True
            continue
        damaged += was_whole
        was_whole = False
        position = (blob.find(b"\n", position) + 1) or len(blob)
    return records, damaged


def _whole_record(blob: bytes, start: int) -> tuple[Record, int] | None:
    head = _HEAD.match(blob, start)
    if head is None:
        return None
    end = head.end() + int(head[3])
    table = head[4].decode()
    if end > len(blob) or table not in TABLES or zlib.crc32(blob[head.start(2) : end]) != int(head[1], 16):
        return None
    return Record(table, blob[head.end() : end]), end + 1
