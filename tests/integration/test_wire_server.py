"""What a client may expect of the server, and what it may not do to others."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from tests.eventually import eventually
from tests.wire_origins import (
    Cut,
    Line,
    answer,
    client,
    let_others_run,
    listening,
    on_both_loops,
    on_uvloop,
    relaying,
    serving,
    waited,
)

from autonomous_healing.wire.exchange import Exchange, whole_head
from autonomous_healing.wire.limits import ServerLimits
from autonomous_healing.wire.message import status_line
from autonomous_healing.wire.ports import PortTaken
from autonomous_healing.wire.server import Server

#: Limits in time that a test can wait for.
SOON = ServerLimits(head_seconds=0.2, stall_seconds=0.2, idle_seconds=0.2, sweep_seconds=0.02)

LARGE = bytes(32_000_000)


def get(target: bytes, *fields: bytes, method: bytes = b"GET", body: bytes = b"") -> bytes:
    lines = b"".join(b"%b\r\n" % one for one in fields)
    sized = b"Content-Length: %d\r\n" % len(body) if body else b""
    return b"%b %b HTTP/1.1\r\nHost: a\r\n%b%b\r\n%b" % (method, target, lines, sized, body)


def head_of(status: int, length: int | None) -> bytes:
    return whole_head(status_line(status), (), length)


def echo(exchange: Exchange) -> None:
    """Says the target and the body again, at once."""
    said = exchange.request.target + exchange.body
    exchange.respond(head_of(200, len(said)), said)


class Later:
    """Answers when told to."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.gone: list[Exchange] = []

    def __call__(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        exchange.on_gone = lambda: self.gone.append(exchange)


# One after the other.


@on_both_loops
async def test_a_connection_is_used_again_and_again() -> None:
    async with serving(echo) as server, client(server.port) as line:
        for target in (b"/one", b"/two", b"/three"):
            await line.send(get(target, method=b"POST", body=b"+"))
            assert (await line.answer()).body == target + b"+"
        assert server.connections == 1


@on_both_loops
async def test_a_request_may_come_byte_by_byte() -> None:
    async with serving(echo) as server, client(server.port) as line:
        request = get(b"/slow", method=b"PUT", body=b"+")
        await line.send(*(bytes([one]) for one in request))
        assert (await line.answer()).body == b"/slow+"


@pytest.mark.parametrize("body", [b"", b"body"])
@on_both_loops
async def test_requests_sent_at_once_are_answered_in_order(body: bytes) -> None:
    async with serving(echo) as server, client(server.port) as line:
        targets = [b"/%d" % number for number in range(50)]
        await line.send(b"".join(get(target, body=body) for target in targets))
        assert [(await line.answer()).body for _ in targets] == [target + body for target in targets]


@on_both_loops
async def test_the_next_request_waits_until_the_one_before_is_answered() -> None:
    later = Later()
    async with serving(later) as server, client(server.port) as line:
        await line.send(get(b"/0", body=b"x") + get(b"/1") + get(b"/2")[:9], get(b"/2")[9:] + get(b"/3"))
        for number in range(4):
            await eventually(lambda: server.in_flight)
            await let_others_run()
            assert (len(later.exchanges), server.in_flight) == (number + 1, 1)
            echo(later.exchanges[-1])
            assert (await line.answer()).body[:2] == b"/%d" % number


@on_uvloop
async def test_what_is_sent_ahead_is_held_within_bounds_and_not_lost() -> None:
    later = Later()
    async with serving(later) as server, client(server.port) as line:
        requests = get(b"/", b"X-Long: " + b"a" * 1000) * 20_000
        sending = asyncio.get_running_loop().create_task(line.send(requests))
        await eventually(lambda: later.exchanges)
        await let_others_run(200)
        assert not sending.done()
        server.handle = echo
        echo(later.exchanges[0])
        for _ in range(20_000):
            assert (await line.answer()).body == b"/"
        await sending


@on_both_loops
async def test_answers_without_a_body_have_none() -> None:
    def handle(exchange: Exchange) -> None:
        status = int(exchange.request.target[1:])
        exchange.respond(
            head_of(status, None if status in (204, 304) else 4), b"" if status != 200 else b"body"
        )

    async with serving(handle) as server, client(server.port) as line:
        await line.send(get(b"/200", method=b"HEAD") + get(b"/204") + get(b"/304") + get(b"/200"))
        heads = [await line.answer("HEAD"), await line.answer(), await line.answer()]
        assert [said.status for said in heads] == [200, 204, 304]
        assert [said.all("content-length") for said in heads] == [["4"], [], []]
        assert (await line.answer()).body == b"body"


@pytest.mark.parametrize(
    "length",
    [
        None,
        4,
    ],
)
@on_uvloop
async def test_a_streamed_answer_to_a_head_request_has_no_body_either(length: int | None) -> None:
    def handle(exchange: Exchange) -> None:
        exchange.begin(head_of(200, length), length)
        exchange.write(b"body")
        exchange.finish()

    async with serving(handle) as server, client(server.port) as line:
        await line.send(get(b"/", method=b"HEAD") + get(b"/"))
        await line.answer("HEAD")
        assert (await line.answer()).body == b"body"


@on_both_loops
async def test_a_client_of_the_old_version_gets_one_answer_and_no_chunks() -> None:
    def handle(exchange: Exchange) -> None:
        exchange.begin(head_of(200, None), None)
        exchange.write(b"one, ")
        exchange.write(b"two")
        exchange.finish()

    async with serving(handle) as server, client(server.port) as line:
        await line.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        said = await line.answer()
        assert (said.body, said.all("connection"), said.all("transfer-encoding")) == (
            b"one, two",
            ["close"],
            [],
        )


@on_both_loops
async def test_who_asks_to_close_gets_his_answer_first() -> None:
    async with serving(echo) as server, client(server.port) as line:
        await line.send(get(b"/last", b"Connection: close") + get(b"/too-late"))
        said = await line.answer()
        assert (said.body, said.all("connection")) == (b"/last", ["close"])
        assert await line.ended()


@on_uvloop
async def test_every_answer_has_one_date() -> None:
    def streams(exchange: Exchange) -> None:
        exchange.begin(head_of(200, None), None)
        exchange.finish()

    async def dated(asked: object) -> None:
        await origin.asked[-1].line.send(answer(b"x", b"Date: Thu, 01 Jan 1970 00:00:00 GMT"))

    async with (
        listening(dated) as origin,
        relaying(origin.port) as way,
        serving(echo) as one,
        serving(streams) as other,
    ):
        for port, request in (
            (one.port, get(b"/")),
            (one.port, b"nonsense\r\n\r\n"),
            (other.port, get(b"/")),
            (way.server.port, get(b"/")),
        ):
            async with client(port) as line:
                await line.send(request)
                [date] = (await line.answer()).all("date")
                assert parsedate_to_datetime(date).year > 2000


@on_uvloop
async def test_listens_on_a_file_too(tmp_path: Path) -> None:
    async with serving(echo) as server:
        await server.listen_unix(str(tmp_path / "door"))
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "door"))
        writer.write(get(b"/file", b"Connection: close"))
        assert (await reader.read()).endswith(b"\r\n\r\n/file")
        writer.close()
        await writer.wait_closed()


