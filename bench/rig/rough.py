"""Rough neighbours of a proxy: an origin that breaks off by plan and holds answers, clients that leave."""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast
from urllib.parse import parse_qs, urlsplit

import httptools

#: Paths of the origin, each with `n=` for the visit and `size=` for the answer's body.
ECHO, HOLD, HALF, STUCK, ENDLESS = "/echo", "/hold", "/half", "/stuck", "/endless"

#: A chart of a symbol that begins so is never answered.
HELD_SYMBOL = "HOLD"

_CHARTS = "/v8/finance/chart/"

#: Every answer may be kept, and must be asked for again.
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: max-age=0\r\n"

_SHORTEST = 64
_BLOCK = 262_144
_AT_ONCE = 16_384
_ENDLESS_BYTES = 1 << 40
_IDLE_SECONDS = 0.02


class Break(StrEnum):
    """Where an exchange is broken off."""

    BEFORE_HEAD = "before the head"
    IN_HEAD = "in the head"
    IN_BODY = "in the body"
    AFTER_IDLE = "after an idle moment"


class BreakPlan:
    """Which exchanges are broken off, and where: the same ones for the same seed."""

    def __init__(self, seed: int, share: float) -> None:
        self.rng = random.Random(seed)
        self.share = share

    def next(self) -> Break | None:
        """For the next exchange."""
        return self.rng.choice(list(Break)) if self.rng.random() < self.share else None


