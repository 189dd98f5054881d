"""Who is not let in at the proxy's ports: under names that are not ours, and from pages of others."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tests.lanes import RAW, WISH, House, json_in, shop, street
from tests.wire_origins import RawOrigin, Said, on_uvloop

PAIR = "/api/exchange-rate/pair/USD/EUR"

#: Ways through the proxy: where they lead, and what they ask.
WAYS: Mapping[str, tuple[str, str]] = {
    "the fast lane": (PAIR, ""),
    "the ordinary way": (PAIR, f"Healing-Allow: {WISH}\r\n"),
    "a view": ("/livez", ""),
    "nowhere": ("/nowhere", ""),
    "a raw source": ("/api/my-shop/x", ""),
    "a raw source on a port of its own": ("/x", ""),
}


@dataclass(kw_only=True, slots=True)
class Ports:
    """A proxy, and the origin that it asks."""

    house: House
    origin: RawOrigin
    port: int
    target: str
    lines: str

    async def ask(self, host: str | None, *fields: str, method: str = "GET", version: str = "1.1") -> Said:
        """On a connection of its own; `host` None sends no such field."""
        named = [] if host is None else [f"Host: {host}"]
        head = "\r\n".join([f"{method} {self.target} HTTP/{version}", *named, *fields])
        async with self.house.line(self.port) as line:
            await line.send(f"{head}\r\n{self.lines}\r\n".encode("latin-1"))
            return await line.answer(method)


@asynccontextmanager
async def ports(way: str) -> AsyncIterator[Ports]:
    target, lines = WAYS[way]
    if "raw" not in way:
        async with street("exchange_rate_api") as here:
            yield Ports(house=here.house, origin=here.origin, port=0, target=target, lines=lines)
        return
    own: dict[str, Any] = {"mount": "/", "port": 0} if "own" in way else {}
    async with shop(**own) as raw:
        port = raw.house.server.port_of("my_shop") if own else 0
        yield Ports(house=raw.house, origin=raw.origin, port=port, target=target, lines=lines)


#: How this machine may be asked for.
OWN = ("localhost", "localhost:5002", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:5002", "127.1.2.3", "[::1]:5002")

STRANGE = (
    "evil.example",
    "evil.example:5002",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.0.2.7",
    "0.0.0.0:5002",
    "[2001:db8::1]",
)

#: What has been read in two ways before.
ODD = ("a/b@c", "localhost/#@x", "localhost:8888/#@x", "evil.example@localhost", "localhost\\x", "[::1", "")


@pytest.mark.parametrize("way", WAYS)
@on_uvloop
async def test_under_our_own_names_everything_is_there(way: str) -> None:
    async with ports(way) as here:
        usual = await here.ask("localhost")
        found = [(await here.ask(host)).status for host in OWN]
    assert usual.status in (200, 404)
    assert set(found) == {usual.status}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@on_uvloop
async def test_under_any_other_name_nothing_is_there_and_nobody_is_asked(way: str, method: str) -> None:
    async with ports(way) as here:
        answers = [await here.ask(host, method=method) for host in STRANGE]
    assert {one.status for one in answers} == {421}
    assert {one.all("content-type")[0] for one in answers} == {"application/problem+json"}
    assert here.origin.asked == []


@pytest.mark.parametrize("way", WAYS)
@on_uvloop
async def test_an_odd_name_is_refused(way: str) -> None:
    async with ports(way) as here:
        found = [(await here.ask(host)).status for host in ODD]
        twice = await here.ask("localhost", "Host: localhost")
        none = await here.ask(None)
    assert set(found) <= {400, 421}
    assert (twice.status, none.status) == (400, 400)
    assert here.origin.asked == []


@pytest.mark.parametrize("way", WAYS)
@on_uvloop
async def test_one_who_was_let_in_opens_the_door_for_nobody_else(way: str) -> None:
    """What is remembered of a head is remembered of that head only."""
    async with ports(way) as here:
        usual = (await here.ask("localhost")).status
        found = []
        for _ in range(3):
            found += [(await here.ask("evil.example")).status, (await here.ask("localhost")).status]
            found += [(await here.ask("localhost", "Sec-Fetch-Site: cross-site")).status]
    assert found == [421, usual, 403] * 3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "fields",
    [
        ["Sec-Fetch-Site: cross-site"],
        ["Sec-Fetch-Site: same-site"],
        ["sec-fetch-site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"],
        ["Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"],
        ["Origin: http://evil.example"],
        ["Origin: null"],
        ["Origin: http://localhost:1"],
        ["Origin: http://localhost:5002.evil.example"],
        ["Origin: http://localhost:5002", "Sec-Fetch-Site: same-site"],
    ],
)
@on_uvloop
async def test_a_page_from_elsewhere_is_refused_and_nobody_is_asked(way: str, fields: list[str]) -> None:
    async with ports(way) as here:
        found = [
            (await here.ask("localhost:5002", *fields, method=method)).status
            for method in ("GET", "POST", "OPTIONS")
        ]
    assert set(found) == {403}
    assert here.origin.asked == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "fields",
    [
        ["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"],
        ["Sec-Fetch-Site: same-origin"],
        ["Origin: http://localhost:5002"],
        ["Origin: https://LOCALHOST:5002", "Sec-Fetch-Site: same-origin"],
    ],
)
@on_uvloop
async def test_a_page_of_our_own_and_a_person_at_the_keyboard_are_let_in(way: str, fields: list[str]) -> None:
    async with ports(way) as here:
        usual = await here.ask("localhost:5002")
        found = await here.ask("localhost:5002", *fields)
    assert found.status == usual.status


@pytest.mark.parametrize("way", WAYS)
@on_uvloop
async def test_the_old_version_needs_no_name(way: str) -> None:
    async with ports(way) as here:
        usual = await here.ask("localhost")
        nameless = await here.ask(None, version="1.0")
        strange = await here.ask("evil.example", version="1.0")
    assert (nameless.status, strange.status) == (usual.status, 421)


@on_uvloop
async def test_a_plain_question_under_our_own_name_stays_on_the_fast_lane() -> None:
    async with ports("the fast lane") as here:
        for host in OWN:
            assert json_in(await here.ask(host))["result"] == "success"
        assert here.house.proxy.handled == []
        assert (await here.ask("evil.example")).status == 421
        assert here.house.proxy.handled == []


@on_uvloop
async def test_who_is_not_let_in_counts_for_no_source() -> None:
    async with ports("a raw source") as here:
        await here.ask("evil.example")
        await here.ask("localhost", "Sec-Fetch-Site: cross-site")
        assert here.house.health(RAW).total == 0


@on_uvloop
async def test_names_of_many_ports_are_let_in_without_end() -> None:
    """More than are remembered."""
    async with ports("a view") as here:
        found = {(await here.ask(f"localhost:{port}")).status for port in range(1, 1100)}
        strange = (await here.ask("evil.example")).status
    assert (found, strange) == ({200}, 421)


@on_uvloop
async def test_what_one_port_worked_out_of_a_head_opens_no_other_port() -> None:
    async with ports("a raw source on a port of its own") as own:
        at_the_proxy = Ports(house=own.house, origin=own.origin, port=0, target=own.target, lines="")
        first = await at_the_proxy.ask("evil.example")
        second = await own.ask("evil.example")
    assert (first.status, second.status, own.origin.asked) == (421, 421, [])