# Uploads.


@on_both_loops
async def test_who_asks_whether_to_go_on_hears_so() -> None:
    async with serving(echo) as server, client(server.port) as line:
        for body in (b"one", b"two"):
            request = get(b"/", b"Expect: 100-continue", method=b"POST", body=body)
            await line.send(request[:-3])
            assert (await line.answer()).status == 100
            await line.send(body)
            assert (await line.answer()).body == b"/" + body


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get(b"/", b"Content-Length: 1001", method=b"POST"), 413),
        (get(b"/", b"Content-Length: 1001", b"Expect: 100-continue", method=b"POST"), 413),
        (get(b"/", b"Transfer-Encoding: chunked", method=b"POST") + b"3e9\r\n" + bytes(1001), 413),
        (get(b"/", b"Transfer-Encoding: chunked", method=b"POST") + b"10\r\n0123456789abcdef\r\n" * 63, 413),
        (get(b"/", b"X-Long: " + b"a" * 40_000), 431),
        (b"GET / HTTP/1.1\r\nX-Endless: " + b"a" * 400_000, 431),
        (get(b"/", *[b"X-A: b"] * 100), 431),
        (get(b"/" + b"a" * 9000), 414),
        (get(b"/", b"Expect: something else"), 417),
        (get(b"/", method=b"BREW"), 501),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ],
)
@on_both_loops
async def test_too_much_is_refused_in_words_and_others_go_on(request_: bytes, status: int) -> None:
    async with (
        serving(echo, ServerLimits(body_bytes=1000)) as server,
        client(server.port) as line,
        client(server.port) as other,
    ):
        await line.send(request_)
        said = await line.answer()
        assert (said.status, said.all("connection")) == (status, ["close"])
        assert said.all("content-type") == ["application/problem+json"]
        assert await line.ended()
        await other.send(get(b"/other", method=b"POST", body=bytes(1000)))
        assert (await other.answer()).status == 200


