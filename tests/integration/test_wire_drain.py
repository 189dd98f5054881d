"""How a server stops: everybody who has asked is answered, and nobody can make it wait for ever."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
from tests.eventually import eventually
from tests.wire_origins import (
    HERE,
    Cut,
    Line,
    client,
    let_others_run,
    on_both_loops,
    on_uvloop,
    serving,
    waited,
)

from autonomous_healing.wire.exchange import Exchange, whole_head
from autonomous_healing.wire.limits import ServerLimits
from autonomous_healing.wire.message import status_line
from autonomous_healing.wire.server import Server, drain

CLIENTS = 24
QUICK = ServerLimits(sweep_seconds=0.02)

Drained = asyncio.Task[float]


def get(target: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % target


def say(exchange: Exchange, body: bytes) -> None:
    exchange.respond(whole_head(status_line(200), (), len(body)), body)


def echo(exchange: Exchange) -> None:
    say(exchange, exchange.request.target + exchange.body)


class Later:
    """Answers when told to."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.gone = 0

    def __call__(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        exchange.on_gone = self._count

    def _count(self) -> None:
        self.gone += 1


def draining(server: Server, seconds: float) -> Drained:
    """How long it takes to stop."""
    loop = asyncio.get_running_loop()

    async def drains() -> float:
        began = loop.time()
        await drain([server], seconds)
        return loop.time() - began

    return loop.create_task(drains())


async def last_answer(line: Line) -> bytes:
    """Whole, and the connection ends in good order behind it."""
    said = await line.answer()
    assert said.all("connection") == ["close"]
    assert await line.read() == b""
    return said.body


def soon(exchange: Exchange) -> None:
    asyncio.get_running_loop().call_later(0.01, echo, exchange)


def piece_by_piece(exchange: Exchange) -> None:
    """In chunks, the last of which says the target."""
    loop = asyncio.get_running_loop()
    exchange.begin(whole_head(status_line(200), (), None), None)
    for delay in (0.0, 0.01, 0.02):
        loop.call_later(delay, exchange.write, bytes(30_000))
    loop.call_later(0.03, exchange.write, exchange.request.target)
    loop.call_later(0.04, exchange.finish)


def much(exchange: Exchange) -> None:
    say(exchange, bytes(1_000_000) + exchange.request.target)


async def asks_on(port: int, number: int) -> int:
    """Request after request on one connection until the server ends it; each has its own whole answer."""
    async with client(port) as line:
        for turn in range(1_000_000):
            target = b"/%d/%d" % (number, turn)
            await line.send(get(target))
            said = await line.answer()
            assert said.body.endswith(target)
            if said.all("connection") == ["close"] or (turn and await _is_over(line)):
                assert await line.read() == b""
                return turn
        raise AssertionError("nobody stops")


async def _is_over(line: Line) -> bool:
    """Whether the connection has ended behind an answer that began before anybody thought of it."""
    await let_others_run(3)
    try:
        return line.socket.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False


def mixed(exchange: Exchange) -> None:
    """Each client has its own sort of answer."""
    number = int(exchange.request.target.split(b"/")[1])
    (echo, soon, piece_by_piece, much)[number % 4](exchange)


@on_both_loops
async def test_nobody_sees_an_error_while_a_server_under_load_stops() -> None:
    async with serving(mixed) as server, asyncio.TaskGroup() as group:
        asking = [group.create_task(asks_on(server.port, number)) for number in range(CLIENTS)]
        await eventually(lambda: server.connections == CLIENTS)
        await eventually(waited(0.1))
        seconds = await draining(server, 5.0)
        turns = [await one for one in asking]
    assert min(turns) > 0
    assert 0.5 <= seconds < 2.0


@on_both_loops
async def test_idle_connections_close() -> None:
    async with serving(echo, QUICK) as server, client(server.port) as used, client(server.port) as new:
        await used.send(get(b"/"))
        await used.answer()
        seconds = await draining(server, 10.0)
        assert (await used.read(), await new.read()) == (b"", b"")
        assert seconds < 2.0


@on_both_loops
async def test_who_asks_on_an_idle_connection_just_then_is_answered() -> None:
    async with serving(echo, QUICK) as server, client(server.port) as line, client(server.port) as split:
        await line.send(get(b"/"))
        await line.answer()
        await split.send(get(b"/split")[:9])
        drained = draining(server, 5.0)
        await eventually(lambda: server.draining)
        await line.send(get(b"/last"))
        await split.send(get(b"/split")[9:])
        assert await last_answer(line) == b"/last"
        assert await last_answer(split) == b"/split"
        assert await drained < 2.0


@on_uvloop
async def test_who_connects_just_then_is_served_and_later_refused() -> None:
    async with serving(echo, QUICK) as server:
        port = server.port
        drained = draining(server, 5.0)
        await eventually(lambda: server.draining)
        async with client(port) as line:
            await line.send(get(b"/new"))
            assert await last_answer(line) == b"/new"
        assert await drained < 2.0
        with pytest.raises(ConnectionRefusedError), socket.socket() as refused:
            refused.connect((HERE, port))


@on_uvloop
async def test_who_connects_just_then_and_says_nothing_is_not_waited_for() -> None:
    async with serving(echo, QUICK) as server:
        drained = draining(server, 3.0)
        await eventually(lambda: server.draining)
        async with client(server.port) as line:
            await line.ended()
            assert await drained < 2.0


@on_both_loops
async def test_what_is_under_way_is_answered() -> None:
    later = Later()
    async with serving(later, QUICK) as server, client(server.port) as line:
        await line.send(get(b"/slow"))
        await eventually(lambda: later.exchanges)
        drained = draining(server, 10.0)
        await eventually(waited(0.7))
        assert not drained.done()
        echo(later.exchanges[0])
        assert await last_answer(line) == b"/slow"
        assert (await drained < 2.0, later.gone) == (True, 0)


@on_uvloop
async def test_what_waits_behind_it_is_not_begun() -> None:
    later = Later()
    async with serving(later, QUICK) as server, client(server.port) as line:
        await line.send(get(b"/first") + get(b"/second"))
        await eventually(lambda: later.exchanges)
        drained = draining(server, 10.0)
        await eventually(lambda: server.draining)
        echo(later.exchanges[0])
        assert await last_answer(line) == b"/first"
        await drained
        assert len(later.exchanges) == 1


@on_uvloop
async def test_a_body_that_is_still_coming_is_waited_for() -> None:
    async with serving(echo, QUICK) as server, client(server.port) as line:
        await line.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        await let_others_run()
        drained = draining(server, 10.0)
        await eventually(waited(0.7))
        await line.send(b"def")
        assert await last_answer(line) == b"/abcdef"
        assert await drained < 2.0


@on_uvloop
async def test_a_stream_under_way_ends_whole() -> None:
    later = Later()
    async with serving(later, QUICK) as server, client(server.port) as line:
        await line.send(get(b"/"))
        await eventually(lambda: later.exchanges)
        [exchange] = later.exchanges
        exchange.begin(whole_head(status_line(200), (), None), None)
        drained = draining(server, 10.0)
        for piece in (b"one, ", b"two, ", b"three"):
            await eventually(waited(0.25))
            exchange.write(piece)
        exchange.finish()
        assert (await line.answer()).body == b"one, two, three"
        assert await line.read() == b""
        assert await drained < 2.0


MUCH = bytes(16_000_000)


@on_both_loops
async def test_who_is_slow_to_read_gets_the_last_answer_whole() -> None:
    later = Later()
    async with serving(later, QUICK) as server, client(server.port, buffer=4096) as line:
        await line.send(get(b"/"))
        await eventually(lambda: later.exchanges)
        drained = draining(server, 10.0)
        await eventually(lambda: server.draining)
        say(later.exchanges[0], MUCH)
        await eventually(waited(0.7))
        assert await last_answer(line) == MUCH
        assert await drained < 5.0


@on_uvloop
async def test_who_is_slow_to_read_an_answer_from_before_does_not_hold_it_up() -> None:
    later = Later()
    async with serving(later, QUICK) as server, client(server.port, buffer=4096) as line:
        await line.send(get(b"/"))
        await eventually(lambda: later.exchanges)
        say(later.exchanges[0], MUCH)
        drained = draining(server, 3.0)
        await eventually(waited(0.7))
        assert (await line.answer()).body == MUCH
        assert await line.read() == b""
        assert await drained < 2.5


async def _nothing(_: Exchange) -> None:
    """Never answers."""


async def _half(exchange: Exchange) -> None:
    exchange.begin(whole_head(status_line(200), (), 9), 9)
    exchange.write(b"half")


@pytest.mark.parametrize("begins", [_nothing, _half])
@on_both_loops
async def test_a_handler_that_never_answers_is_not_waited_for(
    begins: Callable[[Exchange], Awaitable[None]],
) -> None:
    later = Later()
    async with serving(later, QUICK) as server, client(server.port) as line:
        await line.send(get(b"/"))
        await eventually(lambda: later.exchanges)
        await begins(later.exchanges[0])
        assert 0.65 < await draining(server, 0.7) < 1.5
        assert (later.gone, server.in_flight, server.connections) == (1, 0, 0)
        with pytest.raises((Cut, ConnectionResetError)):
            await line.answer()


@on_uvloop
async def test_a_stream_that_is_not_waited_for_does_not_look_whole() -> None:
    """With the old version only a reset says so."""
    later = Later()
    async with serving(later, QUICK) as server, client(server.port) as line:
        await line.send(b"GET / HTTP/1.0\r\n\r\n")
        await eventually(lambda: later.exchanges)
        later.exchanges[0].begin(whole_head(status_line(200), (), None), None)
        later.exchanges[0].write(b"half")
        await draining(server, 0.1)
        with pytest.raises(ConnectionResetError):
            await line.answer()


@on_uvloop
async def test_several_servers_stop_together() -> None:
    async with (
        serving(echo, QUICK) as one,
        serving(echo, QUICK) as other,
        client(one.port) as line,
        client(other.port) as second,
    ):
        await eventually(lambda: one.connections + other.connections == 2)
        began = asyncio.get_running_loop().time()
        await drain([one, other], 5.0)
        assert asyncio.get_running_loop().time() - began < 2.0
        assert (await line.read(), await second.read()) == (b"", b"")
