"""One connection of a client: reads one request at a time, and holds back what comes behind it."""

import asyncio
import math
from typing import cast

from autonomous_healing.wire.bodies import BodyReader, body_of_request
from autonomous_healing.wire.errors import Malformed
from autonomous_healing.wire.exchange import Exchange, Upload
from autonomous_healing.wire.heads import LONGEST_REQUEST_HEAD, end_of_head, read_request
from autonomous_healing.wire.message import RequestHead
from autonomous_healing.wire.premises import Premises
from autonomous_healing.wire.refusals import refusal
from autonomous_healing.wire.sockets import end_by_reset, is_over, not_taken
from autonomous_healing.wire.streamed_body import StreamedBody

#: Bytes behind a request that are held before reading stops.
_MOST_HELD = 65_536

#: A body so small is cheaper to copy behind its head than to send beside it.
_COPIED = 16_384

#: Seconds in which a refused client may still send, so that it gets to read why (RFC 9112, section 9.6).
_LINGER = 2.0

#: Before a request; some clients end a body with one too many.
_MOST_EMPTY_LINES = 8

#: So often within the time that it may stand still a client that does not read is looked at.
_LOOKS = 4

#: Seconds between two looks at a client that is held back.
_LOOKED_AT = 0.5

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientConnection(asyncio.Protocol):
    """The carrier of exchanges, one after the other."""

    __slots__ = (
        "_address", "_blocked", "_closing", "_empty", "_exchange", "_held", "_loop", "_moved_at", "_paused",
        "_pieces", "_reader", "_request", "_scanned", "_server", "_size", "_streamed", "_stuck_at",
        "_transport", "_upload", "due",
    )  # fmt: skip

    def __init__(self, server: Premises) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._address = ""
        self._held = b""  #: what came and is not understood yet
        self._request: RequestHead | None = None  #: whose body is being read
        self._reader: BodyReader | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._empty = 0
        self._scanned = 0  #: bytes of a head that is not whole in which no end was found
        self._exchange: Exchange | None = None
        self._upload: Upload | None = None
        self._streamed: StreamedBody | None = None  #: of an answer that has begun
        self._blocked = False  #: the client does not read as fast as we write
        self._paused = False  #: we do not read
        self._closing = False
        self._stuck_at, self._moved_at = -1, 0.0
        self.due = math.inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if isinstance(peer, tuple) else ""
        self.due = self._loop.time() + self._server.patience
        self._server.sweeper.watch(self)
        if not self._server.joined(self, self._address):
            self._refuse(503, "too many connections")

    def data_received(self, piece: bytes) -> None:
        if self._exchange is None:
            self._advance(self._held + piece if self._held else piece)
        elif self._upload is not None:
            self._feed_upload(piece)
        elif not self._closing:
            self._held += piece
            if len(self._held) > _MOST_HELD:
                self._pause_reading()

    def eof_received(self) -> None:
        """Who stops sending has gone: we do not answer into a half-closed connection."""

    def connection_lost(self, _: Exception | None) -> None:
        self._closing = True
        self._server.sweeper.forget(self)
        self._server.left(self, self._address)
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._server.in_flight -= 1
            was_cut, exchange.answered = exchange.answered, True
            if not was_cut:
                exchange.on_gone()
            exchange.let_go()

    def pause_writing(self) -> None:
        self._blocked = True
        self._stuck_at, self._moved_at = not_taken(self._transport), self._loop.time()
        self._plan_look()
        if self._exchange is not None and self._exchange.flow is not None:
            self._exchange.flow.pause()

    def resume_writing(self) -> None:
        self._blocked = False
        if self._exchange is None:
            self.due = self._loop.time() + self._server.patience
            if self._held:
                self._go_on()
        else:
            self._plan_look()
            if self._exchange.flow is not None:
                self._exchange.flow.resume()

    def overdue(self) -> None:
        """A limit in time has passed."""
        held_back = self._paused and self._exchange is not None
        if self._blocked or held_back:
            if self._stands_still() or (held_back and is_over(self._transport)):
                self.abort()
            else:
                self._plan_look()
                self._server.sweeper.watch(self)
            return
        idle = self._exchange is None and self._reader is None and not self._held
        if idle or self._closing or self._exchange is not None:
            self.abort()
        else:
            self._server.sweeper.watch(self)
            self._refuse(408, "the request did not come in time")

    def _stands_still(self) -> bool:
        """Whether the client has taken nothing of what waits for it, for as long as that may last."""
        if not self._blocked:
            return False
        waiting, now = not_taken(self._transport), self._loop.time()
        if waiting != self._stuck_at:
            self._stuck_at, self._moved_at = waiting, now
        return now - self._moved_at >= self._server.limits.stall_seconds

    def _plan_look(self) -> None:
        """Of a client that does not read, or is not read from, nobody else would tell that it is gone."""
        stall = self._server.limits.stall_seconds
        seconds = math.inf
        if self._blocked:
            seconds = stall / _LOOKS
        elif self._upload is not None:
            seconds = stall
        if self._paused:
            seconds = min(seconds, _LOOKED_AT)
        self.due = self._loop.time() + seconds

    def drain(self, grace: float) -> None:
        """Answer what is under way or comes within `grace` seconds, then close."""
        if self._exchange is None and self._reader is None and not self._held:
            self.due = min(self.due, self._loop.time() + grace)

    def abort(self) -> None:
        """Close at once, and let the client see it where something is owed."""
        if self._exchange is not None or self._transport.get_write_buffer_size():
            end_by_reset(self._transport)
        self._transport.abort()

    def _advance(self, buffer: bytes) -> None:
        """Work through what has come, as long as no exchange is under way."""
        self._held = b""
        try:
            while buffer and self._exchange is None and not self._closing and not self._blocked:
                if self._reader is not None:
                    buffer = self._read_body(buffer, self._reader)
                elif buffer[:2] == b"\r\n":
                    self._empty += 1
                    if self._empty > _MOST_EMPTY_LINES:
                        raise Malformed("nothing but empty lines")
                    self._scanned = 0
                    buffer = buffer[2:]  # an empty line before a request is ignored (RFC 9112, section 2.2)
                elif end := end_of_head(buffer, LONGEST_REQUEST_HEAD, self._scanned):
                    request = read_request(buffer[:end])
                    buffer = buffer[end:]
                    self._scanned = self._empty = 0
                    if request.chunked or request.length:
                        self._begin_body(request)
                    else:
                        self._hand_over(request, b"", None)
                else:
                    self._scanned = len(buffer)
                    break
        except Malformed as wrong:
            method = buffer.partition(b" ")[0] if self._request is None else self._request.method
            self._refuse(wrong.status, str(wrong), method)
            return
        if buffer and self._upload is not None:
            self._feed_upload(buffer)  # what came with its head
        elif buffer and not self._closing:
            if not self._held and self._reader is None and self._exchange is None and not self._blocked:
                self.due = min(self.due, self._loop.time() + self._server.limits.head_seconds)
            self._held = buffer

    def _begin_body(self, request: RequestHead) -> None:
        self._request = request
        limits = self._server.limits
        length = request.length or 0
        if length > limits.body_bytes:
            raise Malformed(f"the body is longer than {limits.body_bytes} bytes", 413)
        if request.expects_continue:
            self._transport.write(_CONTINUE)
        self._reader = body_of_request(request)
        self._pieces, self._size = [], 0
        self.due = self._loop.time() + limits.stall_seconds
        if length > limits.buffer_bytes:
            self._begin_upload(request)

    def _begin_upload(self, request: RequestHead) -> None:
        upload = Upload(b"".join(self._pieces), request.length, self)
        self._pieces = []
        self.pause()
        self._hand_over(request, b"", upload)

    def _read_body(self, buffer: bytes, reader: BodyReader) -> bytes:
        """Take what belongs to the body; what comes behind it is given back."""
        request = cast(RequestHead, self._request)
        self._take_part(reader.feed(buffer))
        if reader.done:
            body = b"".join(self._pieces)
            self._request = self._reader = None
            self._pieces = []
            self._hand_over(request, body, None)
            return reader.rest
        if self._size > self._server.limits.buffer_bytes:
            self._begin_upload(request)
        return b""

    def _take_part(self, part: bytes) -> None:
        limits = self._server.limits
        self._size += len(part)
        if self._size > limits.body_bytes:
            raise Malformed(f"the body is longer than {limits.body_bytes} bytes", 413)
        self._pieces.append(part)
        if not self._blocked:  # who sends must read, too
            self.due = self._loop.time() + limits.stall_seconds

    def _feed_upload(self, piece: bytes) -> None:
        upload, reader = cast(Upload, self._upload), cast(BodyReader, self._reader)
        try:
            part = reader.feed(piece)
            self._take_part(part)
        except Malformed as wrong:
            self._break_off(wrong)
            return
        self._pieces = []
        if part:
            upload.take(part)
        if reader.done:
            self._held = reader.rest
            self._upload = self._reader = self._request = None
            self._plan_look()
            upload.end()

    def _break_off(self, wrong: Malformed) -> None:
        """Half an upload must not be taken for a whole one."""
        exchange = cast(Exchange, self._exchange)
        exchange.answered = True
        exchange.on_gone()
        exchange.let_go()
        if self._streamed is not None:
            self.abort()  # a refusal would become a part of the answer that has begun
        self._exchange = None
        self._server.in_flight -= 1
        if self._streamed is None:
            self._refuse(wrong.status, str(wrong), exchange.request.method)

    def _hand_over(self, request: RequestHead, body: bytes, upload: Upload | None) -> None:
        server = self._server
        if server.in_flight >= server.limits.in_flight:
            self._refuse(503, "too many requests are under way", request.method)
            return
        server.in_flight += 1
        self._upload = upload
        self._exchange = exchange = Exchange(self, request, body, upload, self._address)
        self.due = math.inf
        if self._paused:
            self._plan_look()
        server.handle(exchange)

    def _go_on(self) -> None:
        if self._exchange is None and not self._closing:
            self._advance(self._held)
            if self._paused and len(self._held) <= _MOST_HELD and self._upload is None:
                self.resume()

    def pause(self) -> None:
        """Read no more for now."""
        self._pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._paused and not self._closing:
            self._read_on()
            if self._exchange is not None and not self._blocked:
                self._plan_look()

    def _pause_reading(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self.due = min(self.due, self._loop.time() + _LOOKED_AT)

    def _read_on(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def send(self, exchange: Exchange, head: bytes, body: bytes) -> None:
        keeps = self._keeps_alive(exchange)
        close = b"" if keeps else b"connection: close\r\n"
        last = exchange.date_line(self._server.date_line()) + close + b"\r\n"
        body = b"" if exchange.request.method == b"HEAD" else body
        if len(body) <= _COPIED:
            self._transport.write(head + last + body)
        else:
            self._transport.writelines((head + last, body))
        self._finished(exchange, keeps)

    def begin(self, exchange: Exchange, head: bytes, length: int | None) -> None:
        self._streamed = body = StreamedBody(length, exchange.request.minor)
        framing = b"transfer-encoding: chunked\r\n" if body.chunked else b""
        close = b"" if body.has_own_end and self._keeps_alive(exchange) else b"connection: close\r\n"
        self._transport.write(head + framing + exchange.date_line(self._server.date_line()) + close + b"\r\n")

    def send_part(self, exchange: Exchange, piece: bytes) -> None:
        if not piece:
            return  # a chunk of nothing would end the body
        framed = cast(StreamedBody, self._streamed).framed(piece)
        if framed is None:
            self.cut(exchange)
        else:
            self._transport.writelines(framed)

    def finish(self, exchange: Exchange) -> None:
        body = cast(StreamedBody, self._streamed)
        if body.is_owed:
            self.cut(exchange)  # never a short body as a whole one
            return
        if body.chunked:
            self._transport.write(b"0\r\n\r\n")
        self._streamed = None
        self._finished(exchange, body.has_own_end and self._keeps_alive(exchange))

    def cut(self, exchange: Exchange) -> None:
        """By a reset: an end of the connection alone may be an end of the body."""
        exchange.answered = True
        self.abort()

    def _keeps_alive(self, exchange: Exchange) -> bool:
        return exchange.request.keeps_alive and self._reader is None and not self._server.draining

    def _finished(self, exchange: Exchange, keeps: bool) -> None:
        exchange.answered = True
        exchange.let_go()
        self._exchange = None
        self._server.in_flight -= 1
        if not keeps:
            self._close()
            return
        patience = self._server.limits.stall_seconds if self._blocked else self._server.patience
        self.due = self._loop.time() + patience
        if self._held or self._paused:
            self._loop.call_soon(self._go_on)

    def _close(self) -> None:
        """At once where the request was whole; a client that still sends gets time to read what we said."""
        if self._closing:
            return
        if self._reader is None and not self._paused:
            self._closing = True
            self._held = b""
            self._transport.close()
            self.due = self._loop.time() + self._server.limits.stall_seconds
        else:
            self._linger()

    def _refuse(self, status: int, why: str, method: bytes = b"") -> None:
        """Say why this is no exchange, to a request with `method` if that is known, and no more after it."""
        self._transport.write(refusal(status, why, self._server.date_line(), bare=method == b"HEAD"))
        self._linger()

    def _linger(self) -> None:
        """Say no more, and take what still comes for a moment."""
        self._closing = True
        self._held = b""
        self._pieces = []
        self._reader = self._upload = self._request = None
        self.due = self._loop.time() + _LINGER
        self._read_on()
        if self._transport.can_write_eof():
            self._transport.write_eof()
