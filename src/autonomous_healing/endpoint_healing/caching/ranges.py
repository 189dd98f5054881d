"""Parts of an answer that is kept whole (RFC 9110, section 14)."""

import re
from enum import Enum

from autonomous_healing.endpoint_healing.caching.dates import read_date
from autonomous_healing.endpoint_healing.caching.requests import CacheRequest
from autonomous_healing.endpoint_healing.caching.stored import StoredAnswer

#: So many ranges in one request go on to a source; more would be an attack on it.
MOST_RANGES = 5

_RANGE = re.compile(rb"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))", re.IGNORECASE)


class Part(Enum):
    """What is given in place of a part."""

    WHOLE = "whole"  #: the range is not one that we read, or no longer one of this answer
    NONE = "none"  #: it lies behind the end


def wanted_part(request: CacheRequest, stored: StoredAnswer, now: float) -> tuple[int, int] | Part:
    """The first byte and the one behind the last. Several ranges at once are answered with the whole."""
    found = _RANGE.fullmatch(request.range or b"")
    if found is None or stored.status != 200 or not _still_holds(request.if_range, stored, now):
        return Part.WHOLE
    length = len(stored.body)
    if found[3] is not None:
        start, end = max(0, length - int(found[3])), length
    else:
        start, end = int(found[1]), min(int(found[2]) + 1, length) if found[2] else length
        if found[2] and int(found[2]) < start:
            return Part.WHOLE
    return (start, end) if start < end else Part.NONE


def is_excessive(value: bytes) -> bool:
    """Whether more ranges are wanted than any honest client needs."""
    return value.count(b",") >= MOST_RANGES


def _still_holds(condition: bytes | None, stored: StoredAnswer, now: float) -> bool:
    """Of `If-Range`; only a strong validator will do (RFC 9110, section 13.1.5)."""
    if condition is None:
        return True
    if condition.startswith(b'"'):
        return condition == stored.facts.etag
    moment = read_date(condition, now)
    return moment is not None and moment == stored.facts.last_modified