def echo(method: str, visit: str, size: int) -> bytes:
    """A body that says on every line to whom it belongs."""
    line = f"{method} {visit}\n".encode()
    size = max(size, _SHORTEST)
    return (line * (size // len(line) + 1))[:size]


@dataclass(slots=True)
class Visit:
    """What the origin saw of one request that is watched."""

    arrived: "asyncio.Future[None]" = field(default_factory=asyncio.Future)
    gone: "asyncio.Future[float]" = field(default_factory=asyncio.Future)  #: when, by the loop's clock
    port: int = 0  #: the proxy's, of that connection


class Origin:
    """Answers as asked, and keeps count of what it did to whom."""

    def __init__(self, charts: Mapping[str, bytes], plan: BreakPlan) -> None:
        self.charts = charts
        self.plan = plan
        self.breaking = False
        self.answered = 0
        self.broken: dict[str, Break] = {}
        self.breaks: Counter[Break] = Counter()
        self.came: Counter[str] = Counter()  #: how often each visit came whole
        self.posted: Counter[str] = Counter()  #: of these, the ones that must not come twice
        self.spoiled = 0  #: bodies of requests that did not come as they were sent
        self.watched: dict[str, Visit] = {}
        self.connections: set[_Peer] = set()
        self._listening: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._listening is not None
        return int(self._listening.sockets[0].getsockname()[1])

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(lambda: _Peer(self), "127.0.0.1", 0, backlog=1024)

    def watch(self, visit: str) -> Visit:
        """Tell of this request when it comes, and when its connection ends."""
        watched = self.watched[visit] = Visit()
        return watched

    def begin_storm(self, *, breaking: bool) -> None:
        """From now on exchanges are counted anew, and broken off by plan where that is wanted."""
        self.breaking, self.spoiled = breaking, 0
        for counted in (self.broken, self.breaks, self.came, self.posted):
            counted.clear()

    def close_idle(self) -> None:
        """As servers do that are tired of waiting."""
        for one in list(self.connections):
            one.close_if_idle()

    def close_stuck(self) -> None:
        """Those from which it takes no more."""
        for one in list(self.connections):
            one.close_if_stuck()

    def close(self) -> None:
        """All of it."""
        if self._listening is not None:
            self._listening.close()
        for one in list(self.connections):
            one.cut(reset=True)


class _Peer(asyncio.Protocol):
    """One connection of the proxy."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._held = b""
        self._body: list[bytes] | None = None
        self._missing = 0
        self._method = self._path = self._visit = ""
        self._size = 0
        self._busy = False
        self._more: Iterator[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._origin.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._origin.connections.discard(self)
        self._more = None
        watched = self._origin.watched.get(self._visit) if self._busy else None
        if watched is not None and not watched.gone.done():
            watched.gone.set_result(asyncio.get_running_loop().time())

    def data_received(self, data: bytes) -> None:
        if self._body is None:
            head, found, rest = (self._held + data).partition(b"\r\n\r\n")
            self._held = b"" if found else head
            if not found:
                return
            self._begin(head.decode("latin-1"))
            data = rest
        assert self._body is not None
        self._body.append(data)
        self._missing -= len(data)
        if self._missing <= 0:
            self._take_body(b"".join(self._body))
            self._body = None
            self._answer()

    def _begin(self, head: str) -> None:
        first, *lines = head.split("\r\n")
        self._method, target, _ = first.split(" ")
        parts = urlsplit(target)
        self._path = parts.path
        values = parse_qs(parts.query)
        self._visit = values["n"][0] if "n" in values else parts.path.removeprefix(_CHARTS)
        self._size = int(values.get("size", ["0"])[0])
        lengths = [line[15:] for line in lines if line[:15].lower() == "content-length:"]
        self._missing = int(lengths[0]) if lengths else 0
        self._body = []
        self._busy = True
        watched = self._origin.watched.get(self._visit)
        if watched is not None and not watched.arrived.done():
            watched.port = self._transport.get_extra_info("peername")[1]
            watched.arrived.set_result(None)
        if self._path == STUCK:
            self._transport.pause_reading()

    def _take_body(self, body: bytes) -> None:
        self._origin.came[self._visit] += 1
        if self._method == "POST":
            self._origin.posted[self._visit] += 1
            self._origin.spoiled += body != echo("BODY", self._visit, len(body))

    def _answer(self) -> None:
        if self._path == HOLD or self._visit.startswith(HELD_SYMBOL):
            return
        body = self._origin.charts.get(self._visit) or echo(self._method, self._visit, self._size)
        if self._path == ENDLESS:
            self._more = iter(lambda: echo(self._method, self._visit, _BLOCK), b"")
            self._transport.write(_head(_ENDLESS_BYTES))
            self.resume_writing()
        elif self._path == HALF:
            self._transport.write(_head(len(body)) + body[: len(body) // 2])
        else:
            self._answer_by_plan(body)

    def _answer_by_plan(self, body: bytes) -> None:
        origin = self._origin
        rng = origin.plan.rng
        how = origin.plan.next() if origin.breaking else None
        if how is Break.AFTER_IDLE and len(body) > _AT_ONCE:
            how = Break.IN_BODY  # it might still be on its way when the connection ends
        whole = _chunked(body) if origin.breaking and rng.random() < 0.3 else _head(len(body)) + body
        head_ends = whole.index(b"\r\n\r\n") + 4
        if how is not None:
            origin.breaks[how] += 1
        match how:
            case None | Break.AFTER_IDLE:
                self._busy = False
                origin.answered += 1
                self._transport.write(whole)
            case _:
                origin.broken[self._visit] = how
                end = {Break.BEFORE_HEAD: 0, Break.IN_HEAD: head_ends // 2}.get(
                    how, head_ends + len(body) // 2
                )
                self._transport.write(whole[:end])
        if how is not None:
            wait = rng.random() * _IDLE_SECONDS if how is Break.AFTER_IDLE else 0.001
            reset = rng.random() < 0.5
            asyncio.get_running_loop().call_later(wait, self._break_off, self._visit, reset)

    def _break_off(self, visit: str, reset: bool) -> None:
        if visit == self._visit:  # nothing more has come since
            self.cut(reset=reset)

    def cut(self, *, reset: bool) -> None:
        """End the connection, visibly or just so."""
        cut(self._transport, reset=reset)

    def close_if_idle(self) -> None:
        if not self._busy:
            self._transport.close()

    def close_if_stuck(self) -> None:
        if self._path == STUCK:
            self.cut(reset=True)

    def resume_writing(self) -> None:
        while self._more is not None and self._transport.get_write_buffer_size() < _BLOCK:
            self._transport.write(next(self._more))
            if self._transport.is_closing():
                return


def _head(length: int) -> bytes:
    return b"%bcontent-length: %d\r\n\r\n" % (_HEAD, length)


def _chunked(body: bytes) -> bytes:
    middle = len(body) // 3
    parts = [b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:middle], body[middle:])]
    return b"%btransfer-encoding: chunked\r\n\r\n%b0\r\n\r\n" % (_HEAD, b"".join(parts))


def cut(transport: asyncio.Transport, *, reset: bool) -> None:
    """By a reset, or by an end that looks like any other."""
    connection = transport.get_extra_info("socket")
    if reset and connection is not None and not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


@dataclass(slots=True)
class Reply:
    """What a client got for one request."""

    status: int = 0  #: 0 where not even a head came
    body: bytes = b""
    whole: bool = False
    late: bool = False  #: nothing whole came in the time there was


class Client(asyncio.Protocol):
    """One kept-alive connection that asks one thing at a time; `stubborn` ones do not leave when told to."""

    def __init__(self, *, stubborn: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._stubborn = stubborn
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._reply: asyncio.Future[Reply] | None = None
        self.heard: asyncio.Event = asyncio.Event()  #: a byte of an answer
        self.heard_at = self._loop.time()
        self.lost_at: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.port = int(transport.get_extra_info("sockname")[1])

    async def ask(self, request: bytes, seconds: float) -> Reply:
        """What comes of it, whole or not."""
        self._reply = self._loop.create_future()
        if self.lost_at is not None:
            return Reply()
        self.transport.write(request)
        try:
            async with asyncio.timeout(seconds):
                return await self._reply
        except TimeoutError:
            self.transport.abort()
            return Reply(late=True)

    def leave(self, *, reset: bool) -> None:
        cut(self.transport, reset=reset)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        self.heard.set()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._tell(whole=False)
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        self._tell(whole=True)

    def _tell(self, *, whole: bool) -> None:
        reply, self._reply = self._reply, None
        if reply is not None and not reply.done():
            heard = self.heard.is_set()
            status = self._parser.get_status_code() if heard else 0
            reply.set_result(Reply(status, b"".join(self._pieces), whole))
        self._pieces = []

    def eof_received(self) -> bool:
        return self._stubborn

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost_at = self._loop.time()
        self._tell(whole=False)


async def connect(port: int, *, stubborn: bool = False) -> Client:
    """To a door of the proxy. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: Client(stubborn=stubborn), "127.0.0.1", port)
    return client


def request(method: str, target: str, body: bytes = b"", *, length: int | None = None) -> bytes:
    """As bytes; `length` where only a part of the body is there yet."""
    size = len(body) if length is None else length
    lines = f"content-length: {size}\r\n" if size else ""
    return f"{method} {target} HTTP/1.1\r\nhost: bench\r\n{lines}\r\n".encode() + body
