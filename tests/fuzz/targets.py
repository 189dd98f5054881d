"""What must hold for any bytes whatever: only `Malformed` comes out, and what is accepted has one meaning."""

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from tests.fuzz.answers import ANSWERS, BODIES
from tests.fuzz.attacks import ATTACKS, BEHIND
from tests.fuzz.drivers import heard, read_chunks, told

from autonomous_healing.wire.asking import request_bytes
from autonomous_healing.wire.errors import Malformed
from autonomous_healing.wire.exchange import whole_head
from autonomous_healing.wire.heads import (
    LONGEST_ANSWER_HEAD,
    LONGEST_REQUEST_HEAD,
    LONGEST_TARGET,
    MOST_ANSWER_FIELDS,
    MOST_FIELDS,
    end_of_head,
    read_answer,
    read_request,
)
from autonomous_healing.wire.message import AnswerHead, Fields, Head, RequestHead, status_line
from autonomous_healing.wire.origin import Origin

_HeadT = TypeVar("_HeadT", bound=Head)

_NAME, _VALUE = (
    re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+"),
    re.compile(rb"([!-~\x80-\xff]([\t -~\x80-\xff]*[!-~\x80-\xff])?)?"),
)
_TARGET = re.compile(rb"/[!-~]*")
_STATUSES = {400, 405, 414, 417, 431, 501, 505}
_ORIGIN = Origin("http", "b.example", 80)


def request_heads(raw: bytes) -> None:
    """Also: what goes on to an origin is read there as it was here."""
    head = _head(raw, LONGEST_REQUEST_HEAD, read_request)
    if head is None:
        return
    _check_fields(head, MOST_FIELDS)
    assert _TARGET.fullmatch(head.target) or (head.method, head.target) == (b"OPTIONS", b"*")
    assert len(head.target) <= LONGEST_TARGET
    assert head.host or head.minor == 0
    assert not (head.chunked and head.minor == 0)
    fields = [one for one in head.end_to_end() if one[0] not in (b"host", b"content-length")]
    length, chunked = head.length or 0, head.chunked
    again = read_request(
        request_bytes(_ORIGIN, head.method, head.target, fields, length=length, chunked=chunked)
    )
    assert (again.method, again.target, again.host) == (head.method, head.target, b"b.example")
    assert (again.length or 0, again.chunked) == (length, chunked)
    assert [one for one in again.end_to_end() if one in fields] == fields


def answer_heads(raw: bytes) -> None:
    """Also: what goes on to a client is read there as it was here."""
    head = _head(raw, LONGEST_ANSWER_HEAD, read_answer)
    if head is None:
        return
    _check_fields(head, MOST_ANSWER_FIELDS)
    assert 100 <= head.status <= 999
    if head.status == 101:
        return  # no reader of answers lets one pass
    fields = [one for one in head.end_to_end() if one[0] != b"content-length"]
    again = read_answer(whole_head(status_line(head.status), fields, head.length) + b"\r\n")
    assert (again.status, again.length) == (head.status, head.length)
    assert [one for one in again.end_to_end() if one[0] != b"content-length"] == fields


def _head(raw: bytes, most: int, read: Callable[[bytes], _HeadT]) -> _HeadT | None:
    try:
        end = end_of_head(raw, most)
        head = read(raw[:end]) if end else None
    except Malformed as wrong:
        if wrong.status not in _STATUSES:
            raise AssertionError(f"refused with {wrong.status}") from wrong
        return None
    if end:
        assert raw[end - 4 : end] == b"\r\n\r\n"
        assert end_of_head(raw[: end - 1], most) == 0
        assert end_of_head(raw[:end], most) == end
    return head


def _check_fields(head: RequestHead | AnswerHead, most: int) -> None:
    assert len(head.fields) <= most
    assert all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in head.fields)
    assert head.length is None or (0 <= head.length < 10**15 and not head.chunked)
    assert head.keeps_alive is (head.minor == 1 and b"close" not in _said(head.fields))


def _said(fields: Fields) -> set[bytes]:
    said = b",".join(value for name, value in fields if name == b"connection")
    return {token.strip(b" \t").lower() for token in said.split(b",")}


def chunks(raw: bytes) -> None:
    """Also: no byte more than needed is taken, and reads do not matter."""
    raw, pieces = _torn(raw)
    found = read_chunks([raw])
    assert read_chunks(pieces) == found
    if found.whole:
        end = len(raw) - len(found.rest)
        assert raw[end:] == found.rest
        assert not read_chunks([raw[: end - 1]]).whole
        assert read_chunks([raw[:end]]).body == found.body
        assert len(found.body) < end


def request_streams(raw: bytes) -> None:
    """Through a whole connection of a client."""
    raw, pieces = _torn(raw)

    async def both() -> None:
        assert await heard(pieces, later=True) == await heard([raw])

    _LOOP.run_until_complete(both())


def answer_streams(raw: bytes) -> None:
    """Through a whole connection to an origin."""
    raw, pieces = _torn(raw)

    async def both() -> None:
        for most in (1 << 20, 8):
            assert await told(pieces, most=most) == await told([raw], most=most)

    _LOOP.run_until_complete(both())


def _torn(raw: bytes) -> tuple[bytes, list[bytes]]:
    """Without the first byte, whole and in pieces of as many bytes as that says."""
    size = max(1, raw[0] if raw else 1)
    raw = raw[1:]
    return raw, [raw[at : at + size] for at in range(0, len(raw), size)]


_LOOP = asyncio.new_event_loop()

TARGETS = (request_heads, answer_heads, chunks, request_streams, answer_streams)


def run(raw: bytes) -> None:
    """The first byte says which."""
    if raw:
        TARGETS[raw[0] % len(TARGETS)](raw[1:])


def seeds() -> Iterator[bytes]:
    """What a search may start from."""
    requests = [attack.raw for attack in ATTACKS if len(attack.raw) < 1000]
    for number, examples in enumerate(
        [requests, ANSWERS, BODIES, [one + BEHIND for one in requests], ANSWERS]
    ):
        for example in examples:
            yield bytes([number]) + (b"\x03" if number > 1 else b"") + example