@on_both_loops
async def test_who_still_sends_when_refused_gets_to_read_why() -> None:
    async with serving(echo, ServerLimits(body_bytes=1000)) as server, client(server.port) as line:
        await line.send(get(b"/", b"Content-Length: 3000000", method=b"POST"), bytes(2_000_000))
        assert (await line.answer()).status == 413
        await line.send(bytes(1_000_000))
        assert await line.ended()


# Time.

BODY_TO_COME = get(b"/", b"Content-Length: 9", method=b"POST")
CHUNKS_TO_COME = get(b"/", b"Transfer-Encoding: chunked", method=b"POST")


@pytest.mark.parametrize(
    ("says", "drips", "status"),
    [
        (b"", b"", 0),
        (b"", b"\r\n", 400),
        (get(b"/"), b"", 0),
        (get(b"/"), b"\r\n", 400),
        (b"G", b"", 408),
        (b"GET / HTTP/1.1\r\nX-Drip: ", b"a", 408),
        (get(b"/") + b"GET / HTTP/1.1\r\nX-Drip: ", b"a", 408),
        (BODY_TO_COME + b"abc", b"", 408),
        (CHUNKS_TO_COME + b"9\r\nabc", b"", 408),
        (CHUNKS_TO_COME + b"3\r\nabc\r\n0\r\n", b"", 408),
    ],
    ids=[
        "says nothing",
        "empty lines only",
        "idles after an answer",
        "empty lines after an answer",
        "one letter",
        "a head drop by drop",
        "the next head drop by drop",
        "half a body",
        "half a chunk",
        "no end of the chunks",
    ],
)
@on_both_loops
async def test_who_is_too_slow_is_closed(says: bytes, drips: bytes, status: int) -> None:
    loop = asyncio.get_running_loop()

    async def drip() -> None:
        with suppress(ConnectionError):
            while drips and not line.closed:
                await line.send(drips)
                await let_others_run(50)

    async with asyncio.TaskGroup() as group, serving(echo, SOON) as server, client(server.port) as line:
        began = loop.time()
        await line.send(says)
        if says.startswith(get(b"/")):
            assert (await line.answer()).status == 200
        group.create_task(drip())
        if status:
            assert (await line.answer()).status == status
        assert await line.ended()
        assert loop.time() - began < 1.5
        assert status == 400 or loop.time() - began > 0.15


@on_uvloop
async def test_who_takes_his_time_and_goes_on_is_not_closed() -> None:
    later = Later()
    async with serving(later, SOON) as server, client(server.port) as line:
        await line.send(BODY_TO_COME)
        for piece in (b"abc", b"def", b"ghi"):
            await eventually(waited(0.12))
            await line.send(piece)
        await eventually(lambda: later.exchanges)
        await eventually(waited(0.5))  # the handler's own time counts for nothing
        echo(later.exchanges[0])
        assert (await line.answer()).body == b"/abcdefghi"


