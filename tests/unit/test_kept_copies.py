"""Copies in a second layer: what it brings back answers or heals as if it had never left."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.clock import ManualClock, let_others_run
from tests.shelf import Shelf
from tests.world import World, said

from autonomous_healing.endpoint_healing.caching.rows import CacheRow
from autonomous_healing.endpoint_healing.healer import Result

CACHING: Any = {"cache": {"serve_fresh": True, "coalesce": True}, "in_request_retries": 0}
RATES = "exchange_rate_api/latest"


class Process:
    """One life of the product; the shelf outlives it."""

    def __init__(self, shelf: Shelf, clock: ManualClock) -> None:
        self.world = World(healing=CACHING, clock=clock, layer=shelf)

    async def ask(self, place: str = RATES) -> Result:
        try:
            return await self._ask(place)
        finally:
            await self.flush()

    async def flush(self) -> None:
        assert self.world.kept is not None
        await self.world.kept.flush()

    async def _ask(self, place: str) -> Result:
        return await self.world.healer.answer(self.world.call(place, "exact, stale"))

    @property
    def asked(self) -> int:
        return len(self.world.upstream.asked)


async def test_a_restart_asks_no_source_for_what_is_still_fresh() -> None:
    shelf, clock = Shelf(), ManualClock()
    first = await Process(shelf, clock).ask()
    clock.pass_time(100.0)
    after = Process(shelf, clock)
    again = await after.ask()
    assert again.response is not None
    assert first.response is not None
    assert (again.response.body, after.asked) == (first.response.body, 0)
    assert again.response.age == pytest.approx(100.0)
    assert again.response.ttl == pytest.approx(800.0)


async def test_it_heals_after_a_restart() -> None:
    shelf, clock = Shelf(), ManualClock()
    await Process(shelf, clock).ask()
    clock.pass_time(1000.0)
    after = Process(shelf, clock)
    after.world.upstream.says("", said(500))
    healed = await after.ask()
    assert healed.healed
    assert healed.response is not None
    assert healed.response.fidelity.word == "stale"
    assert healed.response.age == pytest.approx(1000.0)


async def test_it_is_looked_for_once() -> None:
    shelf, clock = Shelf(), ManualClock()
    process = Process(shelf, clock)
    for _ in range(3):
        await process.ask()
        clock.pass_time(1000.0)
    assert (shelf.looks, process.asked) == (1, 3)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"body": b"<html>"},
        {"body": b'{"result": "success", "conversion_rates": {}}'},
        {"stored_at": timedelta(hours=1)},
    ],
    ids=["no json", "no data", "from the future"],
)
async def test_what_is_unfit_is_not_brought_back(spoilt: dict[str, Any]) -> None:
    shelf, clock = Shelf(), ManualClock()
    await Process(shelf, clock).ask()
    for resource, row in shelf.rows.items():
        changes = {**spoilt}
        if "stored_at" in changes:
            changes["stored_at"] = row.stored_at + spoilt["stored_at"]
        shelf.rows[resource] = replace(row, **changes)
    after = Process(shelf, clock)
    assert (await after.ask()).response is not None
    assert after.asked == 1


async def test_data_that_has_grown_too_old_meanwhile_may_heal_but_answers_nobody_by_itself() -> None:
    shelf, clock = Shelf(), ManualClock()
    fresh = {"cache_control": "max-age=86400"}
    before = Process(shelf, clock)
    truth = before.world.upstream.truth(before.world.url_of(before.world.call("yahoo_finance/quote")))
    before.world.upstream.says(
        "", replace(truth, headers={**truth.headers, "cache-control": "max-age=86400"})
    )
    await before.ask("yahoo_finance/quote")
    clock.pass_time(2 * 3600.0)
    after = Process(shelf, clock)
    after.world.upstream.says("", said(500, **fresh))
    healed = await after.ask("yahoo_finance/quote")
    assert healed.healed
    assert after.asked >= 1
    assert healed.response is not None
    assert healed.response.age == pytest.approx(7200.0)


async def test_neither_a_key_nor_a_question_can_be_read_there() -> None:
    shelf, clock = Shelf(), ManualClock()
    process = Process(shelf, clock)
    await process.ask("fred_api/observations")
    [row] = shelf.rows.values()
    told = repr(row)
    assert "canary" not in told
    assert len(row.key) == 32
    assert (row.source, row.endpoint, row.kind) == ("fred_api", "/observations", "macro")
    assert row.stale_until - row.fresh_until == timedelta(seconds=604_800)


def published(world: World, day: str) -> None:
    """From now on FRED speaks of this day."""
    call = world.call("fred_api/observations")
    truth = world.upstream.truth(world.url_of(call))
    body = re.sub(rb'("realtime_(?:start|end)": ?)"[^"]*"', rb'\1"%b"' % day.encode(), truth.body)
    world.upstream.says("", *[replace(truth, body=body)] * 10)


async def test_what_its_publisher_has_revised_is_not_brought_back() -> None:
    shelf, clock = Shelf(), ManualClock()
    process = Process(shelf, clock)
    ten, twenty = [
        process.world.call("fred_api/observations", "exact, stale", limit=limit) for limit in ("10", "20")
    ]
    published(process.world, "2026-03-01")
    await process.world.healer.answer(ten)
    await process.flush()
    published(process.world, "2026-03-02")
    await process.world.healer.answer(twenty)
    await process.flush()
    assert len(shelf.rows) == 1
    again = await process.world.healer.answer(ten)
    assert again.response is not None
    assert again.response.age is None


async def test_an_earlier_edition_is_not_brought_back_beside_a_later_one() -> None:
    shelf, clock = Shelf(), ManualClock()
    before, after = Process(shelf, clock), Process(shelf, clock)
    ten, twenty = [
        before.world.call("fred_api/observations", "exact, stale", limit=limit) for limit in ("10", "20")
    ]
    published(before.world, "2026-03-01")
    await before.world.healer.answer(ten)
    await before.flush()
    published(after.world, "2026-03-02")
    await after.world.healer.answer(twenty)
    again = await after.world.healer.answer(ten)
    assert again.response is not None
    assert (again.response.age, after.asked) == (None, 2)


async def test_what_turned_out_older_does_not_come_back_young() -> None:
    shelf, clock = Shelf(), ManualClock()
    before, after = Process(shelf, clock), Process(shelf, clock)
    await before.ask()
    before.world.parts.cache.date_back(before.world.call(RATES), 600.0)
    await before.flush()
    [row] = shelf.rows.values()
    assert row.stale_until > clock.now()
    again = await after.ask()
    assert again.response is not None
    assert (again.response.age, after.asked) == (None, 1)


async def test_what_is_forgotten_while_it_is_looked_for_is_not_brought_back() -> None:
    shelf, clock = Shelf(), ManualClock()
    await Process(shelf, clock).ask()
    after = Process(shelf, clock)
    shelf.turns = 5
    looking = asyncio.create_task(after.ask())
    await let_others_run(2)
    clock.pass_time(1.0)
    after.world.parts.cache.forget_all()
    await looking
    assert after.asked == 1


class TiredShelf(Shelf):
    """One that gives nothing while it has too much to do."""

    tired = True

    async def find(self, resource: bytes) -> CacheRow | None:
        row = await super().find(resource)
        return None if self.tired else row


async def test_what_the_second_layer_was_too_busy_to_give_heals_later() -> None:
    shelf, clock = TiredShelf(), ManualClock()
    await Process(shelf, clock).ask()
    clock.pass_time(1000.0)
    after = Process(shelf, clock)
    after.world.upstream.says("", said(500), said(500), said(500))
    in_vain = [(await after.ask()).healed for _ in range(2)]
    looks = shelf.looks
    shelf.tired = False
    clock.pass_time(1.0)
    assert (in_vain, looks) == ([False, False], 2)  # one of the process before
    assert (await after.ask()).healed
