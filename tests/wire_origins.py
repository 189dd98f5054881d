"""Both ends of the wire: an origin that does as it is scripted, a client, and who is between."""

import asyncio
import inspect
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import uvloop

from autonomous_healing.wire.dialer import DialOptions, Resolve
from autonomous_healing.wire.errors import WireError
from autonomous_healing.wire.exchange import Exchange, whole_head
from autonomous_healing.wire.limits import ServerLimits
from autonomous_healing.wire.message import Answer, Request, status_line
from autonomous_healing.wire.origin import Origin
from autonomous_healing.wire.pool import OriginPool, Pool, PoolLimits
from autonomous_healing.wire.relay import Ending, Relay, relayed_request
from autonomous_healing.wire.server import Server, drain
from tests.eventually import CLOCK, eventually

HERE = "127.0.0.1"
HTTP = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [^\r\n]*")

#: Seconds that no test needs.
HANGING = 20.0

Test = Callable[..., Coroutine[Any, Any, None]]

_UVLOOP = pytest.param(uvloop.new_event_loop, id="uvloop")
_ASYNCIO = pytest.param(asyncio.new_event_loop, id="asyncio")


def on_uvloop(test: Test) -> Callable[..., None]:
    """Runs a test on the loop that the product runs on."""
    return _on(test, [_UVLOOP])


def on_both_loops(test: Test) -> Callable[..., None]:
    """Runs a test on that loop and on asyncio's own."""
    return _on(test, [_UVLOOP, _ASYNCIO])