def large(exchange: Exchange) -> None:
    exchange.respond(head_of(200, len(LARGE)), LARGE)


@pytest.mark.parametrize("close", [b"Connection: close", b"Connection: keep-alive"])
@on_both_loops
async def test_who_never_reads_is_dropped(close: bytes) -> None:
    loop = asyncio.get_running_loop()
    async with serving(large, SOON) as server, client(server.port, buffer=4096) as line:
        began = loop.time()
        await line.send(get(b"/large", close) * 3)
        await eventually(lambda: server.connections == 1)
        await eventually(lambda: server.connections == 0, seconds=5.0)
        assert loop.time() - began < 1.5
        with pytest.raises((Cut, ConnectionResetError)):
            await line.answer()


@pytest.mark.parametrize(
    "close",
    [
        b"Connection: close",
        b"Connection: keep-alive",
    ],
)
@on_both_loops
async def test_who_reads_slowly_and_goes_on_gets_all_of_it(close: bytes) -> None:
    async with serving(large, SOON) as server, client(server.port) as line:
        await line.send(get(b"/large", close))
        head = await line.until(b"\r\n\r\n")
        body = b""
        for _ in range(15):
            body += await line.exactly(len(LARGE) // 20)
            await eventually(waited(0.06))
        body += await line.exactly(len(LARGE) - len(body))
    assert (head[:12], body == LARGE) == (b"HTTP/1.1 200", True)


class Pouring:
    """A streamed answer without an end, poured as fast as it may be."""

    def __init__(self, exchange: Exchange, *, length: int | None = None) -> None:
        self.poured = 0
        self.flows = True
        self.gone = 0
        self._exchange = exchange
        exchange.flow = self
        exchange.on_gone = self._stop
        exchange.begin(head_of(200, length), length)
        self.resume()

    def pause(self) -> None:
        self.flows = False

    def resume(self) -> None:
        self.flows = True
        asyncio.get_running_loop().call_soon(self._pour)

    def _pour(self) -> None:
        if self.flows:
            self._exchange.write(bytes(65_536))
            self.poured += 65_536
            asyncio.get_running_loop().call_soon(self._pour)

    def _stop(self) -> None:
        self.flows = False
        self.gone += 1


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@on_both_loops
async def test_who_never_reads_a_stream_stops_it_and_is_dropped(version: bytes) -> None:
    streams: list[Pouring] = []
    async with (
        serving(lambda exchange: streams.append(Pouring(exchange)), SOON) as server,
        client(server.port, buffer=4096) as line,
    ):
        await line.send(b"GET / HTTP/%b\r\nHost: a\r\n\r\n" % version)
        await eventually(lambda: streams and not streams[0].flows)
        assert streams[0].poured < 16_000_000
        await eventually(lambda: server.connections == 0, seconds=5.0)
        assert (streams[0].gone, server.in_flight) == (1, 0)


@on_both_loops
async def test_who_never_reads_is_dropped_though_more_requests_lie_behind() -> None:
    """What lies behind has made us stop reading, and then looking after the client is all that is done."""
    streams: list[Pouring] = []
    async with (
        serving(lambda exchange: streams.append(Pouring(exchange)), SOON) as server,
        client(server.port, buffer=4096) as line,
    ):
        await line.send(get(b"/"), *[get(b"/behind", b"X: " + b"x" * 8000)] * 12)
        await eventually(lambda: streams and not streams[0].flows)
        await eventually(lambda: server.connections == 0, seconds=5.0)
        assert (streams[0].gone, server.in_flight) == (1, 0)


@on_both_loops
async def test_who_leaves_while_it_is_held_back_is_noticed_at_the_second_request_too() -> None:
    later = Later()
    async with serving(later) as server:
        async with client(server.port) as line:
            await line.send(*[get(b"/", b"X: " + b"x" * 8000)] * 20)
            await eventually(lambda: later.exchanges)
            await let_others_run()
            later.exchanges[0].respond(head_of(204, None))
            await eventually(lambda: len(later.exchanges) == 2)
        await eventually(lambda: later.gone == later.exchanges[1:])
        assert (server.connections, server.in_flight) == (0, 0)


async def trickle(line: Line) -> None:
    """A byte of a body in chunks now and then."""
    for _ in range(400):
        await line.send(b"1\r\nx\r\n")
        await eventually(waited(0.005))


@on_both_loops
async def test_who_never_reads_is_dropped_though_it_goes_on_sending() -> None:
    streams: list[Pouring] = []

    def handle(exchange: Exchange) -> None:
        streams.append(Pouring(exchange))
        assert exchange.upload is not None
        exchange.upload.resume()

    limits = ServerLimits(stall_seconds=0.2, sweep_seconds=0.02, buffer_bytes=10)
    async with serving(handle, limits) as server, client(server.port, buffer=4096) as line:
        await line.send(get(b"/", b"Transfer-Encoding: chunked") + b"14\r\n" + b"x" * 20 + b"\r\n")
        await eventually(lambda: streams)
        with pytest.raises(ConnectionError):
            await trickle(line)
        assert (streams[0].gone, server.connections) == (1, 0)


@pytest.mark.parametrize("length", [None, 1_000_000])
@on_both_loops
async def test_no_refusal_gets_into_an_answer_that_has_begun(length: int | None) -> None:
    """An upload that turns out malformed cuts it."""
    later = Later()

    def handle(exchange: Exchange) -> None:
        later(exchange)
        exchange.begin(head_of(200, length), length)
        exchange.write(b"one")
        assert exchange.upload is not None
        exchange.upload.resume()

    limits = ServerLimits(body_bytes=1_000_000, buffer_bytes=10)
    async with serving(handle, limits) as server, client(server.port) as line:
        await line.send(get(b"/", b"Transfer-Encoding: chunked") + b"14\r\n" + b"x" * 20 + b"\r\n")
        await line.until(b"one")
        await line.send(b"zz\r\n")
        with pytest.raises((Cut, ConnectionResetError)):
            await line.until(b"HTTP/")
        assert (later.exchanges[0].answered, server.in_flight) == (True, 0)
        assert later.gone == later.exchanges


@on_uvloop
async def test_a_refusal_of_a_head_request_has_no_body() -> None:
    later: list[Exchange] = []
    async with (
        serving(later.append, ServerLimits(in_flight=1)) as server,
        client(server.port) as first,
        client(server.port) as line,
    ):
        await first.send(get(b"/"))
        await eventually(lambda: later)
        await line.send(get(b"/", method=b"HEAD"))
        head, _, body = (await line.rest()).partition(b"\r\n\r\n")
        assert (head.startswith(b"HTTP/1.1 503 "), body) == (True, b"")


@pytest.mark.parametrize(("field", "status"), [(b"Content-Length: 99", b"413"), (b"no field", b"400")])
@on_uvloop
async def test_nor_has_one_of_a_head_request_that_is_wrong(field: bytes, status: bytes) -> None:
    async with serving(echo, ServerLimits(body_bytes=10)) as server, client(server.port) as line:
        await line.send(get(b"/", field, method=b"HEAD"))
        head, _, body = (await line.rest()).partition(b"\r\n\r\n")
        assert (head.startswith(b"HTTP/1.1 " + status), body) == (True, b"")


@on_both_loops
async def test_a_taken_port_is_said_by_its_number() -> None:
    async with serving(echo) as server:
        with pytest.raises(PortTaken, match=str(server.port)) as taken:
            await Server(echo).listen("127.0.0.1", server.port)
        assert taken.value.port == server.port


@on_both_loops
async def test_a_stream_that_is_dropped_does_not_look_whole() -> None:
    """With the old version only a reset says so."""

    def pours(exchange: Exchange) -> None:
        Pouring(exchange)

    async with serving(pours, SOON) as server, client(server.port, buffer=4096) as line:
        await line.send(b"GET / HTTP/1.0\r\n\r\n")
        await eventually(lambda: server.in_flight)
        await eventually(lambda: server.connections == 0, seconds=5.0)
        with pytest.raises(ConnectionResetError):
            await line.rest()


# How many.


@on_both_loops
async def test_one_connection_too_many_is_told_so_and_the_others_are_served() -> None:
    async with (
        serving(echo, ServerLimits(connections=2)) as server,
        client(server.port) as one,
        client(server.port) as other,
    ):
        await eventually(lambda: server.connections == 2)
        async with client(server.port) as third:
            said = await third.answer()
            assert (said.status, said.all("retry-after"), said.all("connection")) == (503, ["1"], ["close"])
            assert await third.ended()
        for line in (one, other):
            await line.send(get(b"/served"))
            assert (await line.answer()).body == b"/served"
        one.close()
        await eventually(lambda: server.connections == 1)
        async with client(server.port) as fourth:
            await fourth.send(get(b"/room"))
            assert (await fourth.answer()).body == b"/room"


@on_both_loops
async def test_one_address_cannot_take_all_connections() -> None:
    async with (
        serving(echo, ServerLimits(connections_per_address=1)) as server,
        client(server.port) as line,
        client(server.port) as greedy,
        client(server.port, address="127.0.0.2") as other,
    ):
        said = await greedy.answer()
        assert (said.status, said.all("retry-after")) == (503, ["1"])
        for served in (line, other):
            await served.send(get(b"/served"))
            assert (await served.answer()).body == b"/served"


@on_both_loops
async def test_one_request_too_many_is_refused_at_once_and_the_others_are_answered() -> None:
    later = Later()
    async with (
        serving(later, ServerLimits(in_flight=1)) as server,
        client(server.port) as one,
        client(server.port) as other,
    ):
        await one.send(get(b"/one"))
        await eventually(lambda: server.in_flight)
        await other.send(get(b"/other"))
        said = await other.answer()
        assert (said.status, said.all("retry-after")) == (503, ["1"])
        assert len(later.exchanges) == 1
        echo(later.exchanges[0])
        assert (await one.answer()).body == b"/one"
        async with client(server.port) as next_one:
            await next_one.send(get(b"/next"))
            await eventually(lambda: len(later.exchanges) == 2)


# Clients that leave.


@pytest.mark.parametrize("leave", [Line.close, Line.reset, Line.shut])
@on_both_loops
async def test_a_client_that_leaves_is_noticed_at_once(leave: Callable[[Line], None]) -> None:
    later = Later()
    async with serving(later) as server, client(server.port) as line:
        await line.send(get(b"/"))
        await eventually(lambda: later.exchanges)
        leave(line)
        await eventually(lambda: later.gone, seconds=1.0)
        echo(later.exchanges[0])
        await let_others_run()
        assert (later.gone, server.in_flight, server.connections) == (later.exchanges, 0, 0)


@on_uvloop
async def test_a_client_that_has_its_answer_may_leave() -> None:
    later = Later()
    async with serving(later) as server, client(server.port) as line:
        await line.send(get(b"/"))
        await eventually(lambda: later.exchanges)
        echo(later.exchanges[0])
        await line.answer()
        line.reset()
        await eventually(lambda: server.connections == 0)
        assert later.gone == []


@pytest.mark.parametrize("leave", [Line.close, Line.reset])
@on_both_loops
async def test_nobody_asks_on_for_a_client_that_has_left(leave: Callable[[Line], None]) -> None:
    async def never(line: Line, _: int) -> None:
        await line.until(b"\r\n\r\n")
        await line.until(b"what never comes")

    async with (
        listening(converse=never) as origin,
        relaying(origin.port) as way,
        client(way.server.port) as line,
    ):
        await line.send(get(b"/"))
        await eventually(lambda: origin.lines and way.server.in_flight)
        leave(line)
        await eventually(lambda: origin.lines[0].closed, seconds=1.0)
        await eventually(lambda: way.place.open == 0)
        assert way.endings == [None]
