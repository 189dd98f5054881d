"""Asking whether a stored answer still holds, and being asked (RFC 9111, sections 3.2 and 4.3)."""

import re
from collections.abc import Iterable

from autonomous_healing.endpoint_healing.caching.dates import read_date
from autonomous_healing.endpoint_healing.caching.requests import CacheRequest
from autonomous_healing.endpoint_healing.caching.stored import StoredAnswer
from autonomous_healing.wire.message import Fields

#: Fields by which an answer is asked for only if it has changed.
CONDITIONS = frozenset({b"if-none-match", b"if-modified-since"})

#: Of a stored answer, never taken from one that has no body of its own (RFC 9111, section 3.2).
_OF_THE_BODY = frozenset({b"content-length", b"content-encoding", b"content-range"})

#: What a 304 tells of the answer that it stands for (RFC 9110, section 15.4.5), and `Last-Modified`, without
#: which some clients would take theirs for undated.
_OF_NOT_MODIFIED = frozenset({
    b"cache-control", b"content-location", b"date", b"etag", b"expires", b"last-modified", b"vary", b"via",
})  # fmt: skip

_ETAG = re.compile(rb'(?:W/)?("[!#-~\x80-\xff]*")')


def conditions(stored: StoredAnswer) -> list[tuple[bytes, bytes]]:
    """Fields that ask its source for another answer only; none where it gave nothing to compare by."""
    fields = []
    if stored.facts.etag is not None:
        fields.append((b"if-none-match", stored.facts.etag))
    if stored.facts.last_modified is not None:
        fields.append((b"if-modified-since", _first(stored.fields, b"last-modified")))
    return fields


def confirms(stored: StoredAnswer, answer: Fields) -> bool:
    """Whether a 304 with these fields speaks of this answer and of no other (section 4.3.4)."""
    said = _first(answer, b"etag")
    return not said or _compared(said) == _compared(stored.facts.etag or b"")


def describes(stored: StoredAnswer, answer: Fields, length: int | None) -> bool:
    """Whether the answer to a HEAD is that of the stored one (section 4.3.5)."""
    told = dict(answer)
    if length is not None and length != len(stored.body):
        return False
    known = dict(stored.fields)
    return all(
        name not in told or told[name] == known.get(name)
        for name in (b"etag", b"last-modified", b"content-encoding")
    )


def updated(stored: Fields, newer: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The stored fields with those of a newer answer in the place of those of the same name."""
    fresh = [one for one in newer if one[0] not in _OF_THE_BODY]
    names = {name for name, _ in fresh} | {b"age", b"date"}
    return [one for one in stored if one[0] not in names] + fresh


def not_modified(request: CacheRequest, stored: StoredAnswer, now: float) -> bool:
    """Whether the caller already holds this answer (section 4.3.2); `now` in Unix seconds."""
    if stored.status != 200:
        return False
    if request.none_match is not None:
        return _is_listed(stored.facts.etag, request.none_match)
    if request.modified_since is None:
        return False
    since = read_date(request.modified_since, now)
    changed = stored.facts.last_modified
    return since is not None and (stored.facts.date if changed is None else changed) <= since


def not_modified_fields(stored: StoredAnswer) -> list[tuple[bytes, bytes]]:
    """Of a 304 in its place."""
    return [one for one in stored.fields if one[0] in _OF_NOT_MODIFIED]


def _is_listed(etag: bytes | None, listed: bytes) -> bool:
    """By the weak comparison (RFC 9110, section 8.8.3.2)."""
    if listed.strip(b" \t") == b"*":
        return True
    return etag is not None and _compared(etag) in {found[1] for found in _ETAG.finditer(listed)}


def _first(fields: Fields, name: bytes) -> bytes:
    return next((value for known, value in fields if known == name), b"")


def _compared(etag: bytes) -> bytes:
    return etag.removeprefix(b"W/")
