"""Bodies too large to hold, through the relay: as fast as the slower side, and never half as if whole."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from tests.eventually import eventually
from tests.wire_origins import (
    Asked,
    Cut,
    Line,
    RawOrigin,
    answer,
    chunked,
    client,
    let_others_run,
    listening,
    on_both_loops,
    on_uvloop,
    own_answer,
    relaying,
    waited,
)

from autonomous_healing.wire.errors import Phase, WireError
from autonomous_healing.wire.limits import ServerLimits
from autonomous_healing.wire.pool import PoolLimits

GET = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"
OLD_GET = b"GET /large HTTP/1.0\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
IN_CHUNKS = b"Transfer-Encoding: chunked\r\n"

LARGE = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(100_000))

#: Uploads that are larger than what is held.
UPLOADS = ServerLimits(body_bytes=50_000_000, buffer_bytes=65_536)
FEW_SECONDS = ServerLimits(body_bytes=50_000_000, buffer_bytes=65_536, stall_seconds=0.3, sweep_seconds=0.02)

#: More than the kernel holds for the lines on both sides, and much less than all.
SOME_MEGABYTES = 24_000_000


def in_chunks(body: bytes, size: int) -> bytes:
    return chunked(*(body[at : at + size] for at in range(0, len(body), size)))


def only(says: bytes) -> Callable[[Asked], Awaitable[None]]:
    """Says it to `/large`, and ends the connection if nobody could tell otherwise that it is over."""

    async def script(asked: Asked) -> None:
        if asked.target != b"/large":
            await own_answer(asked)
            return
        await asked.line.send(says)
        if b"Length" not in says[:200] and b"chunked" not in says[:200]:
            raise Cut

    return script


class Pouring:
    """An origin that answers without an end, as fast as it may."""

    def __init__(self) -> None:
        self.poured = 0

    async def __call__(self, line: Line, _: int) -> None:
        await line.until(b"\r\n\r\n")
        await line.send(OK + IN_CHUNKS + b"\r\n")
        piece = chunked(bytes(65_536), end=b"").partition(b"\r\n\r\n")[2]
        while True:
            await line.send(piece)
            self.poured += len(piece)


async def stops(count: Callable[[], int]) -> None:
    """Until nothing is added any more."""

    async def stands_still() -> bool:
        before = count()
        await eventually(waited(0.1))
        return count() == before > 0

    await eventually(stands_still)


# Answers.


@pytest.mark.parametrize("request_", [GET, OLD_GET])
@pytest.mark.parametrize(
    "says",
    [
        answer(LARGE),
        in_chunks(LARGE, 100_000),
        in_chunks(LARGE, 1000),
        OK + b"\r\n" + LARGE,
        b"HTTP/1.0 200 OK\r\n\r\n" + LARGE,
        answer(LARGE, b"Content-Type: text/event-stream"),
    ],
    ids=["sized", "large chunks", "small chunks", "until it closes", "HTTP/1.0", "events"],
)
@on_both_loops
async def test_a_large_answer_comes_whole(says: bytes, request_: bytes) -> None:
    async with (
        listening(only(says)) as origin,
        relaying(origin.port) as way,
        client(way.server.port) as line,
    ):
        await line.send(request_)
        said = await line.answer()
        assert (said.status, said.body == LARGE) == (200, True)
        assert said.all("content-length") == ([str(len(LARGE))] if b"Length" in says[:200] else [])
        if request_ is GET:
            await line.send(NEXT)
            assert (await line.answer()).body == b"/next"
        assert way.endings == [200] * len(origin.asked)


@on_both_loops
async def test_a_slow_client_holds_the_origin_back() -> None:
    pouring = Pouring()
    async with (
        listening(converse=pouring) as origin,
        relaying(origin.port) as way,
        client(way.server.port, buffer=4096) as line,
    ):
        await line.send(GET)
        await stops(lambda: pouring.poured)
        assert pouring.poured < SOME_MEGABYTES
        before = pouring.poured
        await line.until(b"\r\n\r\n")
        while pouring.poured == before:
            await line.read()
        line.close()
        await eventually(lambda: origin.lines[0].closed)
        assert way.endings == [None]


@pytest.mark.parametrize("request_", [GET, OLD_GET])
@pytest.mark.parametrize(
    ("says", "then"),
    [
        (answer(LARGE)[:-1], Line.close),
        (answer(LARGE)[:-1], Line.reset),
        (in_chunks(LARGE, 1000)[:-5], Line.close),
        (in_chunks(LARGE, 1000)[:-5], Line.reset),
        (in_chunks(LARGE, 1000)[:-2000], Line.close),
        (in_chunks(LARGE, 1000)[:-2000] + b"nonsense", Line.close),
        (OK + b"\r\n" + LARGE, Line.reset),
    ],
)
@on_both_loops
async def test_a_large_answer_that_breaks_off_is_not_whole_for_the_client(
    says: bytes, then: Callable[[Line], None], request_: bytes
) -> None:
    """The old version has no chunks, so only a reset says it."""

    async def script(asked: Asked) -> None:
        await asked.line.send(says)
        await let_others_run()
        then(asked.line)
        raise Cut

    async with (
        listening(script) as origin,
        relaying(origin.port) as way,
        client(way.server.port) as line,
    ):
        await line.send(request_)
        with pytest.raises((Cut, ConnectionResetError)) as broken:
            await line.answer()
        assert request_ is GET or b"Length" in says[:200] or broken.type is ConnectionResetError
        assert isinstance(way.endings[0], WireError)
        assert way.endings[0].phase in (Phase.BODY, Phase.FRAMING)


@on_uvloop
async def test_the_end_is_told_once() -> None:
    async def script(asked: Asked) -> None:
        await asked.line.send(answer(LARGE)[:-1])
        raise Cut

    async with (
        listening(script) as origin,
        relaying(origin.port) as way,
        client(way.server.port) as line,
    ):
        await line.send(GET)
        with pytest.raises((Cut, ConnectionResetError)):
            await line.answer()
        await eventually(lambda: way.server.connections == 0)
        assert len(way.endings) == 1


@on_both_loops
async def test_events_go_on_one_by_one() -> None:
    turns = [asyncio.Event() for _ in range(3)]

    async def script(asked: Asked) -> None:
        await asked.line.send(
            OK + b"Content-Type: text/event-stream; charset=utf-8\r\n" + IN_CHUNKS + b"\r\n"
        )
        for turn in turns:
            await turn.wait()
            await asked.line.send(b"9\r\ndata: x\n\n\r\n")
        await asked.line.send(b"0\r\n\r\n")

    async with (
        listening(script) as origin,
        relaying(origin.port) as way,
        client(way.server.port) as line,
    ):
        await line.send(GET)
        assert b"text/event-stream" in await line.until(b"\r\n\r\n")
        for turn in turns:
            assert line.held == b""
            turn.set()
            assert await line.exactly(14) == b"9\r\ndata: x\n\n\r\n"
        assert await line.exactly(5) == b"0\r\n\r\n"
        assert way.endings == [200]


@on_both_loops
async def test_an_answer_that_stands_still_is_cut() -> None:
    async def script(asked: Asked) -> None:
        await asked.line.send(answer(LARGE)[:-1])
        await asked.line.until(b"what never comes")

    async with (
        listening(script) as origin,
        relaying(origin.port, pool=PoolLimits(stall_seconds=0.2)) as way,
        client(way.server.port) as line,
    ):
        await line.send(GET)
        with pytest.raises((Cut, ConnectionResetError)):
            await line.answer()
        assert isinstance(way.endings[0], WireError)
        assert way.endings[0].timed_out
        await eventually(lambda: origin.lines[0].closed)


@on_both_loops
async def test_an_answer_that_moves_may_last_longer_than_the_deadline() -> None:
    async def script(asked: Asked) -> None:
        await asked.line.send(OK + b"Content-Length: 70000\r\n\r\n")
        for _ in range(7):
            await eventually(waited(0.1))
            await asked.line.send(bytes(10_000))

    async with (
        listening(script) as origin,
        relaying(origin.port, seconds=0.3, pool=PoolLimits(stall_seconds=0.3)) as way,
        client(way.server.port) as line,
    ):
        await line.send(GET)
        assert len((await line.answer()).body) == 70_000


@on_both_loops
async def test_a_client_that_takes_its_time_gets_all_of_it() -> None:
    """What had been held is already too much for it."""
    whole = LARGE * 5
    async with (
        listening(only(in_chunks(whole, 1_000_000))) as origin,
        relaying(origin.port, most=5_000_000, pool=PoolLimits(stall_seconds=0.2)) as way,
        client(way.server.port, buffer=4096) as line,
    ):
        await line.send(GET)
        await line.until(b"\r\n\r\n")
        await eventually(waited(0.6))
        assert await line.chunks() == whole


@on_both_loops
async def test_a_connection_that_waited_for_a_client_is_good_for_the_next() -> None:
    """The end of the answer comes with what is too much for the client."""
    whole = bytes(8_000_000)
    async with (
        listening(only(in_chunks(whole, 1_000_000))) as origin,
        relaying(origin.port, most=len(whole) - 1, seconds=1.0) as way,
        client(way.server.port, buffer=4096) as line,
    ):
        await line.send(GET)
        await eventually(lambda: way.endings == [200])
        async with client(way.server.port) as other:
            await other.send(NEXT)
            assert (await other.answer()).body == b"/next"
        assert (await line.answer()).body == whole


# Uploads.


def put(body: bytes, *, chunk: int = 0, target: bytes = b"/up") -> tuple[bytes, bytes]:
    """Head and body as a client sends them."""
    if chunk:
        framed = in_chunks(body, chunk).partition(b"\r\n\r\n")[2]
        return b"PUT %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (target, IN_CHUNKS), framed
    return b"PUT %b HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (target, len(body)), body


def pieces_of(whole: bytes, size: int) -> list[bytes]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


async def checksum(asked: Asked) -> None:
    """Says which body came."""
    await asked.line.send(answer(hashlib.sha256(asked.body).hexdigest().encode()))


@pytest.mark.parametrize("apart", [True, False], ids=["head first", "all at once"])
@pytest.mark.parametrize("chunk", [0, 1000, 200_000], ids=["sized", "small chunks", "large chunks"])
@on_both_loops
async def test_a_large_upload_arrives_as_it_was_sent(chunk: int, apart: bool) -> None:
    expected = hashlib.sha256(LARGE).hexdigest().encode()
    async with (
        listening(checksum) as origin,
        relaying(origin.port, limits=UPLOADS, seconds=2.0) as way,
        client(way.server.port) as line,
    ):
        for _ in range(3):
            head, body = put(LARGE, chunk=chunk)
            await line.send(*([head, body] if apart else [head + body]))
            assert (await line.answer()).body == expected
        await line.send(NEXT)
        assert (await line.answer()).status == 200
        assert origin.targets == [b"/up"] * 3 + [b"/next"]
        assert (len(origin.lines), way.server.connections) == (1, 1)


@on_both_loops
async def test_an_upload_in_chunks_arrives_however_it_is_split() -> None:
    body = LARGE[:100_000]
    head, framed = put(body, chunk=20_000)
    size, rest = framed.split(b"\r\n", 1)
    async with (
        listening(checksum) as origin,
        relaying(origin.port, limits=ServerLimits(body_bytes=1_000_000, buffer_bytes=1000)) as way,
        client(way.server.port) as line,
    ):
        await line.send(head, size + b"\r\n", rest[:20_000])
        await eventually(lambda: origin.lines)
        await line.send(*pieces_of(rest[20_000:20_500], 1), *pieces_of(rest[20_500:], 333))
        assert (await line.answer()).body == hashlib.sha256(body).hexdigest().encode()
        assert origin.targets == [b"/up"]


@on_both_loops
async def test_an_origin_that_does_not_read_holds_the_client_back() -> None:
    sent = 0

    async def deaf(line: Line, _: int) -> None:
        await line.until(b"\r\n\r\n")
        await going_on.wait()
        body = await line.exactly(50_000_000)
        await line.send(answer(b"%d" % len(body)))

    async def sends() -> None:
        nonlocal sent
        for _ in range(500):
            await line.send(bytes(100_000))
            sent += 100_000

    going_on = asyncio.Event()
    async with (
        listening(converse=deaf) as origin,
        relaying(origin.port, limits=UPLOADS) as way,
        client(way.server.port) as line,
    ):
        await line.send(put(bytes(50_000_000))[0])
        await eventually(lambda: origin.lines)
        sending = asyncio.get_running_loop().create_task(sends())
        await stops(lambda: sent)
        assert sent < SOME_MEGABYTES
        going_on.set()
        await sending
        assert (await line.answer()).body == b"50000000"


@pytest.mark.parametrize("leave", [Line.close, Line.reset, Line.shut])
@pytest.mark.parametrize("size", [50_000, 1_000_000])
@pytest.mark.parametrize("chunk", [0, 10_000])
@on_both_loops
async def test_half_an_upload_is_never_a_whole_one(
    chunk: int, size: int, leave: Callable[[Line], None]
) -> None:
    """Neither one that is held nor one that streams; whatever is cut off its end."""
    head, body = put(bytes(size), chunk=chunk)
    for missing in (1, 3, 5, 20_000):
        async with (
            listening() as origin,
            relaying(origin.port, limits=UPLOADS) as way,
            client(way.server.port) as line,
        ):
            await line.send(head, *pieces_of(body[:-missing], 100_000))
            await eventually(lambda: way.server.connections)
            if size > UPLOADS.buffer_bytes:
                await eventually(lambda: origin.lines)
            leave(line)
            await eventually(lambda: way.server.connections == 0, seconds=1.0)
            await eventually(lambda: all(one.closed for one in origin.lines))
            assert origin.asked == []
            assert len(origin.lines) == len(way.endings) == (size > UPLOADS.buffer_bytes)


@on_both_loops
async def test_a_client_that_breaks_off_while_it_is_held_back_is_noticed() -> None:
    """A mere close cannot be: it waits in the client's kernel behind what is not read."""

    async def deaf(line: Line, _: int) -> None:
        await line.until(b"\r\n\r\n")
        await asyncio.get_running_loop().create_future()

    head, body = put(bytes(50_000_000))
    async with (
        listening(converse=deaf) as origin,
        relaying(origin.port, limits=UPLOADS, seconds=3.0) as way,
        client(way.server.port) as line,
    ):
        await line.send(head)
        await eventually(lambda: origin.lines)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await line.send(body)
        line.reset()
        await eventually(lambda: way.endings, seconds=1.5)
        assert way.endings == [None]


