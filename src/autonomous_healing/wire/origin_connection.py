"""One connection to an origin: one request at a time, its answer read to the last byte or not at all."""

import asyncio
import select
from typing import Protocol, cast

from autonomous_healing.wire.asking import Asking
from autonomous_healing.wire.bodies import BodyReader, body_of_answer
from autonomous_healing.wire.errors import Malformed, Phase, WireError
from autonomous_healing.wire.exchange import Sink
from autonomous_healing.wire.heads import LONGEST_ANSWER_HEAD, end_of_head, read_answer
from autonomous_healing.wire.message import Answer, AnswerHead, has_no_body

#: Interim answers (1xx) before the answer itself; more are a flood.
_MOST_INTERIM = 32

_BEGINNING = b"HTTP/1."


class Home(Protocol):
    """What a connection knows of the pool it belongs to."""

    stall_seconds: float

    def release(self, one: "OriginConnection") -> None:
        """It may be used again."""

    def lost(self, one: "OriginConnection") -> None:
        """It is gone."""

    def resend(self, asking: Asking) -> None:
        """The connection was stale: send on a new one."""

    def forget(self, asking: Asking) -> None:
        """Its time need not be watched any more."""


class OriginConnection(asyncio.Protocol):
    """Idle, or busy with one request. Whatever comes while it is idle ends it."""

    __slots__ = (
        "_asking", "_buffer", "_head", "_heard", "_home", "_interims", "_loop", "_paused", "_pieces",
        "_poll", "_reader", "_scanned", "_sink", "_size", "_transport", "_uploading", "address", "closing",
        "idle_since", "retired", "uses",
    )  # fmt: skip

    def __init__(self, home: Home) -> None:
        self._home = home
        self._loop = asyncio.get_running_loop()
        self._asking: Asking | None = None
        self._buffer = b""  #: of a head that is not whole yet
        self._scanned = 0  #: bytes of it in which no end was found
        self._head: AnswerHead | None = None
        self._reader: BodyReader | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._sink: Sink | None = None
        self._heard = False  #: whether a byte of the present answer has come
        self._interims = 0
        self._uploading = False
        self._paused = False  #: reading has stopped, for the sake of a client that is behind
        self.closing = False
        self.retired = False  #: its address is no longer one of the origin's
        self.address = ""
        self.idle_since = 0.0
        self.uses = 0

    @property
    def phase(self) -> Phase:
        if self._reader is not None:
            return Phase.BODY
        return Phase.SEND if self._uploading else Phase.HEAD

    def is_fresh(self) -> bool:
        """Whether it may carry another request: open, and with nothing to read that nobody has asked for."""
        return not self.closing and not self._poll.poll(0)

    def send(self, asking: Asking) -> None:
        """Start an exchange; the connection must be idle."""
        self._asking = asking
        asking.connection = self
        asking.sent_at = self._loop.time()
        self._heard = False
        self.uses += 1
        self._transport.write(asking.head)
        if asking.upload is not None:
            self._uploading = True
            asking.upload.stream_to(_UploadSink(self, asking.upload.length is None))

    def abandon(self) -> None:
        self._asking = None
        self._transport.abort()

    def break_off(self, error: WireError) -> None:
        """End it, and the request that it carries."""
        if self._asking is not None:
            self._fail(error)
        else:
            self._transport.abort()

    def close(self) -> None:
        """It carries nothing and will not be used again."""
        self.closing = True
        self._transport.close()

    # Flow of the answer that streams, and of the upload.

    def pause(self) -> None:
        """The client is behind: read no more for now, and let no time run."""
        if not self.closing:
            self._paused = True
            self._transport.pause_reading()
            if self._asking is not None:
                self._asking.due = float("inf")

    def resume(self) -> None:
        """The client has caught up."""
        if not self.closing:
            self._paused = False
            self._transport.resume_reading()
            self._still_moving()

    def upload_part(self, piece: bytes) -> None:
        """The next bytes of the request."""
        if self._uploading and not self.closing:
            self._transport.write(piece)

    def upload_ended(self) -> None:
        """The request is whole."""
        self._uploading = False

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._poll = select.poll()
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, piece: bytes) -> None:
        if self._asking is None:
            self.closing = True
            self._transport.abort()  # unasked bytes would be taken for the next answer
            return
        self._heard = True
        try:
            if self._reader is not None:
                self._take(self._reader.feed(piece))
            else:
                self._read_head(self._buffer + piece if self._buffer else piece)
        except Malformed as wrong:
            self._fail(WireError(Phase.FRAMING, str(wrong)))

    def eof_received(self) -> None:
        """The connection ends; `connection_lost` decides what that means."""

    def connection_lost(self, fault: Exception | None) -> None:
        self.closing = True
        asking = self._asking
        if asking is not None:
            if fault is None and self._reader is not None and self._reader.ends():
                self._complete(b"")
            elif not self._heard and self.uses > 1 and asking.may_be_resent:
                self._asking = asking.connection = None
                self._home.resend(asking)
            else:
                self._fail(WireError(self.phase, self._how_it_ended(fault)))
        self._home.lost(self)

    def pause_writing(self) -> None:
        if self._asking is not None and self._asking.upload is not None:
            self._asking.upload.pause()

    def resume_writing(self) -> None:
        if self._asking is not None and self._asking.upload is not None and self._uploading:
            self._asking.upload.resume()

    # Reading.

    def _read_head(self, buffer: bytes) -> None:
        while True:
            end, self._scanned = end_of_head(buffer, LONGEST_ANSWER_HEAD, self._scanned), 0
            if not end:
                if buffer and not buffer.startswith(_BEGINNING[: len(buffer)]):
                    raise Malformed("what came is no HTTP/1.1")
                self._buffer, self._scanned = buffer, len(buffer)
                return
            head = read_answer(buffer[:end])
            buffer = buffer[end:]
            if head.status >= 200:
                break
            self._interims += 1
            if head.status == 101 or self._interims > _MOST_INTERIM:
                raise Malformed("an upgrade nobody asked for, or too many interim answers")
        self._buffer = b""
        self._begin_body(head, buffer)

    def _begin_body(self, head: AnswerHead, buffer: bytes) -> None:
        asking = cast(Asking, self._asking)
        self._head = head
        if has_no_body(asking.method, head.status):
            odd = head.status == 204 and (head.chunked or head.length)  # a body may still come
            self._finish(b"", leftover=bool(buffer or odd))
        elif head.length is not None and len(buffer) == head.length <= asking.most:
            self._finish(buffer, leftover=False)
        else:
            self._reader = body_of_answer(head)
            if (head.length or 0) > asking.most or asking.streams(head):
                self._begin_stream(b"")
            if self._asking is not None:
                self._take(self._reader.feed(buffer) if buffer else b"")

    def _take(self, part: bytes) -> None:
        asking, reader = cast(Asking, self._asking), cast(BodyReader, self._reader)
        if self._sink is not None:
            self._still_moving()
            if part:
                self._sink.take(part)
            if self._asking is None:
                return  # whoever took it has cancelled
        elif part:
            self._size += len(part)
            self._pieces.append(part)
            if self._size > asking.most:
                self._begin_stream(b"".join(self._pieces))
                if self._asking is None:
                    return
        if reader.done:
            self._complete(reader.rest)

    def _begin_stream(self, early: bytes) -> None:
        asking = cast(Asking, self._asking)
        self._pieces = []
        sink = asking.begins(cast(AnswerHead, self._head), early, self)
        if sink is None:
            self._fail(WireError(Phase.BODY, f"answer larger than {asking.most} bytes", too_large=True))
        elif not asking.over:
            self._sink = sink
            self._still_moving()

    def _still_moving(self) -> None:
        """What streams may last; it may not stand still."""
        if self._asking is not None and self._sink is not None and not self._paused:
            self._asking.due = self._loop.time() + self._home.stall_seconds

    def _complete(self, rest: bytes) -> None:
        pieces = self._pieces
        self._finish(pieces[0] if len(pieces) == 1 else b"".join(pieces), leftover=bool(rest))

    def _finish(self, body: bytes, *, leftover: bool) -> None:
        """The answer is whole: free the connection for the next request, then tell."""
        asking, head, sink = cast(Asking, self._asking), cast(AnswerHead, self._head), self._sink
        ended_by_close = self._reader is not None and not self._reader.done
        self._asking = asking.connection = None
        asking.over = True
        self._home.forget(asking)
        self._head = self._reader = self._sink = None
        if self._pieces:
            self._pieces = []
        self._size = self._interims = 0
        if self._uploading:
            self.closing = True
            self._transport.abort()  # an end in good order would wait for the origin to read
        elif leftover or ended_by_close or self.retired or not head.keeps_alive:
            self.closing = True
            self._transport.close()
        elif not self.closing:
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            self._home.release(self)
        if sink is None:
            asking.answered(Answer(head, body))
        else:
            sink.end()

    def _fail(self, error: WireError) -> None:
        asking = cast(Asking, self._asking)
        self._asking = asking.connection = None
        asking.over = True
        self._home.forget(asking)
        if not self.closing:
            self.closing = True
            self._transport.abort()
        asking.failed(error)

    def _how_it_ended(self, fault: Exception | None) -> str:
        cut = "answer cut short" if self._heard else "connection closed before an answer"
        return cut if fault is None else f"{cut}: {_words(fault)}"


class _UploadSink:
    """Sends the pieces of an upload on, framed as its head has said."""

    __slots__ = ("_chunked", "_connection")

    def __init__(self, connection: OriginConnection, chunked: bool) -> None:
        self._connection = connection
        self._chunked = chunked

    def take(self, piece: bytes) -> None:
        if not piece:
            return  # a chunk of nothing would end the body
        self._connection.upload_part(b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked else piece)

    def end(self) -> None:
        if self._chunked:
            self._connection.upload_part(b"0\r\n\r\n")
        self._connection.upload_ended()


def _words(fault: Exception) -> str:
    """Kinds and numbers only: messages may name addresses."""
    match fault:
        case ConnectionResetError():
            return "reset by peer"
        case OSError(errno=int(number)):
            return f"error {number}"
        case _:
            return type(fault).__name__
