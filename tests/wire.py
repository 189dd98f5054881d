"""HTTP by hand: clients that send any bytes, and ends that record what they were taken for."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple, TypeVar, cast

import uvloop

from autonomous_healing.wire.dialer import DialOptions
from autonomous_healing.wire.errors import WireError
from autonomous_healing.wire.exchange import Exchange, whole_head
from autonomous_healing.wire.limits import ServerLimits
from autonomous_healing.wire.message import Fields, status_line
from autonomous_healing.wire.origin import Origin
from autonomous_healing.wire.pool import Pool
from autonomous_healing.wire.relay import Relay, relayed_request
from autonomous_healing.wire.server import Server, drain
from tests.eventually import CLOCK

_T = TypeVar("_T")

_ANSWER_LINE = re.compile(rb"^HTTP/1\.1 ([0-9]{3})", re.MULTILINE)
_LENGTH = re.compile(rb"\r\ncontent-length: ([0-9]+)\r\n")

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def on_uvloop(work: Coroutine[Any, Any, _T]) -> _T:
    """Run it on the loop that the product runs on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


class Understood(NamedTuple):
    """A request as an end took it. `fields` are those that may go on to the next hop."""

    method: bytes = b"GET"
    target: bytes = b"/first"
    body: bytes = b""
    fields: Fields = ()


def statuses_of(answers: bytes) -> list[int]:
    """Of answers whose bodies hold no line of their own."""
    return [int(status) for status in _ANSWER_LINE.findall(answers)]


def read_strictly(raw: bytes) -> list[Understood]:
    """Requests as they came to an origin, fields sorted. Fails where framing could be read in two ways."""
    requests = []
    while raw:
        head, end, raw = raw.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        method, target, version = line.split(b" ")
        fields = sorted((name, value) for name, _, value in (line.partition(b": ") for line in lines))
        framing = [one for one in fields if one[0] in (b"content-length", b"transfer-encoding")]
        names = [name for name, _ in fields]
        assert end
        assert version == b"HTTP/1.1"
        assert names.count(b"host") == 1
        assert re.fullmatch(rb"([a-z0-9_-]+: [^\r\n\0]*(\r\n)?)+", b"\r\n".join(lines))
        assert not re.search(rb"[\r\n\0]", line)
        match framing:
            case []:
                body = b""
            case [(b"content-length", length)]:
                body, raw = raw[: int(length)], raw[int(length) :]
                assert len(body) == int(length)
            case [(b"transfer-encoding", b"chunked")]:
                body, raw = _unchunked(raw)
            case _:
                raise AssertionError(framing)
        requests.append(Understood(method, target, body, fields))
    return requests


def _unchunked(raw: bytes) -> tuple[bytes, bytes]:
    """The body, and what is behind it."""
    body = b""
    while True:
        size, end, raw = raw.partition(b"\r\n")
        length = int(size, 16)
        assert end
        assert b"%x" % length == size
        body += raw[:length]
        assert raw[length : length + 2] == b"\r\n"
        raw = raw[length + 2 :]
        if not length:
            return body, raw


class Recorder:
    """Answers every request at once, and remembers what it was."""

    def __init__(self) -> None:
        self.seen: list[Understood] = []

    def __call__(self, exchange: Exchange) -> None:
        request = exchange.request
        self.seen.append(Understood(request.method, request.target, exchange.body, request.end_to_end()))
        exchange.respond(whole_head(status_line(200), (), 0))


class TrustingOrigin:
    """Believes every head, answers it, and keeps every byte that came."""

    def __init__(self) -> None:
        self.connections: list[_Connection] = []
        self.at = Origin("http", "127.0.0.1", 0)

    @property
    def received(self) -> list[bytes]:
        """For each connection there ever was."""
        return [bytes(one.received) for one in self.connections]

    @property
    def open(self) -> int:
        return sum(not one.gone for one in self.connections)


class _Connection(asyncio.Protocol):
    def __init__(self, origin: TrustingOrigin) -> None:
        self._origin = origin
        self._answered = 0
        self.received = bytearray()
        self.gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._origin.connections.append(self)

    def connection_lost(self, _: Exception | None) -> None:
        self.gone = True

    def data_received(self, piece: bytes) -> None:
        self.received += piece
        while (end := self._end_of_next()) is not None:
            self._answered = end
            self.transport.write(OK)

    def _end_of_next(self) -> int | None:
        head = self.received.find(b"\r\n\r\n", self._answered)
        if head < 0:
            return None
        length = _LENGTH.search(self.received, self._answered, head + 2)
        end = head + 4 + int(length[1] if length else 0)
        if b"\r\ntransfer-encoding: chunked\r\n" in self.received[self._answered : head + 2]:
            end = self.received.find(b"\r\n0\r\n\r\n", head) + 7
        return end if head < end <= len(self.received) else None


