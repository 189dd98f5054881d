"""What is kept behind the memory answers after a restart, and nobody waits for it for long."""

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import http_sf
import pytest
from tests.clock import ManualClock
from tests.eventually import CLOCK, eventually
from tests.integration.product import Product, in_process, settings_for
from tests.lanes import host, request
from tests.shops import cached_shop, status
from tests.wire_origins import answer, client, listening, on_uvloop, waited

from autonomous_healing.drills import Stage
from autonomous_healing.endpoint_healing.caching.rows import CacheRow
from autonomous_healing.endpoint_healing.caching.shared import Found
from autonomous_healing.wire.message import Fields

TOKEN = http_sf.Token


@dataclass
class Shelf:
    """A layer that answers when it is told to."""

    rows: dict[bytes, CacheRow] = field(default_factory=dict)
    asked: list[tuple[bytes, Found]] = field(default_factory=list)
    slow: bool = False

    def look(self, resource: bytes, request: Fields, found: Found) -> None:
        self.asked.append((resource, found))
        if not self.slow:
            found(self.rows.get(resource))

    def tell(self) -> None:
        """All who have asked."""
        asked, self.asked = self.asked, []
        for resource, found in asked:
            found(self.rows.get(resource))

    def put(self, row: CacheRow) -> None:
        self.rows[row.resource] = row

    def remove(self, resource: bytes) -> None:
        self.rows.pop(resource, None)


async def filled(shelf: Shelf, *fields: str) -> Shelf:
    """By a shop that has ended."""
    async with cached_shop(*fields, behind=shelf) as before:
        assert (await before.ask()).body == b"answer 1"
    return Shelf(shelf.rows)


@on_uvloop
async def test_it_is_answered_without_asking() -> None:
    shelf = await filled(Shelf())
    async with cached_shop(behind=shelf) as shop:
        said = await shop.ask()
        assert (said.body, status(said), shop.origin.asked) == (b"answer 1", {"hit": True, "ttl": 60}, 0)
        assert len(shelf.asked) == 1
        await shop.ask()
        assert len(shelf.asked) == 1  # it is in memory now


@on_uvloop
async def test_what_is_over_by_then_is_confirmed() -> None:
    shelf = await filled(Shelf(), "Cache-Control: max-age=60", 'ETag: "a"')
    clock = ManualClock()
    clock.pass_time(100.0)
    async with cached_shop(behind=shelf, clock=clock) as shop:
        shop.origin.turns.append(shop.origin.says(b"", "Cache-Control: max-age=60", status="304 Same"))
        said = await shop.ask()
        assert (said.body, status(said)["fwd-status"]) == (b"answer 1", 304)
        assert 'if-none-match: "a"' in shop.origin.heads[0]


@on_uvloop
async def test_a_crowd_looks_once_and_asks_once() -> None:
    shelf = Shelf(slow=True)
    async with cached_shop(behind=shelf) as shop, AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(client(shop.port)) for _ in range(10)]
        for line in lines:
            await line.send(request("/x"))
        await eventually(lambda: shop.in_flight == 10)
        assert (len(shelf.asked), shop.origin.asked) == (1, 0)
        shelf.tell()
        assert {(await line.answer()).body for line in lines} == {b"answer 1"}
        assert shop.origin.asked == 1


@on_uvloop
async def test_a_crowd_gets_what_is_found() -> None:
    shelf = await filled(Shelf())
    shelf.slow = True
    async with cached_shop(behind=shelf) as shop, AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(client(shop.port)) for _ in range(10)]
        for line in lines:
            await line.send(request("/x"))
        await eventually(lambda: shop.in_flight == 10)
        shelf.tell()
        said = [await line.answer() for line in lines]
        assert {(one.body, status(one)["hit"]) for one in said} == {(b"answer 1", True)}
        assert shop.origin.asked == 0


@pytest.mark.parametrize("found", [True, False])
@on_uvloop
async def test_who_leaves_while_it_is_looked_for_has_nothing_asked(found: bool) -> None:
    shelf = await filled(Shelf()) if found else Shelf()
    shelf.slow = True
    async with cached_shop(behind=shelf) as shop:
        async with client(shop.port) as line:
            await line.send(request("/x"))
            await eventually(lambda: bool(shelf.asked))
        await eventually(lambda: shop.in_flight == 0)
        shelf.tell()
        await eventually(waited(0.1))
        assert shop.origin.asked == 0


@on_uvloop
async def test_what_is_never_kept_there_is_not_looked_for_there() -> None:
    shelf = Shelf()
    async with cached_shop(behind=shelf) as shop:
        await shop.ask(authorization="a")
        await shop.ask("/x?api_key=canary")
        await shop.ask(cache_control="no-store")
        await shop.ask(method="POST")
        assert shelf.asked == []
        assert shelf.rows == {}


@on_uvloop
async def test_what_is_superseded_goes_there_too() -> None:
    shelf = await filled(Shelf(), "Cache-Control: max-age=60", 'ETag: "a"')
    async with cached_shop("Cache-Control: private", behind=shelf) as shop:
        assert (await shop.ask(cache_control="no-cache")).body == b"answer 1"
        assert shelf.rows == {}


@on_uvloop
async def test_a_change_is_heeded_there_too() -> None:
    shelf = await filled(Shelf())
    async with cached_shop(behind=shelf) as shop:
        await shop.ask(method="DELETE")
        assert (await shop.ask()).body == b"answer 2"


async def test_the_product_knows_after_a_restart_what_it_had_kept(server_home: Path) -> None:
    """With the real database, and without anything of the request in it."""
    async with Stage(7, CLOCK) as stage, listening(public) as origin:
        shop = {"kind": "raw", "hosts": [host(origin.port)], "allow_private": True, "cache": "shared"}
        settings = settings_for(stage, server_home, sources__my_shop=shop)
        async with in_process(settings) as product:
            await rows_of(product)
            for target in ("/a?b=1", "/a?api_key=canary"):
                assert (await product.ask(f"/api/my-shop{target}")).status == 200
            await eventually(lambda: has_rows(product, 1))
        async with in_process(settings) as product:
            kept = await rows_of(product)
            assert "canary" not in str(kept)
            assert "b=1" not in str(kept)
            said = await product.ask("/api/my-shop/a?b=1")
            assert (said.status, said.body) == (200, b"1=b?a/")
            assert said.headers["cache-status"].startswith("autonomous_healing; hit")
        assert len(origin.asked) == 2


async def public(asked: Any) -> None:
    await asked.line.send(answer(asked.target[::-1], b"Cache-Control: max-age=600"))


async def rows_of(product: Product) -> list[Any]:
    return await product.table("SELECT * FROM response_cache")


async def has_rows(product: Product, count: int) -> bool:
    return len(await rows_of(product)) == count
