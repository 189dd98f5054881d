"""Heads of requests and answers as they are read, and what of them may go on to the next hop."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

#: Names in lower case, values without white space around them, in the order in which they came.
Fields = Sequence[tuple[bytes, bytes]]

#: Methods that may be sent twice without harm (RFC 9110, section 9.2.2).
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"})

#: Of one hop only, whether `Connection` names them or not (RFC 9110, section 7.6.1; RFC 9112, appendix C.2).
HOP_BY_HOP = frozenset({
    b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip

#: What no `Connection` field may take away: it would change where a message goes or where it ends.
_KEPT = frozenset({b"host", b"content-length"})

STATUS_LINES = {one.value: b"HTTP/1.1 %d %b\r\n" % (one.value, one.phrase.encode()) for one in HTTPStatus}


@dataclass(slots=True)
class Head:
    """What the heads of requests and answers share. Not frozen: one is made for every message."""

    minor: int  #: of the version, HTTP/1.x
    fields: list[tuple[bytes, bytes]]
    length: int | None  #: of the body, where `Content-Length` says it
    chunked: bool
    connection: frozenset[bytes]  #: what `Connection` names, in lower case
    keeps_alive: bool  #: whether the sender means to use the connection again; with HTTP/1.0 we do not
    kept: Any = field(default=None, kw_only=True, repr=False, compare=False)  #: for the reader's own notes

    def first(self, name: bytes) -> bytes | None:
        """The first value of a field."""
        for known, value in self.fields:
            if known == name:
                return value
        return None

    def end_to_end(self) -> list[tuple[bytes, bytes]]:
        """The fields that may go on to the next hop."""
        gone = HOP_BY_HOP | (self.connection - _KEPT) if self.connection else HOP_BY_HOP
        return [one for one in self.fields if one[0] not in gone]


@dataclass(slots=True)
class RequestHead(Head):
    """A request as it came; its target in origin form, still percent-encoded."""

    method: bytes
    target: bytes
    expects_continue: bool
    host: bytes


@dataclass(slots=True)
class AnswerHead(Head):
    """An answer of an origin as it came."""

    status: int


@dataclass(slots=True)
class Answer:
    """A whole answer of an origin; its body as it came, so possibly compressed."""

    head: AnswerHead
    body: bytes

    @property
    def status(self) -> int:
        return self.head.status


@dataclass(slots=True)
class Request:
    """What is asked of an origin. `Host` and framing are written by the pool."""

    method: bytes
    target: bytes
    fields: Fields = ()
    body: bytes = b""


def has_no_body(method: bytes, status: int) -> bool:
    """Whether an answer ends with its head, whatever its fields say (RFC 9112, section 6.3)."""
    return method == b"HEAD" or status in (204, 304) or status < 200


def status_line(status: int) -> bytes:
    """For a status without a name of its own, one without a reason."""
    return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
