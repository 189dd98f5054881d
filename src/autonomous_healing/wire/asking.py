"""One request to an origin: what is sent, until when an answer counts, and who is told of it."""

import asyncio
from abc import ABC, abstractmethod
from typing import Protocol

from autonomous_healing.wire.errors import Phase, WireError
from autonomous_healing.wire.exchange import Flow, Sink, Upload
from autonomous_healing.wire.message import IDEMPOTENT, Answer, AnswerHead, Fields
from autonomous_healing.wire.origin import Origin


class Place(Protocol):
    """Where a request waits and is watched."""

    @property
    def phase(self) -> Phase:
        """What a request without a connection is waiting for."""

    def watch(self, asking: "Asking") -> None:
        """Its time is watched again, until its `due`."""

    def forget(self, asking: "Asking") -> None:
        """Its time need not be watched any more."""


class Connection(Protocol):
    """What a request knows of the connection it is on."""

    @property
    def phase(self) -> Phase:
        """How far the exchange has come."""

    def abandon(self) -> None:
        """Nobody waits for this answer: drop the connection."""


class Asking(ABC):
    """One request on its way. One of `answered`, `failed` and `begins` is called, unless it is cancelled.

    `due` is by the loop's clock and bounds all phases together; `overdue` is called when it has passed.
    """

    __slots__ = (
        "connection",
        "due",
        "head",
        "method",
        "most",
        "over",
        "place",
        "resent",
        "sent_at",
        "upload",
    )

    def __init__(
        self, method: bytes, head: bytes, due: float, most: int, upload: Upload | None = None
    ) -> None:
        self.method = method
        self.head = head  #: the request as bytes, its body too unless that is an upload
        self.due = due
        self.most = most  #: bytes of a body that are held; a larger one streams, or is refused
        self.upload = upload
        self.connection: Connection | None = None
        self.place: Place | None = None
        self.over = False
        self.resent = False
        self.sent_at = 0.0  #: by the loop's clock, once it is on a connection

    @abstractmethod
    def answered(self, answer: Answer) -> None:
        """The whole answer has come."""

    @abstractmethod
    def failed(self, error: WireError) -> None:
        """No whole answer will come; also when a body that streams breaks off."""

    def streams(self, head: AnswerHead) -> bool:
        """Whether the body of this answer should stream from its first byte on."""
        return False

    def begins(self, head: AnswerHead, early: bytes, flow: Flow) -> Sink | None:
        """The body is larger than `most`: where it goes, `early` being its beginning; None refuses it."""
        return None

    def overdue(self) -> None:
        """Time is up; the sweeper calls it."""
        if self.over:
            return
        where = self.connection or self.place
        phase = Phase.WAIT if where is None else where.phase
        self.cancel()
        self.failed(WireError(phase, "no answer in time", timed_out=True))

    def cancel(self) -> None:
        """Nobody waits for it any more. Calls nothing."""
        if not self.over:
            self.over = True
            if self.place is not None:
                self.place.forget(self)
            connection, self.connection = self.connection, None
            if connection is not None:
                connection.abandon()

    @property
    def may_be_resent(self) -> bool:
        """Once, where sending it twice does no harm and nothing of it is lost."""
        return not self.resent and self.upload is None and self.method in IDEMPOTENT


class Fetching(Asking):
    """A request that somebody awaits."""

    __slots__ = ("future",)

    def __init__(self, method: bytes, head: bytes, due: float, most: int) -> None:
        super().__init__(method, head, due, most)
        self.future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def answered(self, answer: Answer) -> None:
        if not self.future.done():
            self.future.set_result(answer)

    def failed(self, error: WireError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


def request_bytes(
    origin: Origin,
    method: bytes,
    target: bytes,
    fields: Fields,
    *,
    length: int | None = 0,
    chunked: bool = False,
) -> bytes:
    """The head of a request with `Host` and framing. `length` of the body; `fields` hold neither of both.

    Raises `ValueError` where a field or the target holds what would become another line.
    """
    host = origin.authority.encode()
    return request_head(host, method, target, fields, length=length, chunked=chunked)


def request_head(
    host: bytes, method: bytes, target: bytes, fields: Fields, *, length: int | None, chunked: bool
) -> bytes:
    """The same for what stands in `Host`."""
    lines = b"".join([b"%b: %b\r\n" % one for one in fields])
    breaks = len(fields) + 3
    if chunked:
        lines += b"transfer-encoding: chunked\r\n"
        breaks += 1
    elif length or method in (b"POST", b"PUT", b"PATCH"):
        lines += b"content-length: %d\r\n" % (length or 0)
        breaks += 1
    head = b"%b %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (method, target, host, lines)
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head or b" " in target:
        raise ValueError("a header field or the target holds a line break, a blank or a NUL")
    return head