@pytest.mark.parametrize("wrong", [b"zz\r\n", b"-1\r\n", b"5\r\nabcdefgh\r\n"])
@on_uvloop
async def test_an_upload_that_turns_out_malformed_is_never_a_whole_one(wrong: bytes) -> None:
    head, body = put(bytes(1_000_000), chunk=10_000)
    async with (
        listening() as origin,
        relaying(origin.port, limits=UPLOADS) as way,
        client(way.server.port) as line,
    ):
        await line.send(head, body[:-5])
        await eventually(lambda: origin.lines)
        await line.send(wrong)
        assert (await line.answer()).status == 400
        await eventually(lambda: origin.lines[0].closed)
        assert (origin.asked, way.endings) == ([], [None])


@on_uvloop
async def test_an_upload_in_chunks_that_grows_too_large_is_refused() -> None:
    limits = ServerLimits(body_bytes=500_000, buffer_bytes=65_536)
    head, body = put(bytes(1_000_000), chunk=10_000)
    async with (
        listening() as origin,
        relaying(origin.port, limits=limits) as way,
        client(way.server.port) as line,
    ):
        await line.send(head, *pieces_of(body, 50_000))
        assert (await line.answer()).status == 413
        await eventually(lambda: all(one.closed for one in origin.lines))
        assert origin.asked == []


