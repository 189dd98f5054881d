"""One exchange with a provider, over a real socket, in the words of healing."""

import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.lanes import Held, host, saying
from tests.wire_origins import Asked, Cut, RawOrigin, Script, answer, listening, on_uvloop

from autonomous_healing.endpoint_healing.call import Trouble
from autonomous_healing.endpoint_healing.catalog import build_source
from autonomous_healing.endpoint_healing.endpoints import Source
from autonomous_healing.endpoint_healing.options import SourceSettings
from autonomous_healing.endpoint_healing.upstream import Answer, Unanswered, Upstream, UpstreamLimits

LIMIT = 100_000

NONE: Mapping[str, str] = {}


class Asker:
    """One who asks one host of a source."""

    def __init__(self, upstream: Upstream, source: Source, origin: RawOrigin) -> None:
        self._upstream = upstream
        self._source = source
        self.origin = origin

    async def ask(self, path: str = "/", seconds: float = 5.0, headers: Mapping[str, str] = NONE) -> Answer:
        return await self._upstream.get(self._source, self._source.hosts[0], path, headers, seconds)

    async def fails(self, **how: Any) -> tuple[Trouble, str]:
        with pytest.raises(Unanswered) as none:
            await self.ask(**how)
        return none.value.trouble, str(none.value)


@asynccontextmanager
async def asking(script: Script, *, prefix: str = "", **settings: Any) -> AsyncIterator[Asker]:
    upstream = Upstream(user_agent="tests/1", limits=UpstreamLimits(max_body=LIMIT))
    await upstream.start()
    try:
        async with listening(script) as origin:
            known = {"hosts": (host(origin.port, prefix),), "allow_private": True, **settings}
            yield Asker(upstream, build_source("my_source", SourceSettings(**known)), origin)
    finally:
        await upstream.stop()


@on_uvloop
async def test_asks_as_itself_for_json_behind_the_host_s_path() -> None:
    async with asking(saying(answer(b"{}")), prefix="/v2") as one:
        await one.ask("/a%20b?c=d", headers={"x-request-id": "r1"})
        head = one.origin.asked[0].head.decode().split("\r\n")
    assert head[0] == "GET /v2/a%20b?c=d HTTP/1.1"
    assert head[1:-2] == [
        f"host: 127.0.0.1:{one.origin.port}",
        "user-agent: tests/1",
        "accept: application/json",
        "accept-encoding: gzip",
        "x-request-id: r1",
    ]


@on_uvloop
async def test_names_of_an_answer_s_fields_come_in_lower_case() -> None:
    async with asking(saying(answer(b"no", b"X-Why: Because", status=b"418 Teapot"))) as one:
        got = await one.ask()
    assert (got.status, got.body, got.headers["x-why"]) == (418, b"no", "Because")


@on_uvloop
async def test_takes_an_answer_up_to_the_limit_whole() -> None:
    async with asking(saying(answer(b"x" * LIMIT))) as one:
        assert len((await one.ask()).body) == LIMIT


@pytest.mark.parametrize(
    "whole",
    [
        answer(b"x" * (LIMIT + 1)),
        answer(gzip.compress(b"x" * (LIMIT + 1)), b"Content-Encoding: gzip"),
        answer(b"x" * (LIMIT + 1), b"Content-Encoding: gzip"),
    ],
    ids=["plain", "once it is unpacked", "packed"],
)
@on_uvloop
async def test_an_answer_above_the_limit_is_told_apart_from_a_broken_line(whole: bytes) -> None:
    async with asking(saying(whole)) as one:
        assert await one.fails() == (Trouble.TOO_LARGE, f"answer larger than {LIMIT} bytes")


@on_uvloop
async def test_a_bomb_is_not_unpacked_further_than_the_limit() -> None:
    packing = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    bomb = b"".join(packing.compress(bytes(1_000_000)) for _ in range(50)) + packing.flush()
    async with asking(saying(answer(bomb, b"Content-Encoding: gzip"))) as one:
        tracemalloc.start()
        try:
            assert (await one.fails())[0] is Trouble.TOO_LARGE
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("coding", [b"gzip", b"GZip", b"x-gzip"])
@on_uvloop
async def test_unpacks_what_it_asked_to_be_packed(coding: bytes) -> None:
    packed = gzip.compress(b"x" * LIMIT)
    async with asking(saying(answer(packed, b"Content-Encoding: " + coding))) as one:
        assert (await one.ask()).body == b"x" * LIMIT


@pytest.mark.parametrize("fields", [(b"Content-Encoding: identity",), (b"Content-Encoding: Identity",), ()])
@on_uvloop
async def test_takes_what_is_not_packed_as_it_is(fields: tuple[bytes, ...]) -> None:
    async with asking(saying(answer(b"plain", *fields))) as one:
        assert (await one.ask()).body == b"plain"


