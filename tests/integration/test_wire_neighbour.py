"""What is handed on to another process of the same program arrives as it came, and so does the answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.eventually import eventually

from autonomous_healing import wire

LIMITS = wire.ServerLimits(body_bytes=4_000_000, buffer_bytes=100_000)


@asynccontextmanager
async def two_processes(
    folder: Path, answer: Callable[[wire.Exchange], None], *, listens: bool = True
) -> AsyncIterator[int]:
    """The port of one that hands everything on to another, which answers."""
    path = str(folder / "requests")
    pool = wire.Pool()
    troubles: list[wire.WireError] = []

    def failed(exchange: wire.Exchange, error: wire.WireError) -> None:
        troubles.append(error)
        exchange.respond(wire.whole_head(wire.status_line(503), ((b"phase", error.phase.encode()),), 0))

    def hand_on(exchange: wire.Exchange) -> None:
        head = wire.handed_on(exchange)
        due = asyncio.get_running_loop().time() + 5.0
        place = pool.neighbour(path)
        place.ask(wire.Handing(exchange, head, due, 100_000, failed=failed, over=lambda _: None))

    first, second = wire.Server(hand_on, LIMITS), wire.Server(answer, LIMITS)
    await first.listen("127.0.0.1", 0)
    if listens:
        await second.listen_unix(path)
    try:
        yield first.port
    finally:
        await pool.stop()
        await wire.drain([first, second], 0.0)


async def said(port: int, request: bytes) -> bytes:
    """All that comes back until the connection closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def fields_of(answer: bytes) -> dict[bytes, bytes]:
    lines = answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return dict(line.split(b": ", 1) for line in lines)


def echo(exchange: wire.Exchange) -> None:
    """The request, as an answer."""
    lines = [b"%b: %b" % one for one in exchange.request.fields]
    body = b"\n".join([exchange.request.method, exchange.request.target, *lines, exchange.body])
    exchange.respond(wire.whole_head(wire.status_line(200), ((b"healing-trail", b"x"),), len(body)), body)


async def test_nothing_of_a_request_changes_but_what_is_of_the_connection(tmp_path: Path) -> None:
    async with two_processes(tmp_path, echo) as port:
        answer = await said(
            port,
            b"GET /a%2fb?c=d HTTP/1.1\r\nHost: somebody.example:81\r\nHealing-Allow: exact\r\n"
            b"X-Forwarded-For: me\r\nVia: 1.1 other\r\nConnection: close\r\n\r\n",
        )
    body = answer.partition(b"\r\n\r\n")[2].split(b"\n")
    assert body[:2] == [b"GET", b"/a%2fb?c=d"]
    assert sorted(body[2:-1]) == [
        b"healing-allow: exact",
        b"host: somebody.example:81",
        b"via: 1.1 other",
        b"x-forwarded-for: me",
    ]


async def test_nothing_of_an_answer_changes(tmp_path: Path) -> None:
    async with two_processes(tmp_path, echo) as port:
        answer = await said(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    fields = fields_of(answer)
    assert fields.pop(b"date")
    assert fields == {b"healing-trail": b"x", b"content-length": b"14", b"connection": b"close"}
    assert answer.count(b"date: ") == 1


async def test_a_request_without_host_is_handed_on_all_the_same(tmp_path: Path) -> None:
    async with two_processes(tmp_path, echo) as port:
        answer = await said(port, b"GET / HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\nhost: localhost\n" in answer


@pytest.mark.parametrize("size", [0, 10, 100_000, 1_000_000])
async def test_bodies_go_both_ways_whole(tmp_path: Path, size: int) -> None:
    def mirror(exchange: wire.Exchange) -> None:
        if exchange.upload is None:
            exchange.respond(wire.whole_head(wire.status_line(200), (), len(exchange.body)), exchange.body)
        else:
            exchange.begin(wire.whole_head(wire.status_line(200), (), exchange.upload.length), size)
            exchange.upload.stream_to(_Back(exchange))

    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with two_processes(tmp_path, mirror) as port:
        head = b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % size
        answer = await said(port, head + body)
    assert answer.partition(b"\r\n\r\n")[2] == body


class _Back:
    def __init__(self, exchange: wire.Exchange) -> None:
        self._exchange = exchange

    def take(self, piece: bytes) -> None:
        self._exchange.write(piece)

    def end(self) -> None:
        self._exchange.finish()


async def test_an_answer_to_head_keeps_the_length_it_speaks_of(tmp_path: Path) -> None:
    async with two_processes(tmp_path, echo) as port:
        answer = await said(port, b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert int(fields_of(answer)[b"content-length"]) > 0
    assert answer.endswith(b"\r\n\r\n")


async def test_where_nobody_listens_is_told(tmp_path: Path) -> None:
    async with two_processes(tmp_path, echo, listens=False) as port:
        answer = await said(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503")
    assert fields_of(answer)[b"phase"] == b"connect"


async def test_a_client_who_leaves_ends_what_the_other_process_does(tmp_path: Path) -> None:
    asked: list[wire.Exchange] = []
    gone: list[str] = []

    def wait(exchange: wire.Exchange) -> None:
        exchange.on_gone = lambda: gone.append("gone")
        asked.append(exchange)

    async with two_processes(tmp_path, wait) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await eventually(lambda: asked)
        assert gone == []
        writer.transport.abort()
        await eventually(lambda: gone)
    assert (len(asked), asked[0].answered, gone) == (1, True, ["gone"])