@on_both_loops
async def test_an_upload_that_stands_still_is_given_up() -> None:
    head, body = put(bytes(1_000_000))
    async with (
        listening() as origin,
        relaying(origin.port, limits=FEW_SECONDS) as way,
        client(way.server.port) as line,
    ):
        await line.send(head, body[:-1])
        await eventually(lambda: way.server.connections == 0, seconds=2.0)
        await eventually(lambda: origin.lines[0].closed)
        assert (origin.asked, way.endings) == ([], [None])


@pytest.mark.parametrize("chunk", [0, 10_000])
@pytest.mark.parametrize("end", [Line.close, Line.reset])
@on_both_loops
async def test_an_origin_that_dies_within_an_upload_is_told_to_the_client(
    chunk: int, end: Callable[[Line], None]
) -> None:
    async def dies(line: Line, _: int) -> None:
        await line.until(b"\r\n\r\n")
        await line.exactly(100_000)
        end(line)

    head, body = put(bytes(10_000_000), chunk=chunk)
    async with (
        listening(converse=dies) as origin,
        relaying(origin.port, limits=UPLOADS) as way,
        client(way.server.port) as line,
    ):
        sending = asyncio.get_running_loop().create_task(line.send(head, *pieces_of(body, 500_000)))
        said = await line.answer()
        assert (said.status, said.all("connection")) == (502, ["close"])
        await sending
        assert len(origin.lines) == 1


