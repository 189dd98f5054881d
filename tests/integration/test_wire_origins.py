"""Origins that break the rules: what becomes of a request, and that the next one gets its own answer."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from tests.eventually import eventually
from tests.wire_origins import (
    Asked,
    Cut,
    Line,
    answer,
    asking,
    chunked,
    client,
    let_others_run,
    listening,
    on_both_loops,
    on_uvloop,
    own_answer,
    relaying,
)

from autonomous_healing.wire.errors import Phase

WHOLE = b"the whole truth, and nothing but the truth"
FOREIGN = answer(b"somebody else's")
OK = b"HTTP/1.1 200 OK\r\n"

#: What an origin does when it has said all.
KEEP, CLOSE, RESET = "keep", "close", "reset"

#: Bytes of a body.
ALLOWED = 65_536

Say = Callable[[Line], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """What an origin says to one request, and what should come of it."""

    says: tuple[bytes, ...] | Say
    then: str
    comes: Phase | tuple[int, bytes]  #: where it fails, or status and body
    method: bytes = b"GET"
    seconds: float = 5.0
    most: int = ALLOWED
    late: bool = False  #: the last piece comes on the idle connection


def fails(phase: Phase, *says: bytes, then: str = KEEP) -> Case:
    return Case(says, then, phase)


def brings(body: bytes, *says: bytes, status: int = 200, then: str = KEEP, method: bytes = b"GET") -> Case:
    return Case(says, then, (status, body), method)


def late(*says: bytes, status: int = 200, method: bytes = b"GET") -> Case:
    return Case(says, KEEP, (status, b"" if method == b"HEAD" or status == 204 else WHOLE), method, late=True)


async def _drip_head(line: Line) -> None:
    await line.send(OK)
    while True:
        await line.send(b"X")
        await let_others_run()


async def _endless_field(line: Line) -> None:
    await line.send(OK + b"X-Long: ")
    while True:
        await line.send(b"a" * 16_384)
        await let_others_run(1)


async def _endless_continue(line: Line) -> None:
    while True:
        await line.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await let_others_run(1)


async def _endless_body(line: Line) -> None:
    await line.send(OK + b"\r\n")
    while True:
        await line.send(b"a" * 16_384)
        await let_others_run(1)


async def _drip_body(line: Line) -> None:
    await line.send(OK + b"Content-Length: 60000\r\n\r\n")
    while True:
        await line.send(b"a")
        await let_others_run()


async def _never(line: Line) -> None:
    await line.until(b"what never comes")


async def _stall(line: Line) -> None:
    await line.send(answer(WHOLE)[:-5])
    await line.until(b"what never comes")


FRAMING, HEAD, BODY = Phase.FRAMING, Phase.HEAD, Phase.BODY

CASES = {
    # Unusual and right.
    "sized": brings(WHOLE, answer(WHOLE)),
    "in chunks": brings(WHOLE, chunked(WHOLE[:7], WHOLE[7:])),
    "byte by byte": brings(b"ab", *(bytes([one]) for one in answer(b"ab"))),
    "chunks byte by byte": brings(b"ab", *(bytes([one]) for one in chunked(b"a", b"b"))),
    "until it closes": brings(WHOLE, OK + b"\r\n" + WHOLE, then=CLOSE),
    "HTTP/1.0": brings(WHOLE, b"HTTP/1.0 200 OK\r\n\r\n" + WHOLE, then=CLOSE),
    "no reason": brings(WHOLE, answer(WHOLE, status=b"200 ")),
    "chunk with an extension": brings(b"abc", chunked(end=b'3;a="b c"\r\nabc\r\n0\r\n\r\n')),
    "trailers": brings(b"abc", chunked(b"abc", end=b"0\r\nX-Sum: 1\r\nHost: other\r\n\r\n")),
    "size with leading zeros": brings(b"abc", chunked(end=b"000003\r\nabc\r\n0\r\n\r\n")),
    "an empty body": brings(b"", answer()),
    "status 599": brings(WHOLE, answer(WHOLE, status=b"599 Odd"), status=599),
    "status 999": brings(WHOLE, answer(WHOLE, status=b"999 Odder"), status=999),
    "compressed, and cut within": brings(
        gzip.compress(WHOLE)[:-9], answer(gzip.compress(WHOLE)[:-9], b"Content-Encoding: gzip")
    ),
    "falsely called compressed": brings(WHOLE, answer(WHOLE, b"Content-Encoding: gzip")),
    "continue and hints first": brings(
        WHOLE, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", answer(WHOLE)
    ),
    "a redirect": brings(
        b"", answer(b"", b"Location: http://127.0.0.1:1/admin", status=b"302 Found"), status=302
    ),
    # More than was asked for: the answer counts, the connection does not.
    "a second answer behind it": brings(WHOLE, answer(WHOLE) + FOREIGN),
    "a second answer, then closed": brings(WHOLE, answer(WHOLE) + FOREIGN, then=CLOSE),
    "a second answer behind chunks": brings(WHOLE, chunked(WHOLE) + FOREIGN),
    "a second answer after a moment": late(answer(WHOLE), FOREIGN),
    "half an answer after a moment": late(answer(WHOLE), FOREIGN[:9]),
    "an empty line behind it": brings(WHOLE, answer(WHOLE) + b"\r\n"),
    "longer than it said": brings(WHOLE[:9], OK + b"Content-Length: 9\r\n\r\n" + WHOLE),
    "204 with an answer as body": brings(b"", b"HTTP/1.1 204 No Content\r\n\r\n" + FOREIGN, status=204),
    "204 with an answer after a moment": late(b"HTTP/1.1 204 No Content\r\n\r\n", FOREIGN, status=204),
    "204 with a length and a body": brings(b"", answer(WHOLE, status=b"204 No Content"), status=204),
    "204 that speaks of a body, and then the body": brings(
        b"", b"HTTP/1.1 204 No Content\r\nContent-Length: %d\r\n\r\n" % len(FOREIGN), FOREIGN, status=204
    ),
    "204 that speaks of chunks, and then a body": brings(
        b"", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", FOREIGN, status=204
    ),
    "204 with chunks": brings(
        b"",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        status=204,
    ),
    "304 with an answer as body": brings(b"", b"HTTP/1.1 304 Not Modified\r\n\r\n" + FOREIGN, status=304),
    "body after a HEAD": brings(b"", answer(WHOLE), method=b"HEAD"),
    "body after a HEAD, a moment later": late(answer(WHOLE)[: -len(WHOLE)], WHOLE, method=b"HEAD"),
    # Cut.
    "shorter than it said": fails(BODY, answer(WHOLE)[:-5], then=CLOSE),
    "shorter, by a reset": fails(BODY, answer(WHOLE)[:-5], then=RESET),
    "until a reset": fails(BODY, OK + b"\r\n" + WHOLE, then=RESET),
    "chunks cut within one": fails(BODY, chunked(WHOLE)[:-20], then=CLOSE),
    "chunks cut between two": fails(BODY, chunked(WHOLE, end=b""), then=CLOSE),
    "chunks cut within a size": fails(BODY, chunked(WHOLE, end=b"1"), then=CLOSE),
    "chunks cut before the last line": fails(BODY, chunked(WHOLE, end=b"0\r\n"), then=CLOSE),
    "chunks cut within the trailers": fails(BODY, chunked(WHOLE, end=b"0\r\nX-Sum: 1\r\n"), then=RESET),
    "no answer, closed": fails(HEAD, then=CLOSE),
    "no answer, reset": fails(HEAD, then=RESET),
    "half a head, closed": fails(HEAD, OK + b"Content-Le", then=CLOSE),
    "half a head, reset": fails(HEAD, OK + b"Content-Le", then=RESET),
    "only interim answers, closed": fails(HEAD, b"HTTP/1.1 100 Continue\r\n\r\n", then=CLOSE),
    # Chunks that cannot be told.
    "a size in words": fails(FRAMING, chunked(end=b"three\r\nabc\r\n0\r\n\r\n")),
    "a negative size": fails(FRAMING, chunked(end=b"-3\r\nabc\r\n0\r\n\r\n")),
    "a size with a sign": fails(FRAMING, chunked(end=b"+3\r\nabc\r\n0\r\n\r\n")),
    "a size as in Python": fails(FRAMING, chunked(end=b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n")),
    "a size as in C": fails(FRAMING, chunked(end=b"0x3\r\nabc\r\n0\r\n\r\n")),
    "a size beyond all": fails(FRAMING, chunked(end=b"fffffffffffffffff\r\nabc")),
    "no size": fails(FRAMING, chunked(end=b"\r\nabc\r\n0\r\n\r\n")),
    "a blank before the size": fails(FRAMING, chunked(end=b" 3\r\nabc\r\n0\r\n\r\n")),
    "a size and LF alone": fails(FRAMING, chunked(end=b"3\nabc\r\n0\r\n\r\n")),
    "a chunk longer than its size": fails(FRAMING, chunked(end=b"2\r\nabc\r\n0\r\n\r\n")),
    "a chunk shorter than its size": fails(FRAMING, chunked(end=b"4\r\nabc\r\n0\r\n\r\n")),
    "an endless extension": fails(FRAMING, chunked(end=b"3;" + b"a" * 1000)),
    "a trailer that is none": fails(FRAMING, chunked(b"abc", end=b"0\r\nno trailer\r\n\r\n")),
    "endless trailers": fails(FRAMING, chunked(b"abc", end=b"0\r\n" + b"X-A: b\r\n" * 5000)),
    "next to nothing in each of many": fails(FRAMING, chunked(*[b"a"] * 40_000)),
    # Heads that can be read in two ways.
    "two lengths that differ": fails(FRAMING, answer(WHOLE, b"Content-Length: 5")),
    "one length said twice": fails(FRAMING, answer(WHOLE, b"Content-Length: 42")),
    "a list of lengths": fails(FRAMING, OK + b"Content-Length: 3, 3\r\n\r\nabc"),
    "a negative length": fails(FRAMING, OK + b"Content-Length: -3\r\n\r\nabc"),
    "a length with a sign": fails(FRAMING, OK + b"Content-Length: +3\r\n\r\nabc"),
    "a length as in C": fails(FRAMING, OK + b"Content-Length: 0x3\r\n\r\nabc"),
    "an empty length": fails(FRAMING, OK + b"Content-Length: \r\n\r\nabc"),
    "a length beyond all": fails(FRAMING, OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nabc"),
    "length and chunks": fails(
        FRAMING, OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "chunks said twice": fails(FRAMING, OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n"),
    "compressed and chunks, line by line": fails(
        FRAMING, OK + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "chunks within chunks": fails(FRAMING, OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    "an unknown encoding": fails(FRAMING, OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    "identity as encoding": fails(FRAMING, OK + b"Transfer-Encoding: identity\r\n\r\nabc"),
    "compressed for the hop": fails(FRAMING, OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    "a field without a colon": fails(FRAMING, answer(WHOLE, b"X-Field")),
    "a field without a name": fails(FRAMING, answer(WHOLE, b": value")),
    "a blank before the colon": fails(FRAMING, answer(WHOLE, b"X-Field : value")),
    "a folded field": fails(FRAMING, answer(WHOLE, b"X-Field: a\r\n b")),
    "a NUL in a field": fails(FRAMING, answer(WHOLE, b"X-Field: a\0b")),
    "a CR in a field": fails(FRAMING, answer(WHOLE, b"X-Field: a\rSet-Cookie: b")),
    "lines that end in LF": fails(FRAMING, answer(WHOLE).replace(b"\r\n", b"\n")),
    "one line that ends in LF": fails(FRAMING, answer(WHOLE, b"X-A: b\nX-C: d")),
    # Too much of it.
    "a head of 100 kB": fails(FRAMING, answer(WHOLE, b"X-Long: " + b"a" * 100_000)),
    "5000 fields": fails(FRAMING, answer(WHOLE, *[b"X-A: b"] * 5000)),
    "an endless head": Case(_endless_field, KEEP, FRAMING),
    "hints without an end": fails(FRAMING, b"HTTP/1.1 103 Early Hints\r\n\r\n" * 500 + answer(WHOLE)),
    "continue without an end": Case(_endless_continue, KEEP, FRAMING),
    "larger than allowed": Case((answer(b"a" * 1001),), KEEP, BODY, most=1000),
    "larger than allowed, by its head": Case((OK + b"Content-Length: 1001\r\n\r\n",), KEEP, BODY, most=1000),
    "larger than allowed, in chunks": Case((chunked(*[b"a" * 11] * 100),), KEEP, BODY, most=1000),
    "larger than allowed, without an end": Case(_endless_body, KEEP, BODY, most=1_000_000),
    # Something else.
    "an upgrade nobody asked for": fails(
        FRAMING, b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + answer(WHOLE)
    ),
    "no head at all": fails(FRAMING, WHOLE),
    "an empty line first": fails(FRAMING, b"\r\n" + answer(WHOLE)),
    "a TLS alert": fails(FRAMING, b"\x15\x03\x01\x00\x02\x02\x28"),
    "a mail server": fails(FRAMING, b"220 mail.example ESMTP ready\r\n"),
    "a shell": fails(FRAMING, b"SSH-2.0-OpenSSH_9.9\r\n"),
    "a database": fails(FRAMING, b"J\0\0\0\n8.0.36\0"),
    "HTTP/2 in the line": fails(FRAMING, answer(WHOLE).replace(b"HTTP/1.1", b"HTTP/2.0")),
    "frames of HTTP/2": fails(
        FRAMING, b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff"
    ),
    "HTTP/1.2 in the line": fails(FRAMING, answer(WHOLE).replace(b"HTTP/1.1", b"HTTP/1.2")),
    "http in small letters": fails(FRAMING, answer(WHOLE).replace(b"HTTP", b"http")),
    "a request in return": fails(FRAMING, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    "a status of two digits": fails(FRAMING, answer(WHOLE, status=b"20 OK")),
    "a status of four digits": fails(FRAMING, answer(WHOLE, status=b"2000 OK")),
    "a status below 100": fails(FRAMING, answer(WHOLE, status=b"099 OK")),
    "a status in words": fails(FRAMING, answer(WHOLE, status=b"two hundred")),
    "two blanks before the status": fails(FRAMING, answer(WHOLE, status=b" 200 OK")),
    "a CR in the reason": fails(FRAMING, answer(WHOLE, status=b"200 O\rK")),
    # Too slow: one limit for all of it.
    "never": Case(_never, KEEP, HEAD, seconds=0.3),
    "a head drop by drop": Case(_drip_head, KEEP, HEAD, seconds=0.3),
    "a body that stands still": Case(_stall, KEEP, BODY, seconds=0.3),
    "a body drop by drop": Case(_drip_body, KEEP, BODY, seconds=0.3),
}


def plays(case: Case) -> Callable[[Asked], Awaitable[None]]:
    """The case at `/bad`; everybody else gets an answer of his own."""

    async def script(asked: Asked) -> None:
        line = asked.line
        if asked.target != b"/bad":
            await own_answer(asked)
            return
        await (line.send(*case.says) if isinstance(case.says, tuple) else case.says(line))
        if case.then == RESET:
            await let_others_run()
            line.reset()
        if case.then != KEEP:
            raise Cut

    return script


@pytest.mark.parametrize("name", CASES)
@on_both_loops
async def test_an_answer_is_taken_whole_or_not_at_all_and_the_next_is_its_own(name: str) -> None:
    case = CASES[name]
    loop = asyncio.get_running_loop()
    async with listening(plays(case)) as origin, asking(origin.port) as asker:
        began = loop.time()
        if isinstance(case.comes, Phase):
            error = await asker.fails(b"/bad", case.method, seconds=case.seconds, most=case.most)
            assert (error.phase, error.timed_out) == (case.comes, case.seconds < 1), error
            assert error.too_large == (case.most != ALLOWED)
        else:
            got = await asker.ask(b"/bad", case.method)
            assert (got.status, got.body) == case.comes
        assert loop.time() - began < 1.5
        if case.late:
            await eventually(lambda: asker.place.open == 0)
        for target in (b"/next", b"/and-next"):
            assert (await asker.ask(target)).body == target
        both = await asyncio.gather(asker.ask(b"/one"), asker.ask(b"/other"))
        assert [one.body for one in both] == [b"/one", b"/other"]
        assert origin.targets.count(b"/bad") == 1


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.most == ALLOWED])
@on_uvloop
async def test_a_client_hears_a_whole_answer_or_that_there_is_none(name: str) -> None:
    case = CASES[name]
    async with (
        listening(plays(case)) as origin,
        relaying(origin.port, seconds=case.seconds) as way,
        client(way.server.port) as line,
    ):
        await line.send(b"%b /bad HTTP/1.1\r\nHost: a\r\n\r\n" % case.method)
        said = await line.answer(case.method.decode())
        if isinstance(case.comes, Phase):
            assert (said.status, said.body) == (504 if case.seconds < 1 else 502, case.comes.encode())
        else:
            assert (said.status, said.body) == case.comes
        if case.late:
            await eventually(lambda: way.place.open == 0)
        await line.send(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await line.answer()).body == b"/next"
        assert (len(way.endings), origin.targets) == (2, [b"/bad", b"/next"])


@on_both_loops
async def test_an_endless_head_is_not_read_for_long() -> None:
    written = 0

    async def pours(line: Line, _: int) -> None:
        nonlocal written
        await line.until(b"\r\n\r\n")
        await line.send(OK + b"X-Long: ")
        while True:
            await line.send(b"a" * 16_384)
            written += 16_384

    async with listening(converse=pours) as origin, asking(origin.port) as asker:
        assert (await asker.fails()).phase is Phase.FRAMING
        await eventually(lambda: asker.place.open == 0)
        assert written < 8_000_000


@on_uvloop
async def test_a_redirect_goes_to_the_client_and_nobody_follows_it() -> None:
    async with listening() as elsewhere:
        to = b"http://127.0.0.1:%d/admin" % elsewhere.port
        moved = Case((answer(b"", b"Location: " + to, status=b"301 Moved"),), KEEP, (301, b""))
        async with (
            listening(plays(moved)) as origin,
            relaying(origin.port) as way,
            client(way.server.port) as line,
        ):
            await line.send(b"GET /bad HTTP/1.1\r\nHost: a\r\n\r\n")
            said = await line.answer()
        assert (said.status, said.all("location")) == (301, [to.decode()])
        assert (origin.targets, elsewhere.asked) == ([b"/bad"], [])


@on_uvloop
async def test_what_is_compressed_stays_so() -> None:
    bomb = gzip.compress(bytes(5_000_000))
    case = Case((answer(bomb, b"Content-Encoding: gzip"),), KEEP, (200, bomb))
    async with (
        listening(plays(case)) as origin,
        relaying(origin.port) as way,
        client(way.server.port) as line,
    ):
        await line.send(b"GET /bad HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        said = await line.answer()
    assert (said.body, said.all("content-encoding")) == (bomb, ["gzip"])
