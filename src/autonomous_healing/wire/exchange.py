"""One request and its answer, as the one who answers sees them."""

from collections.abc import Callable
from typing import Protocol

from autonomous_healing.wire.message import Fields, RequestHead


class Flow(Protocol):
    """Where bytes come from: asked to wait while those who take them are behind."""

    def pause(self) -> None:
        """Bring nothing for now."""

    def resume(self) -> None:
        """Go on."""


class Sink(Protocol):
    """Takes a body piece by piece."""

    def take(self, piece: bytes) -> None:
        """The next bytes."""

    def end(self) -> None:
        """The body is whole."""


class Carrier(Protocol):
    """The connection below an exchange."""

    def send(self, exchange: "Exchange", head: bytes, body: bytes) -> None:
        """A whole answer; `head` without the lines that depend on the connection."""

    def begin(self, exchange: "Exchange", head: bytes, length: int | None) -> None:
        """The head of an answer that streams."""

    def send_part(self, exchange: "Exchange", piece: bytes) -> None:
        """The next bytes of a streamed body."""

    def finish(self, exchange: "Exchange") -> None:
        """The streamed body is whole."""

    def cut(self, exchange: "Exchange") -> None:
        """Break off visibly."""


class Upload:
    """A request body that still comes while the request is already sent on."""

    __slots__ = ("_early", "_ended", "_flow", "_sink", "length")

    def __init__(self, early: bytes, length: int | None, flow: Flow) -> None:
        self.length = length  #: None when it comes in chunks
        self._early = early
        self._ended = False
        self._sink: Sink | None = None
        self._flow = flow

    def stream_to(self, sink: Sink) -> None:
        """From now on `sink` gets all of it."""
        self._sink = sink
        early, self._early = self._early, b""
        if early:
            sink.take(early)
        if self._ended:
            sink.end()
        else:
            self._flow.resume()

    def pause(self) -> None:
        """The sink is behind."""
        self._flow.pause()

    def resume(self) -> None:
        """The sink has caught up."""
        self._flow.resume()

    def take(self, piece: bytes) -> None:
        """The connection hands on what came."""
        if self._sink is None:
            self._early += piece
        else:
            self._sink.take(piece)

    def end(self) -> None:
        """The connection has read all of it."""
        self._ended = True
        if self._sink is not None:
            self._sink.end()


def _nobody_cares() -> None:
    return


class Exchange:
    """Answer it once: `respond`; or `begin`, `write` as often as needed, and `finish` or `abort`.

    Once the client has gone, all of them do nothing.
    """

    __slots__ = (
        "_carrier", "address", "answered", "begun", "body", "dated", "flow", "on_gone", "request", "upload",
    )  # fmt: skip

    def __init__(
        self, carrier: Carrier, request: RequestHead, body: bytes, upload: Upload | None, address: str = ""
    ) -> None:
        self._carrier = carrier
        self.address = address  #: of the client
        self.request = request
        self.body = body  #: whole, unless there is an upload
        self.upload = upload
        self.dated = False  #: what is answered has a `Date` of its own
        self.begun = False  #: the head of a streamed answer is sent
        self.answered = False  #: nothing more can be sent: all is said, or the client has gone
        self.on_gone: Callable[[], object] = _nobody_cares  #: called when the client leaves before the end
        self.flow: Flow | None = None  #: what a streamed answer comes from

    def date_line(self, ours: bytes) -> bytes:
        """`ours`, unless what is answered has a date of its own."""
        return b"" if self.dated else ours

    def let_go(self) -> None:
        """Of those who answer it: each would keep the other, and the body, until the collector comes."""
        self.on_gone, self.flow = _nobody_cares, None

    def respond(self, head: bytes, body: bytes = b"") -> None:
        """The whole answer. `head`: as `whole_head` makes it, with `content-length`."""
        if not self.answered:
            self._carrier.send(self, head, body)

    def begin(self, head: bytes, length: int | None) -> None:
        """The head of an answer whose body comes by `write`; `length` None when nobody knows it."""
        if self.request.method == b"HEAD":
            self.respond(head)
        elif not self.answered:
            self.begun = True
            self._carrier.begin(self, head, length)

    def write(self, piece: bytes) -> None:
        """The next bytes; `flow` is paused while the client is behind."""
        if not self.answered:
            self._carrier.send_part(self, piece)

    def finish(self) -> None:
        """The streamed body is whole."""
        if not self.answered:
            self._carrier.finish(self)

    def abort(self) -> None:
        """Break off so that the client sees that the answer is not whole."""
        if not self.answered:
            self._carrier.cut(self)


def whole_head(status_line: bytes, fields: Fields, length: int | None) -> bytes:
    """A head for `respond` and `begin`: `length` of the body, None where the status or the framing has none.

    Raises `ValueError` where a field holds the end of a line or a NUL: it would become another field.
    """
    lines = b"".join([b"%b: %b\r\n" % one for one in fields])
    if lines.count(b"\n") != len(fields) or lines.count(b"\r") != len(fields) or b"\0" in lines:
        raise ValueError("a header field holds a line break or a NUL")
    if length is None:
        return status_line + lines
    return b"%b%bcontent-length: %d\r\n" % (status_line, lines, length)