def _on(test: Test, loops: Sequence[Any]) -> Callable[..., None]:
    def runs(new_loop: Callable[[], asyncio.AbstractEventLoop], **given: Any) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(_watched(test(**given)))

    runs.__name__, runs.__doc__ = test.__name__, test.__doc__
    loop = inspect.Parameter("new_loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    signature = inspect.signature(test)
    vars(runs)["__signature__"] = signature.replace(parameters=[loop, *signature.parameters.values()])
    vars(runs)["pytestmark"] = list(getattr(test, "pytestmark", []))
    return cast(Callable[..., None], pytest.mark.parametrize("new_loop", loops)(runs))


async def _watched(test: Coroutine[Any, Any, None]) -> None:
    """Nothing may hang, break within a callback of the loop, or be left behind."""
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    async with asyncio.timeout(HANGING):
        await test
    await let_others_run()
    assert faults == [], faults
    assert asyncio.all_tasks() == {asyncio.current_task()}, asyncio.all_tasks()


async def let_others_run(turns: int = 20) -> None:
    """May be cancelled meanwhile."""
    for _ in range(turns):
        await CLOCK.sleep(0)


def waited(seconds: float) -> Callable[[], bool]:
    """A condition that time alone brings about."""
    over = CLOCK.monotonic() + seconds
    return lambda: CLOCK.monotonic() > over


class Cut(Exception):
    """The connection ended where it should not."""


@dataclass
class Said:
    """An answer as a client without any mercy reads it."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        return [value for known, value in self.fields if known == name]


class Line:
    """One end of a connection. Nothing is read before it is asked for; each piece sent is a segment."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = end
        self.held = b""
        self._loop = asyncio.get_running_loop()

    async def send(self, *pieces: bytes) -> None:
        """The other side gets the time to read them one by one."""
        for piece in pieces:
            await self._loop.sock_sendall(self.socket, piece)
            if piece is not pieces[-1]:
                await let_others_run(6)

    async def read(self) -> bytes:
        """Something, or nothing at the end."""
        if self.held:
            piece, self.held = self.held, b""
            return piece
        return await self._loop.sock_recv(self.socket, 65_536)

    async def until(self, mark: bytes) -> bytes:
        """All up to the mark and it too. Raises `Cut`."""
        while mark not in self.held:
            await self._more()
        before, self.held = self.held.split(mark, 1)
        return before + mark

    async def exactly(self, size: int) -> bytes:
        """Raises `Cut`."""
        pieces, missing = [], size
        while missing > 0:
            piece = await self.read()
            if not piece:
                raise Cut(f"{missing} bytes of {size} are missing")
            pieces.append(piece)
            missing -= len(piece)
        whole = b"".join(pieces)
        self.held = whole[size:] + self.held
        return whole[:size]

    async def rest(self) -> bytes:
        """All until the other side ends the connection in good order."""
        pieces = []
        while piece := await self.read():
            pieces.append(piece)
        return b"".join(pieces)

    async def answer(self, method: str = "GET") -> Said:
        """The next one, whole. Raises `Cut`, or `ConnectionResetError`."""
        first, *lines = (await self.until(b"\r\n\r\n"))[:-4].split(b"\r\n")
        found = HTTP.fullmatch(first)
        assert found, first
        cut = [line.decode().partition(":") for line in lines]
        said = Said(int(found[1]), [(name.lower(), value.strip()) for name, _, value in cut])
        lengths, encodings = said.all("content-length"), said.all("transfer-encoding")
        assert len(lengths) + len(encodings) <= 1, said
        if method == "HEAD" or said.status in (204, 304) or said.status < 200:
            return said
        if encodings:
            assert encodings == ["chunked"]
            said.body = await self.chunks()
        else:
            said.body = await (self.exactly(int(lengths[0])) if lengths else self.rest())
        return said

    async def ended(self) -> bool:
        """Waits for the end; whether nothing came before it. A reset is an end, too."""
        try:
            return not await self.read()
        except ConnectionResetError:
            return True

    def shut(self) -> None:
        """Sends no more, and still reads."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()

    @property
    def closed(self) -> bool:
        return self.socket.fileno() < 0

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    async def chunks(self) -> bytes:
        """A body to its very end, which may not have trailers."""
        parts = []
        while size := int((await self.until(b"\r\n"))[:-2], 16):
            parts.append(await self.exactly(size))
            assert await self.exactly(2) == b"\r\n"
        assert await self.exactly(2) == b"\r\n"
        return b"".join(parts)

    async def _more(self) -> None:
        piece = await self._loop.sock_recv(self.socket, 65_536)
        if not piece:
            raise Cut("the connection ended")
        self.held += piece


@asynccontextmanager
async def client(port: int, *, buffer: int = 0, address: str = HERE) -> AsyncIterator[Line]:
    """Hangs up in the end. `buffer` bounds what the kernel takes in for it."""
    with socket.socket() as end:
        end.bind((address, 0))
        if buffer:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        end.connect((HERE, port))
        yield Line(end)


@dataclass
class Asked:
    """A request as it reached an origin."""

    line: Line
    number: int  #: of the connection, from 0
    head: bytes
    body: bytes

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode()

    @property
    def target(self) -> bytes:
        return self.head.split(b" ", 2)[1]


Converse = Callable[[Line, int], Awaitable[None]]
Script = Callable[[Asked], Awaitable[None]]


@dataclass
class RawOrigin:
    """What is known of one that listens."""

    port: int
    lines: list[Line] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    talking: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def targets(self) -> list[bytes]:
        return [one.target for one in self.asked]

    def answering(self, script: Script) -> Converse:
        """Reads request after request to its end, and plays the script for each."""

        async def converse(line: Line, number: int) -> None:
            while True:
                head = await line.until(b"\r\n\r\n")
                found = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
                in_chunks = b"\r\ntransfer-encoding: chunked\r\n" in head.lower()
                body = await (line.chunks() if in_chunks else line.exactly(int(found[1]) if found else 0))
                self.asked.append(Asked(line, number, head, body))
                await script(self.asked[-1])

        return converse


@asynccontextmanager
async def listening(
    script: Script | None = None, *, converse: Converse | None = None, host: str = HERE, port: int = 0
) -> AsyncIterator[RawOrigin]:
    """An origin that plays a script for each request, or has its own way with each connection."""
    loop = asyncio.get_running_loop()
    with socket.create_server((host, port), backlog=128) as door:
        door.setblocking(False)
        origin = RawOrigin(door.getsockname()[1])
        talk = converse or origin.answering(script or own_answer)

        async def one(line: Line, number: int) -> None:
            # A script has its say until the other side, or it itself, ends the connection.
            with suppress(Cut, ConnectionError):
                await talk(line, number)
            line.close()

        async def accept() -> None:
            while True:
                end, _ = await loop.sock_accept(door)
                origin.lines.append(Line(end))
                origin.talking.add(loop.create_task(one(origin.lines[-1], len(origin.lines) - 1)))

        accepting = loop.create_task(accept())
        try:
            yield origin
        finally:
            accepting.cancel()
            for task in origin.talking:
                task.cancel()
            ended = await asyncio.gather(accepting, *origin.talking, return_exceptions=True)
            for line in origin.lines:
                line.close()
        assert [fault for fault in ended if isinstance(fault, Exception)] == []


def answer(body: bytes = b"", *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """A sized one."""
    lines = b"".join(b"%b\r\n" % one for one in fields)
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, lines, len(body), body)


def chunked(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """The same in chunks."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + end


async def own_answer(asked: Asked) -> None:
    """Nobody else's: the target is said again."""
    await asked.line.send(answer(asked.target if asked.method != "HEAD" else b""))


async def here(_: str, __: int) -> Sequence[str]:
    """Every name leads to this machine."""
    return [HERE]


def address_of(port: int) -> Origin:
    return Origin("http", "api.example", port)


ANYWHERE = DialOptions(allow_private=True)


@dataclass
class Asker:
    """One who asks an origin through a pool."""

    pool: Pool
    origin: Origin
    options: DialOptions

    @property
    def place(self) -> OriginPool:
        return self.pool.origin(self.origin, self.options)

    async def ask(
        self,
        target: bytes = b"/",
        method: bytes = b"GET",
        *,
        body: bytes = b"",
        seconds: float = 5.0,
        most: int = 65_536,
    ) -> Answer:
        request = Request(method, target, body=body)
        return await self.pool.fetch(self.origin, self.options, request, seconds=seconds, most=most)

    async def fails(self, target: bytes = b"/", method: bytes = b"GET", **how: Any) -> WireError:
        with pytest.raises(WireError) as failed:
            await self.ask(target, method, **how)
        return failed.value


@asynccontextmanager
async def asking(
    port: int, limits: PoolLimits | None = None, *, options: DialOptions = ANYWHERE, resolve: Resolve = here
) -> AsyncIterator[Asker]:
    """A pool, stopped in the end."""
    asker = Asker(Pool(limits, resolve), address_of(port), options)
    try:
        yield asker
    finally:
        place = asker.place
        await asker.pool.stop()
        await let_others_run()
        await eventually(lambda: place.open == 0)


@asynccontextmanager
async def serving(
    handle: Callable[[Exchange], None], limits: ServerLimits | None = None
) -> AsyncIterator[Server]:
    """A server, stopped in the end; it must then know of nothing under way."""
    server = Server(handle, limits)
    await server.listen(HERE, 0)
    try:
        yield server
    finally:
        await drain([server], 0.0)
    assert (server.in_flight, server.connections) == (0, 0)


@dataclass
class Way:
    """From a client through a relay to an origin."""

    server: Server
    place: OriginPool
    endings: list[Ending] = field(default_factory=list)


@asynccontextmanager
async def relaying(
    port: int,
    *,
    limits: ServerLimits | None = None,
    pool: PoolLimits | None = None,
    seconds: float = 5.0,
    most: int = 65_536,
) -> AsyncIterator[Way]:
    """A relay to the origin on that port. A failure is told with its phase."""
    loop = asyncio.get_running_loop()

    def failed(exchange: Exchange, error: WireError) -> None:
        status, phase = 504 if error.timed_out else 502, error.phase.encode()
        exchange.respond(whole_head(status_line(status), (), len(phase)), phase)

    def handle(exchange: Exchange) -> None:
        head = relayed_request(exchange, asker.origin, exchange.request.target)
        due = loop.time() + seconds
        way.place.ask(Relay(exchange, head, due, most, failed=failed, over=way.endings.append))

    async with asking(port, pool) as asker, serving(handle, limits) as server:
        way = Way(server, asker.place)
        yield way