@asynccontextmanager
async def trusting_origin() -> AsyncIterator[TrustingOrigin]:
    """One on a port of its own."""
    origin = TrustingOrigin()
    listening = await asyncio.get_running_loop().create_server(lambda: _Connection(origin), "127.0.0.1", 0)
    origin.at = origin.at._replace(port=listening.sockets[0].getsockname()[1])
    try:
        yield origin
    finally:
        listening.close()
        for one in origin.connections:
            one.transport.abort()


@asynccontextmanager
async def serving(
    handle: Callable[[Exchange], None], limits: ServerLimits | None = None
) -> AsyncIterator[Server]:
    """A server on a port of its own."""
    server = Server(handle, limits)
    await server.listen("127.0.0.1", 0)
    try:
        yield server
    finally:
        await drain([server], 0)


@asynccontextmanager
async def relaying(origin: Origin, limits: ServerLimits | None = None) -> AsyncIterator[Server]:
    """A server in front of the origin, that hands on whatever it understands."""
    pool = Pool()
    asked = pool.origin(origin, DialOptions(allow_private=True))
    loop = asyncio.get_running_loop()

    def failed(exchange: Exchange, error: WireError) -> None:
        exchange.respond(whole_head(status_line(504 if error.timed_out else 502), (), 0))

    def handle(exchange: Exchange) -> None:
        head = relayed_request(exchange, origin, exchange.request.target)
        asked.ask(Relay(exchange, head, loop.time() + 60, 1 << 20, failed=failed, over=lambda _: None))

    try:
        async with serving(handle, limits) as server:
            yield server
    finally:
        await pool.stop()


class Client:
    """A raw connection to a server of this loop."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self.heard = b""

    async def send(self, *pieces: bytes) -> None:
        """Each piece in a read of its own, as far as that can be had."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await CLOCK.sleep(0.001)

    async def insist(self, piece: bytes) -> None:
        """Send although the server has said that it is over."""
        with suppress(ConnectionError):
            await self.send(piece)

    async def hear_out(self) -> list[int]:
        """Until the server has ended the connection; the statuses of all that it said."""
        async with asyncio.timeout(5):
            while piece := await self._reader.read(65_536):
                self.heard += piece
        return self.statuses

    async def hear(self, enough: Callable[[bytes], object]) -> bytes:
        """Until what was heard is enough."""
        async with asyncio.timeout(5):
            while not enough(self.heard) and (piece := await self._reader.read(65_536)):
                self.heard += piece
        return self.heard

    @property
    def statuses(self) -> list[int]:
        return statuses_of(self.heard)

    async def leave(self) -> None:
        """Hang up, and wait until the server has noticed: all that was sent has been worked through then."""
        self._writer.close()
        async with asyncio.timeout(5):
            while self._server.connections:
                await CLOCK.sleep(0.001)

    def reset(self) -> None:
        """Go without a word."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


@asynccontextmanager
async def client_of(server: Server) -> AsyncIterator[Client]:
    """A connection that is gone on both ends afterwards."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    client = Client(server, reader, writer)
    try:
        yield client
    finally:
        await client.leave()


class MemoryTransport(asyncio.Transport):
    """A connection without a network: what is written stays here, and what comes is said by the test."""

    def __init__(self, protocol: asyncio.Protocol, connected: socket.socket | None = None) -> None:
        super().__init__({"socket": connected})
        self._protocol = protocol
        self._reading = True
        self.written = b""
        self.over = False  #: nothing more is said, or the connection is gone
        self.gone = False
        protocol.connection_made(self)

    async def bring(self, pieces: Iterable[bytes]) -> None:
        """One read for each piece, as long as anybody reads; and time to make something of it."""
        for piece in pieces:
            for _ in range(100):
                if self.gone or self._reading:
                    break
                await CLOCK.sleep(0)
            if piece and self._reading and not self.gone:
                self._protocol.data_received(piece)
        for _ in range(40):
            await CLOCK.sleep(0)

    @property
    def statuses(self) -> list[int]:
        return statuses_of(self.written)

    def close(self) -> None:
        self.over = True
        if not self.gone:
            self.gone = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self.gone

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def write_eof(self) -> None:
        self.over = True

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True

    def get_write_buffer_size(self) -> int:
        return 0
