"""From a client to one origin and back, as it is: any method, any body, nothing judged."""

from collections.abc import Callable

from autonomous_healing.wire.asking import Asking, request_bytes
from autonomous_healing.wire.errors import WireError
from autonomous_healing.wire.exchange import Exchange, Flow, Sink, whole_head
from autonomous_healing.wire.message import (
    HOP_BY_HOP,
    Answer,
    AnswerHead,
    RequestHead,
    has_no_body,
    status_line,
)
from autonomous_healing.wire.origin import Origin

#: Our name among the hops of a message (RFC 9110, section 7.6.3).
PSEUDONYM = b"1.1 autonomous_healing"

#: Written anew for the next hop.
_OURS = frozenset({b"host", b"content-length", b"expect", b"via"})

#: Of an answer, written anew by whoever sends it.
WRITTEN_BY_SERVERS = frozenset({b"content-length", b"date"})

#: A client must not speak in the name of a proxy, however it spells that.
_FORGED = (b"healing-", b"x-forwarded-", b"forwarded")

#: Answers of this type never end; they go on piece by piece.
_ENDLESS = b"text/event-stream"

#: How a relayed request ended: the status, or what went wrong; None when the client left first.
Ending = int | WireError | None


class Relay(Asking):
    """One relayed request."""

    __slots__ = ("_begun", "_exchange", "_failed", "_over")

    def __init__(
        self,
        exchange: Exchange,
        head: bytes,
        due: float,
        most: int,
        *,
        failed: Callable[[Exchange, WireError], None],
        over: Callable[[Ending], None],
    ) -> None:
        """`failed` answers in place of the origin; `over` is told how it ended."""
        super().__init__(exchange.request.method, head + exchange.body, due, most, exchange.upload)
        self._exchange = exchange
        self._failed = failed
        self._over = over
        self._begun = 0
        exchange.on_gone = self._client_left

    def answered(self, answer: Answer) -> None:
        head = answer.head
        bare = has_no_body(self.method, head.status)
        length = (head.length if self.method == b"HEAD" else None) if bare else len(answer.body)
        self._exchange.respond(self.shown(head, length), answer.body)
        self._over(head.status)

    def failed(self, error: WireError) -> None:
        if self._begun:
            self._exchange.abort()
        else:
            self._failed(self._exchange, error)
        self._over(error)

    def streams(self, head: AnswerHead) -> bool:
        return (head.first(b"content-type") or b"").startswith(_ENDLESS)

    def begins(self, head: AnswerHead, early: bytes, flow: Flow) -> Sink | None:
        self._begun = head.status
        self._exchange.flow = flow
        self._exchange.begin(self.shown(head, head.length), head.length)
        self._exchange.write(early)
        return self

    def take(self, piece: bytes) -> None:
        """More of a streamed body."""
        self._exchange.write(piece)

    def end(self) -> None:
        """The streamed body is whole."""
        self._exchange.finish()
        self._over(self._begun)

    def shown(self, head: AnswerHead, length: int | None) -> bytes:
        """The head of the answer as the client gets it."""
        fields = [one for one in head.end_to_end() if one[0] not in WRITTEN_BY_SERVERS]
        fields.append((b"via", PSEUDONYM))
        return whole_head(status_line(head.status), fields, length)

    def _client_left(self) -> None:
        self.cancel()
        self._over(None)


def relayed_request(exchange: Exchange, origin: Origin, target: bytes) -> bytes:
    """The head that goes to the origin in place of the one that came. Raises `ValueError`."""
    request, upload = exchange.request, exchange.upload
    length = len(exchange.body) if upload is None else upload.length
    chunked = upload is not None and length is None
    fields = relayed_fields(request)
    return request_bytes(origin, request.method, target, fields, length=length, chunked=chunked)


def relayed_fields(request: RequestHead) -> list[tuple[bytes, bytes]]:
    """Of a request, those that go on, less `Host` and framing."""
    fields = [one for one in request.end_to_end() if one[0] not in _OURS and not _is_forged(one[0])]
    vias = [value for name, value in request.fields if name == b"via"]
    fields.append((b"via", b", ".join([*vias, PSEUDONYM])))
    return fields


def _is_forged(name: bytes) -> bool:
    name = name.replace(b"_", b"-")
    return name.startswith(_FORGED) or name in _OURS or name in HOP_BY_HOP
