"""Stored answers, and answers that have just come, as they go over the wire to one client."""

from math import floor

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.caching.dates import write_date
from autonomous_healing.endpoint_healing.caching.ranges import Part, wanted_part
from autonomous_healing.endpoint_healing.caching.requests import CacheRequest
from autonomous_healing.endpoint_healing.caching.status import hit_lines
from autonomous_healing.endpoint_healing.caching.stored import StoredAnswer
from autonomous_healing.endpoint_healing.caching.validating import not_modified, not_modified_fields
from autonomous_healing.wire import Fields


def give(
    exchange: wire.Exchange,
    request: CacheRequest,
    stored: StoredAnswer,
    now: float,
    date: float,
    detail: str = "",
) -> None:
    """A stored answer, its source unasked. `now`: monotonic seconds; `date`: Unix seconds."""
    age = stored.age(now)
    exchange.dated = True
    if request.plain:
        exchange.respond(stored.head(age, detail), stored.body)
    else:
        lines = hit_lines(int(age), floor(stored.lifetime - age), detail)
        _give_what_is_wanted(exchange, request, stored, lines, date)


def give_forwarded(
    exchange: wire.Exchange,
    request: CacheRequest,
    stored: StoredAnswer,
    status: bytes,
    now: float,
    date: float,
) -> None:
    """A stored answer of which its source was asked; `status` is the value of `Cache-Status`."""
    exchange.dated = True
    lines = b"age: %d\r\ncache-status: %b\r\n" % (int(stored.age(now)), status)
    _give_what_is_wanted(exchange, request, stored, lines, date)


def relayed_answer(head: wire.AnswerHead, date: float) -> list[tuple[bytes, bytes]]:
    """The fields of an answer that go on, less its length; with a date, and our name among the hops."""
    fields = [one for one in head.end_to_end() if one[0] != b"content-length"]
    if not any(name == b"date" for name, _ in fields):
        fields.append((b"date", write_date(date)))
    fields.append((b"via", wire.PSEUDONYM))
    return fields


def head_with_status(status: int, fields: Fields, length: int | None, cache_status: bytes) -> bytes:
    """For `respond` and `begin`."""
    return wire.whole_head(wire.status_line(status), [*fields, (b"cache-status", cache_status)], length)


def _give_what_is_wanted(
    exchange: wire.Exchange, request: CacheRequest, stored: StoredAnswer, lines: bytes, date: float
) -> None:
    """All of it, a part, or nothing where the client holds it already."""
    if not_modified(request, stored, date):
        head = wire.whole_head(wire.status_line(304), not_modified_fields(stored), None)
        exchange.respond(head + lines)
        return
    part = wanted_part(request, stored, date) if request.range is not None else Part.WHOLE
    if part is Part.WHOLE:
        exchange.respond(stored.plain_head + lines, stored.body)
    elif part is Part.NONE:
        length = b"bytes */%d" % len(stored.body)
        fields = [(b"content-range", length), (b"via", wire.PSEUDONYM), (b"date", write_date(date))]
        exchange.respond(wire.whole_head(wire.status_line(416), fields, 0) + lines)
    else:
        start, end = part
        fields = [*stored.fields, (b"content-range", b"bytes %d-%d/%d" % (start, end - 1, len(stored.body)))]
        head = wire.whole_head(wire.status_line(206), fields, end - start)
        exchange.respond(head + lines, stored.body[start:end])