@pytest.mark.parametrize("chunk", [0, 10_000])
@on_both_loops
async def test_an_answer_may_come_before_the_upload_has_ended(chunk: int) -> None:
    """The client hears it though it is still sending, and neither connection is used again."""

    async def refuses(line: Line, _: int) -> None:
        await line.until(b"\r\n\r\n")
        await line.send(answer(b"too much", status=b"413 Content Too Large"))
        await eventually(lambda: way.endings)

    head, body = put(bytes(10_000_000), chunk=chunk)
    async with (
        listening(converse=refuses) as origin,
        relaying(origin.port, limits=UPLOADS) as way,
        client(way.server.port) as line,
    ):
        sending = asyncio.get_running_loop().create_task(line.send(head, *pieces_of(body, 500_000)))
        said = await line.answer()
        assert (said.status, said.body, said.all("connection")) == (413, b"too much", ["close"])
        await sending
        await eventually(lambda: way.place.open == 0)
        assert way.endings == [413]


class Refusing:
    """An origin that answers in the midst of an upload, and reads no more."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()

    async def __call__(self, line: Line, _: int) -> None:
        await line.until(b"\r\n\r\n")
        await self.may_answer.wait()
        await line.send(answer(b"too much", status=b"413 Content Too Large"))
        await asyncio.get_running_loop().create_future()


async def sent_until_held_back(line: Line, origin: RawOrigin) -> "asyncio.Task[None]":
    """Sending an upload that nobody takes."""
    head, body = put(bytes(25_000_000))
    await line.send(head)
    await eventually(lambda: origin.lines)
    sending = asyncio.get_running_loop().create_task(line.send(body))
    await eventually(waited(0.3))
    assert not sending.done()
    return sending


@on_both_loops
async def test_a_client_that_was_held_back_can_end_its_upload_and_read_the_answer() -> None:
    refusing = Refusing()
    async with (
        listening(converse=refusing) as origin,
        relaying(origin.port, limits=UPLOADS) as way,
        client(way.server.port) as line,
    ):
        sending = await sent_until_held_back(line, origin)
        refusing.may_answer.set()
        await sending
        assert (await line.answer()).status == 413


@on_both_loops
async def test_an_origin_that_answers_and_never_reads_does_not_keep_the_connection() -> None:
    refusing = Refusing()
    async with (
        listening(converse=refusing) as origin,
        relaying(origin.port, limits=UPLOADS) as way,
        client(way.server.port) as line,
    ):
        sending = await sent_until_held_back(line, origin)
        refusing.may_answer.set()
        assert (await line.answer()).status == 413
        await eventually(lambda: way.place.open == 0, seconds=1.0)
        sending.cancel()
        await asyncio.wait([sending])