@on_uvloop
async def test_where_there_is_no_body_there_is_nothing_to_unpack() -> None:
    async with asking(saying(answer(b"", b"Content-Encoding: gzip", status=b"500 Oops"))) as one:
        assert (await one.ask()).body == b""


GZIP = gzip.compress(b"x" * 1000)


@pytest.mark.parametrize(
    ("body", "coding", "why"),
    [
        (b"no gzip", b"gzip", "answer cannot be decompressed"),
        (GZIP[:-4], b"gzip", "compressed answer is not whole"),
        (GZIP[:-8] + bytes(8), b"gzip", "answer cannot be decompressed"),
        (GZIP + b"more", b"gzip", "compressed answer is not whole"),
        (GZIP + GZIP, b"gzip", "compressed answer is not whole"),
        (GZIP, b"br", "answer in a content coding that was not asked for"),
        (GZIP, b"gzip, gzip", "answer in a content coding that was not asked for"),
    ],
    ids=["no gzip", "cut", "wrong sum", "more behind it", "two of them", "unknown", "packed twice"],
)
@on_uvloop
async def test_what_cannot_be_unpacked_is_no_answer(body: bytes, coding: bytes, why: str) -> None:
    async with asking(saying(answer(body, b"Content-Encoding: " + coding))) as one:
        assert await one.fails() == (Trouble.UNREACHABLE, why)


@on_uvloop
async def test_what_takes_too_long_has_timed_out_and_it_is_said_where() -> None:
    async with asking(Held(b"")) as one:
        assert await one.fails(seconds=0.1) == (Trouble.TIMED_OUT, "no answer within 0.1s (head)")
        assert await one.origin.asked[0].line.ended()


async def _half(asked: Asked) -> None:
    await asked.line.send(answer(b"x" * 100)[:-50])
    raise Cut("as it was to be")


async def _nothing(asked: Asked) -> None:
    raise Cut("as it was to be")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (_half, "answer cut short"),
        (_nothing, "connection closed before an answer"),
        (saying(b"SSH-2.0-OpenSSH_9\r\n\r\n"), "no valid HTTP: "),
        (saying(answer(b"", b"Content-Length: 7")), "no valid HTTP: "),
    ],
    ids=["half", "nothing", "no HTTP", "two lengths"],
)
@on_uvloop
async def test_what_does_not_come_whole_is_no_answer(script: Script, why: str) -> None:
    async with asking(script) as one:
        trouble, message = await one.fails()
    assert trouble is Trouble.UNREACHABLE
    assert message.startswith(why)
    assert "127.0.0.1" not in message


@on_uvloop
async def test_where_it_may_not_connect_to_nothing_is_asked() -> None:
    async with asking(saying(answer(b"{}")), allow_private=False) as one:
        trouble, message = await one.fails()
    assert (trouble, one.origin.lines) == (Trouble.UNREACHABLE, [])
    assert message == "address not allowed: loopback"


@on_uvloop
async def test_where_nobody_listens_the_connection_has_failed() -> None:
    async with asking(saying(answer(b"{}"))) as one:
        pass
    async with asking(saying(answer(b"{}")), hosts=(host(one.origin.port),)) as nobody:
        trouble, message = await nobody.fails()
    assert trouble is Trouble.UNREACHABLE
    assert message.startswith("connection failed: ")
    assert str(one.origin.port) not in message


@on_uvloop
async def test_follows_no_redirect_and_keeps_no_cookie() -> None:
    whole = answer(b"", b"Location: /elsewhere", b"Set-Cookie: a=b", status=b"302 Found")
    async with asking(saying(whole)) as one:
        answers = [await one.ask() for _ in range(2)]
        heads = [asked.head.lower() for asked in one.origin.asked]
    assert [got.status for got in answers] == [302, 302]
    assert [b"cookie" in head for head in heads] == [False, False]


@pytest.mark.parametrize(("path", "value"), [("/a b", "x"), ("/", "x\r\ny: z"), ("/\r\n", "x"), ("/", "x\0")])
@on_uvloop
async def test_refuses_to_send_what_would_become_another_request(path: str, value: str) -> None:
    async with asking(saying(answer(b"{}"))) as one:
        with pytest.raises(ValueError, match="line break"):
            await one.ask(path, headers={"x-request-id": value})
        assert one.origin.asked == []


@on_uvloop
async def test_must_be_started_first() -> None:
    upstream = Upstream(user_agent="tests/1", limits=UpstreamLimits(max_body=LIMIT))
    source = build_source("my_source", SourceSettings(hosts=("http://a.test",)))
    with pytest.raises(RuntimeError, match="start"):
        upstream.route(source, source.hosts[0])
    await upstream.stop()
