"""A source that is passed through gets and gives everything as it is, but for what belongs to one hop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.eventually import eventually
from tests.lanes import HASTY, RAW, Held, House, host, house, request, saying, shop
from tests.wire_origins import HERE, Asked, Cut, answer, chunked, listening, on_uvloop, own_answer

from autonomous_healing.proxy import Door, Passthrough, ProxyServer, Ways


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PURGE"]
)
@on_uvloop
async def test_any_method_is_passed_on(method: str) -> None:
    async with shop() as here:
        told = await here.ask("/api/my-shop/things/1", method=method)
    assert told.status == 200
    assert [one.method for one in here.origin.asked] == [method]
    assert here.origin.targets == [b"/things/1"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
@pytest.mark.parametrize("size", [1, 70_000, 400_000])
@on_uvloop
async def test_bodies_go_both_ways_as_they_are(method: str, size: int) -> None:
    async def echo(asked: Asked) -> None:
        await asked.line.send(answer(asked.body[::-1], b"Content-Type: x/y", status=b"201 Created"))

    body = bytes(number * 7 % 251 for number in range(size))
    async with shop(echo) as here:
        told = await here.ask("/api/my-shop/", method=method, body=body)
        [asked] = here.origin.asked
    assert (told.status, told.all("content-type")) == (201, ["x/y"])
    assert (len(asked.body), asked.body == body, told.body == body[::-1]) == (size, True, True)


@pytest.mark.parametrize("size", [100_000, 900_000])
@on_uvloop
async def test_bodies_in_chunks_go_both_ways_too(size: int) -> None:
    parts = [b"%05d" % number * 1000 for number in range(size // 5000)]

    async def echo(asked: Asked) -> None:
        await asked.line.send(chunked(asked.body[:10], asked.body[10:]))

    async with shop(echo) as here, here.house.line() as line:
        await line.send(
            request("/api/my-shop/", method="PUT", transfer_encoding="chunked"),
            *(b"%x\r\n%b\r\n" % (len(part), part) for part in parts),
            b"0\r\n\r\n",
        )
        told = await line.answer()
    assert (told.status, len(told.body), told.body == b"".join(parts)) == (200, size, True)


@pytest.mark.parametrize(
    ("asked", "reaches"),
    [
        ("/api/my-shop", b"/"),
        ("/api/my-shop/", b"/"),
        ("/api/my-shop?a=b", b"/?a=b"),
        ("/api/my-shop/a%20b/%C3%A9%2Fc?q=%20%2B+x&q=2&&=", b"/a%20b/%C3%A9%2Fc?q=%20%2B+x&q=2&&="),
        ("/api/my-shop//double//", b"//double//"),
        ("/api/my-shop/a;b=c,d:e@f!$'()*", b"/a;b=c,d:e@f!$'()*"),
        ("/api/my-shop/%zz%", b"/%zz%"),
        ("/api/my-shop/x?path=../../etc&u=http://a/..", b"/x?path=../../etc&u=http://a/.."),
        ("/api/my-shop/...", b"/..."),
        ("/api/my-shop/a..b/.hidden/b..", b"/a..b/.hidden/b.."),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/v2/base"])
@on_uvloop
async def test_path_and_query_go_on_byte_by_byte_behind_the_origin_s_prefix(
    asked: str, reaches: bytes, prefix: str
) -> None:
    async with shop(prefix=prefix) as here:
        told = await here.ask(asked)
    assert (told.status, here.origin.targets) == (200, [prefix.encode() + reaches])


@on_uvloop
async def test_it_answers_below_the_mount_it_is_given_and_nowhere_else() -> None:
    async with shop(mount="/orders") as here:
        below = await here.ask("/orders/17")
        elsewhere = [await here.ask(path) for path in ("/ordersx", "/api/my-shop/17", "/", "/orders%2F17")]
    assert below.status == 200
    assert [one.status for one in elsewhere] == [404] * 4
    assert here.origin.targets == [b"/17"]


class Counted(Passthrough):
    """Remembers whether it was looked at."""

    looked_at = 0

    def answers(self, target: bytes) -> bool:
        self.looked_at += 1
        return super().answers(target)


@asynccontextmanager
async def counting(rooms: House) -> AsyncIterator[tuple[int, list[Counted]]]:
    """Another port of the house, whose raw sources remember that."""
    parts = rooms.parts
    raw = [
        Counted(one, parts.upstream, parts.admission, rooms.clock, deadline=10.0, buffer_bytes=65_536)
        for one in parts.endpoints
    ]
    ways = Ways(proxy=rooms.proxy, path=rooms.path, fetcher=parts.fetcher, views={}, passthroughs=lambda: raw)
    server = ProxyServer(Door(host=HERE, port=0, drain_seconds=0.0, limits=rooms.limits), ways)
    await server.start()
    try:
        yield server.port, raw
    finally:
        await server.stop()


@on_uvloop
async def test_of_many_raw_sources_only_the_one_that_is_meant_is_looked_at() -> None:
    mounts = {f"shop_{n}": f"/shops/{n}" for n in range(50)} | {"deep": "/a/b/c", "flat": "/flat"}
    async with listening(own_answer) as origin:
        sources = {
            source: {"kind": "raw", "hosts": (host(origin.port, f"/{source}"),), "mount": mount}
            for source, mount in mounts.items()
        }
        async with house(sources) as rooms, counting(rooms) as (port, raw):
            for path in ("/shops/7/x", "/shops/42?x=1", "/a/b/c", "/flat/a/b/c/d/e/f"):
                assert (await rooms.ask(path, port=port)).status == 200
            for path in ("/shops", "/shops/77", "/a/b", "/a/b/cc", "/", "/shopsx/7"):
                assert (await rooms.ask(path, port=port)).status == 404
        looked_at = {one.source.id: one.looked_at for one in raw if one.looked_at}
    assert origin.targets == [b"/shop_7/x", b"/shop_42/?x=1", b"/deep/", b"/flat/a/b/c/d/e/f"]
    assert looked_at == {"shop_7": 1, "shop_42": 1, "deep": 1, "flat": 1}


@pytest.mark.parametrize(
    ("mount", "asked", "reaches"),
    [("/", "/things?x=1", b"/things?x=1"), ("/", "/", b"/"), ("/orders", "/orders/17", b"/17")],
)
@on_uvloop
async def test_it_may_have_a_port_of_its_own(mount: str, asked: str, reaches: bytes) -> None:
    async with shop(mount=mount, port=0) as here:
        port = here.house.server.port_of("my_shop")
        told = await here.ask(asked, port=port)
        on_the_proxy = await here.ask(asked)
    assert (told.status, here.origin.targets) == (200, [reaches])
    assert on_the_proxy.status == 404
    assert port != here.house.server.port


@pytest.mark.parametrize("target", ["/", "/elsewhere/and/much/longer/than/the/mount", "/ordersx", "/order"])
@on_uvloop
async def test_on_its_own_port_too_only_what_is_below_the_mount_is_passed_on(target: str) -> None:
    async with shop(mount="/orders", port=0) as here:
        told = await here.ask(target, port=here.house.server.port_of("my_shop"))
    assert (told.status, told.all("content-type")) == (404, ["application/problem+json"])
    assert here.origin.asked == []


@on_uvloop
async def test_options_of_the_whole_server_are_those_of_the_origin() -> None:
    async with shop(mount="/", port=0, prefix="/v2") as here:
        told = await here.ask("*", method="OPTIONS", port=here.house.server.port_of("my_shop"))
    assert (told.status, here.origin.targets) == (200, [b"*"])


@pytest.mark.parametrize(
    "path",
    [
        "/..",
        "/a/../b",
        "/a/./b",
        "/.",
        "/%2e%2e/x",
        "/.%2E",
        "/%2e",
        "/a/%2e%2E%2fb",
        "/%252e%252e/x",
        "/a%2f..%2fb",
        "/a%252f..%252fb",
        "/..;x=1/b",
        "/%2e%2e%3bx/b",
        "/a\\..\\b",
        "/a%5c..%5cb",
        "/a\\.\\b",
        "/a%5C%2e%2e",
        "/..?q",
    ],
)
@pytest.mark.parametrize("own_port", [False, True])
@on_uvloop
async def test_a_relative_segment_is_refused_however_it_is_written(path: str, own_port: bool) -> None:
    settings: dict[str, Any] = {"mount": "/", "port": 0} if own_port else {}
    async with shop(prefix="/v2", **settings) as here:
        port = here.house.server.port_of("my_shop") if own_port else 0
        told = await here.ask(path if own_port else f"/api/my-shop{path}", port=port)
    assert (told.status, told.all("content-type")) == (400, ["application/problem+json"])
    assert here.origin.asked == []


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Later", "308 For Ever", "303 See"])
@on_uvloop
async def test_redirects_are_relayed_and_not_followed(status: str) -> None:
    to = b"Location: https://elsewhere.test/x"
    async with shop(saying(answer(b"", to, status=status.encode()))) as here:
        told = await here.ask("/api/my-shop/")
    assert (told.status, told.all("location")) == (int(status[:3]), ["https://elsewhere.test/x"])
    assert len(here.origin.asked) == 1


@pytest.mark.parametrize(
    "status", ["400 Bad", "404 No", "418 Teapot", "429 Slow", "500 Oops", "503 Busy", "599 Own"]
)
@on_uvloop
async def test_the_origin_s_errors_are_told_as_they_are(status: str) -> None:
    whole = answer(b"<html>no</html>", b"Content-Type: text/html", b"Retry-After: 9", status=status.encode())
    async with shop(saying(whole)) as here:
        told = await here.ask("/api/my-shop/")
        health = here.house.health(RAW)
    assert (told.status, told.body) == (int(status[:3]), b"<html>no</html>")
    assert (told.all("content-type"), told.all("retry-after")) == (["text/html"], ["9"])
    assert [name for name, _ in told.fields if name.startswith("healing")] == []
    assert (health.total, health.failed) == (1, int(told.status >= 500))
    assert len(here.origin.asked) == 1


@on_uvloop
async def test_fields_of_one_hop_end_here_and_both_sides_learn_of_us() -> None:
    fields = [b"Connection: close, X-Hop", b"X-Hop: 1", b"Keep-Alive: 5", b"Trailer: x", b"Upgrade: h2c"]
    fields += [b"Proxy-Authenticate: Basic", b"X-Own: 1", b"Set-Cookie: a=1", b"Set-Cookie: b=2"]
    fields += [b"Via: 1.1 cdn", b"Server: theirs"]
    async with shop(saying(answer(b"{}", *fields))) as here:
        told = await here.ask(
            "/api/my-shop/",
            connection="keep-alive, X-Mine",
            x_mine="1",
            te="trailers",
            keep_alive="5",
            proxy_authorization="Basic x",
            upgrade="websocket",
            via="1.0 caller",
            healing_allow="none",
            x_forwarded_for="1.2.3.4",
            authorization="Bearer y",
            cookie="c=d",
            accept_encoding="br",
        )
    head = here.origin.asked[0].head.decode().lower()
    for gone in (
        "x-mine",
        "\r\nte:",
        "keep-alive",
        "proxy-authorization",
        "upgrade",
        "healing-",
        "forwarded",
    ):
        assert gone not in head
    for kept in ("authorization: bearer y", "cookie: c=d", "accept-encoding: br"):
        assert kept in head
    assert f"\r\nhost: 127.0.0.1:{here.origin.port}\r\n" in head
    assert "\r\nvia: 1.0 caller, 1.1 autonomous_healing\r\n" in head
    names = {name for name, _ in told.fields}
    assert names & {"x-hop", "keep-alive", "trailer", "upgrade", "proxy-authenticate", "connection"} == set()
    assert (told.all("x-own"), told.all("set-cookie"), told.all("server")) == (
        ["1"],
        ["a=1", "b=2"],
        ["theirs"],
    )
    assert told.all("via") == ["1.1 cdn", "1.1 autonomous_healing"]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
@pytest.mark.parametrize("own_port", [False, True])
@on_uvloop
async def test_what_would_make_us_something_else_is_refused(method: str, own_port: bool) -> None:
    settings: dict[str, Any] = {"mount": "/", "port": 0} if own_port else {}
    async with shop(**settings) as here:
        target = "proxy.test:80" if method == "CONNECT" else "/api/my-shop/"
        port = here.house.server.port_of("my_shop") if own_port else 0
        told = await here.ask(target, method=method, port=port)
    assert (told.status, told.all("content-type")) == (405, ["application/problem+json"])
    assert "GET" in told.all("allow")[0]
    assert here.origin.asked == []


@on_uvloop
async def test_events_go_on_as_they_come_for_longer_than_an_exchange_may_last() -> None:
    more = Held(b"data: two\n\n")

    async def events(asked: Asked) -> None:
        await asked.line.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n")
        await more(asked)
        raise Cut("as it was to be")

    async with shop(events, house_of=HASTY) as here, here.house.line() as line:
        await line.send(request("/api/my-shop/events"))
        await line.until(b"data: one\n\n")
        await eventually(lambda: more.has_come(0.4))
        more.let_go()
        assert b"data: two" in await line.until(b"data: two\n\n")


@on_uvloop
async def test_nothing_is_left_of_it() -> None:
    async with shop() as here:
        await here.ask("/api/my-shop/")
        tasks = asyncio.all_tasks()
        for method in ("GET", "POST", "PUT"):
            await here.ask("/api/my-shop/", method=method)
        assert asyncio.all_tasks() <= tasks | here.origin.talking
        assert here.house.reports == []
