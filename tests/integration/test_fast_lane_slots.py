"""The short way keeps to the slots of a host: it takes one where one is free, and gives each back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.clock import FlowingClock
from tests.eventually import eventually
from tests.lanes import WISH, Held, Street, request, said, street
from tests.wire_origins import Asked, Cut, Said, on_uvloop

from autonomous_healing.endpoint_healing.concurrency import Slots
from autonomous_healing.resilience import BreakerState

LATEST, PLACE = "/api/exchange-rate/latest/USD", "exchange_rate_api/latest"
PAIR = "/api/exchange-rate/pair/USD/EUR"
UPSTREAM = b"/v6/key/latest/USD"
CHART, CHARTS = "/api/yahoo/chart/AAPL?range=5d", "yahoo_finance/chart"

#: Nobody asks a second time.
ONCE = {"in_request_retries": 0}

#: One call at a time.
ONE: dict[str, Any] = {"start": 1, "max": 1}
ALONE = {**ONCE, "concurrency": ONE}


def slots(here: Street, place: str = PLACE) -> Slots:
    endpoint = here.house.endpoint(place)
    return here.house.parts.fetcher.flows.of(endpoint, endpoint.source.hosts[0]).slots


def good(here: Street) -> bytes:
    return said(here.provider.truth(UPSTREAM))


async def cut(asked: Asked) -> None:
    await asked.line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    raise Cut("the end of it")


async def gone(asked: Asked) -> None:
    raise Cut("the end of it")


ENDINGS: dict[str, Any] = {
    "bad data": said(b"<html></html>"),
    "a fault": said(b"{}", status=b"500 Oops"),
    "a caller's mistake": said(b"{}", status=b"404 Not Found"),
    "redirect": said(b"", b"Location: /", status=b"302 Found"),
    "cut": cut,
    "gone": gone,
}


@pytest.mark.parametrize("ending", ENDINGS)
@on_uvloop
async def test_a_slot_is_given_back_whatever_the_end(ending: str) -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        here.provider.turns.append(ENDINGS[ending])
        await here.ask(LATEST)
        assert slots(here).in_flight == 0


@on_uvloop
async def test_a_slot_is_held_from_the_question_to_its_answer() -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        for _ in range(3):
            held = Held(good(here))
            here.provider.turns.append(held)
            asking = asyncio.create_task(here.ask(LATEST))
            await eventually(held.has_come)
            assert slots(here).in_flight == 1
            held.let_go()
            assert (await asking).status == 200
            assert slots(here).in_flight == 0
        assert here.house.proxy.handled == []


@pytest.mark.parametrize("whole", [True, False])
@on_uvloop
async def test_a_slot_is_held_until_a_stream_has_ended(whole: bool) -> None:
    body = b"[" + b" " * 3_000_000 + b"]"

    async def stream(asked: Asked) -> None:
        await asked.line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body[:2_000_000])
        if whole:
            await asked.line.send(body[2_000_000:])
        else:
            raise Cut("the end of it")

    async with street("yahoo_finance", healing=ONCE) as here:
        here.provider.turns.append(stream)
        async with here.house.line() as line:
            await line.send(request(CHART))
            if whole:
                assert (await line.answer()).body == body
            else:
                await line.until(b"\r\n\r\n")
                assert slots(here, CHARTS).in_flight == 1
                await eventually(line.ended)
        await eventually(lambda: slots(here, CHARTS).in_flight == 0)


@on_uvloop
async def test_who_leaves_gives_the_slot_back() -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        held = Held(good(here))
        here.provider.turns.append(held)
        async with here.house.line() as line:
            await line.send(request(LATEST))
            await eventually(held.has_come)
            assert slots(here).in_flight == 1
        await eventually(lambda: slots(here).in_flight == 0)
        held.let_go()


@pytest.mark.parametrize("comes", [True, False])
@on_uvloop
async def test_what_is_late_holds_its_slot_until_it_comes_or_its_time_is_up(comes: bool) -> None:
    impatient = {**ONCE, "soft_timeout": {"min": 0.05, "max": 0.05}, "request_deadline": 0.5}
    async with street("exchange_rate_api", FlowingClock(), healing=impatient) as here:
        held = Held(good(here))
        here.provider.turns.append(held)
        asking = asyncio.create_task(here.ask(LATEST))
        await eventually(lambda: held.has_come(0.1))
        assert slots(here).in_flight == 1
        if comes:
            held.let_go()
        assert (await asking).status == (200 if comes else 503)
        await eventually(lambda: slots(here).in_flight == 0)


@asynccontextmanager
async def a_busy_street(**healing: Any) -> AsyncIterator[tuple[Street, Held]]:
    """Its one slot is taken until its answer is let go."""
    async with street("exchange_rate_api", healing={**ALONE, **healing}) as here:
        held = Held(good(here))
        here.provider.turns.append(held)
        first = asyncio.create_task(here.ask(LATEST))
        await eventually(held.has_come)
        try:
            yield here, held
        finally:
            held.let_go()
            await first
            assert slots(here).in_flight == 0


async def come(here: Street, *paths: str, **headers: Any) -> list["asyncio.Task[Said]"]:
    """So many more clients, one after the other."""
    clients = []
    for path in paths:
        before = here.house.server.in_flight
        clients.append(asyncio.create_task(here.ask(path, **headers)))
        await eventually(lambda: here.house.server.in_flight > before)  # noqa: B023
    return clients


@on_uvloop
async def test_who_finds_no_slot_waits_for_one_on_the_short_way() -> None:
    async with a_busy_street() as (here, held):
        others = await come(here, PAIR, LATEST)
        assert len(here.origin.asked) == 1
        held.let_go()
        told = await asyncio.gather(*others)
        paths = [one.target.split(b"/")[3] for one in here.origin.asked]
    assert [one.status for one in told] == [200, 200]
    assert (paths, here.house.proxy.handled) == ([b"latest", b"pair", b"latest"], [])


@on_uvloop
async def test_who_waits_for_long_does_so_on_the_ordinary_way() -> None:
    async with a_busy_street() as (here, held):
        [other] = await come(here, PAIR)
        assert here.house.proxy.handled == []
        await eventually(lambda: here.house.proxy.handled == [PAIR])
        assert len(here.origin.asked) == 1
        held.let_go()
        assert (await other).status == 200


@on_uvloop
async def test_who_leaves_the_line_leaves_its_place_to_others() -> None:
    async with a_busy_street(concurrency={**ONE, "queue": 1}) as (here, held):
        async with here.house.line() as line:
            await line.send(request(PAIR))
            await eventually(lambda: here.house.server.in_flight == 2)
        await eventually(lambda: here.house.server.in_flight == 1)
        [other] = await come(here, LATEST)
        held.let_go()
        assert (await other).status == 200
        assert [one.target.split(b"/")[3] for one in here.origin.asked] == [b"latest", b"latest"]
        assert here.house.proxy.handled == []


@on_uvloop
async def test_who_finds_the_line_full_is_told_so() -> None:
    async with a_busy_street(concurrency={**ONE, "queue": 1}) as (here, held):
        [other] = await come(here, PAIR)
        told = await here.ask("/api/exchange-rate/latest/EUR")
        assert (told.status, told.all("retry-after")) == (503, ["1"])
        held.let_go()
        assert (await other).status == 200


@on_uvloop
async def test_who_waits_shares_the_call_that_another_has_begun() -> None:
    async with a_busy_street(cache={"coalesce": True, "serve_fresh": False}) as (here, held):
        again = Held(said(here.provider.truth(b"/v6/key/pair/USD/EUR")))
        here.provider.turns.append(again)
        others = await come(here, PAIR, PAIR, PAIR)
        held.let_go()
        await eventually(again.has_come)
        again.let_go()
        told = await asyncio.gather(*others)
    assert [one.status for one in told] == [200] * 3
    assert len(here.origin.asked) == 2


@on_uvloop
async def test_who_waits_gets_the_copy_that_has_come_meanwhile() -> None:
    async with a_busy_street(cache={"coalesce": False, "serve_fresh": True}) as (here, held):
        others = await come(here, LATEST, LATEST)
        held.let_go()
        told = await asyncio.gather(*others)
    assert [one.status for one in told] == [200] * 2
    assert len(here.origin.asked) == 1


@on_uvloop
async def test_a_circuit_that_opens_sends_those_who_wait_the_ordinary_way() -> None:
    async with a_busy_street() as (here, held):
        [other] = await come(here, PAIR)
        for _ in range(5):
            here.house.breaker("exchange_rate_api/pair").record_failure("API.SERVER_ERROR")
        held.let_go()
        assert (await other).status == 503
        assert here.house.proxy.handled == [PAIR]


@on_uvloop
async def test_forty_who_wait_are_all_served() -> None:
    async with a_busy_street() as (here, held):
        bases = ("USD", "EUR", "GBP", "JPY", "CHF", "SEK", "NOK", "DKK", "AUD", "CAD")
        paths = [f"/api/exchange-rate/pair/USD/{base}" for base in bases * 4]
        others = [asyncio.create_task(here.ask(path)) for path in paths]
        await eventually(lambda: here.house.server.in_flight == 41)
        held.let_go()
        told = await asyncio.gather(*others)
    assert {one.status for one in told} == {200}
    assert here.house.proxy.handled == []


@on_uvloop
async def test_who_can_wait_waits_until_callers_have_been_served() -> None:
    async with a_busy_street() as (here, held):
        batch = await come(here, "/api/exchange-rate/latest/EUR", priority="u=6")
        caller = await come(here, PAIR)
        held.let_go()
        told = await asyncio.gather(*batch, *caller)
        paths = [one.target.split(b"/")[3:] for one in here.origin.asked]
    assert [one.status for one in told] == [200, 200]
    assert paths == [[b"latest", b"USD"], [b"pair", b"USD", b"EUR"], [b"latest", b"EUR"]]


@on_uvloop
async def test_who_can_wait_goes_the_ordinary_way_and_who_cannot_the_short_one() -> None:
    async with street("exchange_rate_api") as here:
        for priority in ("u=1", "u=3, i", "i"):
            await here.ask(LATEST, priority=priority)
        assert here.house.proxy.handled == []
        await here.ask(LATEST, priority="u=5")
        assert here.house.proxy.handled == [LATEST]


@on_uvloop
async def test_good_answers_make_room_as_they_are_counted() -> None:
    async with street("exchange_rate_api") as here, here.house.line() as line:
        for _ in range(30):
            await line.send(request(LATEST))
            await line.answer()
        assert slots(here).limit == 8
        here.house.path.count()
        assert slots(here).limit == 11


@on_uvloop
async def test_a_fault_takes_slots() -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        here.provider.turns.append(said(b"{}", status=b"500 Oops"))
        await here.ask(LATEST)
        assert slots(here).limit == 5


def in_trouble(here: Street) -> None:
    """Its source has failed for three seconds."""
    endpoint = here.house.endpoint(PLACE)
    flow = here.house.parts.fetcher.flows.of(endpoint, endpoint.source.hosts[0])
    for _ in range(30):
        flow.shedding.record_failed("API.SERVER_ERROR")
        here.clock.pass_time(0.1)
    assert flow.is_spared


@on_uvloop
async def test_of_a_source_in_trouble_some_are_healed_unasked_and_some_go_the_short_way_still() -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        good = await here.ask(LATEST)
        here.clock.pass_time(1000.0)
        in_trouble(here)
        told = []
        for _ in range(60):
            here.clock.pass_time(0.01)
            told.append(await here.ask(LATEST))
        asked, health = len(here.origin.asked) - 1, here.house.health(PLACE)
    healed = [one for one in told if one.all("healing-status") == ["healed"]]
    assert {bytes(one.body) for one in healed} == {good.body}
    assert here.house.proxy.handled == []
    assert 20 <= len(healed) <= 58
    assert asked == 60 - len(healed)
    assert (health.failed, health.felt["stale"]) == (0, len(healed))


@on_uvloop
async def test_of_a_source_in_trouble_nothing_is_fetched_ahead() -> None:
    kept = {"coalesce": True, "serve_fresh": True}
    async with street("exchange_rate_api", healing={**ONCE, "cache": kept}) as here:
        for _ in range(5):
            await here.ask(LATEST)
        here.clock.pass_time(840.0)  # nearly over, and asked for often
        in_trouble(here)
        await here.ask(LATEST)
        assert len(here.origin.asked) == 1


@pytest.mark.parametrize("headers", [{}, {"healing_allow": WISH}], ids=["short", "ordinary"])
@on_uvloop
async def test_failures_among_many_good_answers_that_are_not_counted_yet_open_no_circuit(
    headers: dict[str, Any],
) -> None:
    """The good ones are counted ten times a second; here, not once."""
    async with street("exchange_rate_api", healing=ONCE) as here:
        for _ in range(6):
            for _ in range(10):
                await here.ask(LATEST)
            here.provider.turns.append(said(b"{}", status=b"500 Oops"))
            await here.ask(LATEST, **headers)
        assert here.house.breaker(PLACE).state is BreakerState.CLOSED
        assert here.house.health(PLACE).failed == 6
