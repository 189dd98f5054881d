"""Bytes through both sides of the wire without a network, torn into reads as one likes."""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.wire import MemoryTransport, Recorder, Understood

from autonomous_healing.wire.asking import Asking
from autonomous_healing.wire.bodies import ChunkedBody
from autonomous_healing.wire.client_connection import ClientConnection
from autonomous_healing.wire.dialer import Dialer, DialOptions
from autonomous_healing.wire.errors import Malformed, WireError
from autonomous_healing.wire.exchange import Exchange, Flow, Sink
from autonomous_healing.wire.limits import ServerLimits
from autonomous_healing.wire.message import Answer, AnswerHead
from autonomous_healing.wire.origin import Origin
from autonomous_healing.wire.origin_connection import OriginConnection
from autonomous_healing.wire.pool import OriginPool, PoolLimits
from autonomous_healing.wire.server import Server
from autonomous_healing.wire.sweeper import Sweeper


@dataclass
class Heard:
    """What a server has made of a stream."""

    seen: list[Understood]
    statuses: list[int] = field(compare=False)  #: of two faults in one head either may be told
    over: bool
    refused: bool


async def heard(pieces: Iterable[bytes], *, later: bool = False) -> Heard:
    """`later`: each answer comes a turn of the loop after its request."""
    recorder = Recorder()

    def answer(exchange: Exchange) -> None:
        if later:
            asyncio.get_running_loop().call_soon(recorder, exchange)
        else:
            recorder(exchange)

    server = Server(answer, ServerLimits(body_bytes=4096))
    transport = MemoryTransport(ClientConnection(server))
    await transport.bring(pieces)
    over = transport.over
    transport.close()
    await transport.bring([])
    server.sweeper.stop()
    assert (server.connections, server.in_flight) == (0, 0)
    statuses = transport.statuses
    return Heard(recorder.seen, statuses, over, refused=bool(statuses) and statuses[-1] >= 400)


class Told(Asking):
    """Keeps what it is told of an answer."""

    def __init__(self, method: bytes, most: int) -> None:
        super().__init__(method, b"%b / HTTP/1.1\r\nhost: a\r\n\r\n" % method, float("inf"), most)
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.whole = False
        self.broken = False

    def answered(self, answer: Answer) -> None:
        self.status, self.fields, self.body, self.whole = answer.status, answer.head.fields, answer.body, True

    def failed(self, error: WireError) -> None:
        self.broken = True

    def begins(self, head: AnswerHead, early: bytes, flow: Flow) -> Sink:
        self.status, self.fields, self.body = head.status, head.fields, early
        return self

    def take(self, piece: bytes) -> None:
        """More of a body that streams."""
        self.body += piece

    def end(self) -> None:
        """The body that streams is whole."""
        self.whole = True

    def outcome(self) -> tuple[object, ...]:
        """Of a body that breaks off only that it does: how far it came depends on the reads."""
        assert self.over
        assert self.broken is not self.whole
        return ("broken",) if self.broken else (self.status, self.fields, self.body)


async def told(pieces: Iterable[bytes], method: bytes = b"GET", most: int = 1 << 20) -> tuple[object, ...]:
    """What comes of an answer whose connection ends, and whether that might have carried another request."""
    asking, sweeper = Told(method, most), Sweeper(1.0)
    origin = Origin("http", "a.example", 80)
    pool = OriginPool(origin, Dialer(origin, DialOptions()), PoolLimits(), sweeper)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = OriginConnection(pool)
        transport = MemoryTransport(connection, ours)
        pool.release(connection)
        pool.ask(asking)
        await transport.bring(pieces)
        idle = pool.idle
        transport.close()
        await transport.bring([])
    sweeper.stop()
    assert pool.idle == 0
    return *asking.outcome(), idle


@dataclass(frozen=True)
class Chunks:
    """A body that came in chunks; `body` and `rest` count only where it is whole."""

    whole: bool = False
    malformed: bool = False
    body: bytes = b""
    rest: bytes = b""  #: what came behind it


def read_chunks(pieces: Iterable[bytes]) -> Chunks:
    reader, body, rest = ChunkedBody(), b"", b""
    try:
        for piece in pieces:
            if reader.done:
                rest += piece
            else:
                body += reader.feed(piece)
    except Malformed:
        return Chunks(malformed=True)
    return Chunks(whole=True, body=body, rest=reader.rest + rest) if reader.done else Chunks()
