"""What one source does to its callers it does to nobody else's."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from tests.clock import FlowingClock
from tests.eventually import CLOCK, eventually
from tests.lanes import House, Provider, host, house
from tests.wire_origins import Asked, RawOrigin, listening, on_uvloop

from autonomous_healing.resilience import BreakerState

ILL, WELL = "exchange_rate_api", "fred_api"
ILL_PATH, WELL_PATH = "/api/exchange-rate/latest/USD", "/api/fred/series?series_id=DGS10"

#: Seconds that an answer usually takes, and that callers wait at most.
USUAL, DEADLINE = 0.02, 2.0


@dataclass(kw_only=True, slots=True)
class Town:
    """A house, a source that does as the test says, and one that is well."""

    share_slow: float  #: of the ill one's answers
    house: House = field(init=False)
    ill: RawOrigin = field(init=False)
    well: RawOrigin = field(init=False)

    async def visits(self, count: int) -> None:
        """The one that is well answers, one question after the other."""
        for _ in range(count):
            assert (await self.house.ask(WELL_PATH)).status == 200


@asynccontextmanager
async def town(share_slow: float, times_slower: float) -> AsyncIterator[Town]:
    """That share of the ill one's answers takes so many times as long as is usual."""
    here = Town(share_slow=share_slow)
    clock, rng = FlowingClock(), random.Random(20260301)
    truth = {name: Provider(name, clock) for name in (ILL, WELL)}

    async def dawdle(asked: Asked) -> None:
        slow = rng.random() < here.share_slow
        await CLOCK.sleep(USUAL * (times_slower if slow else 1.0))
        await truth[ILL](asked)

    async with AsyncExitStack() as stack:
        here.ill = await stack.enter_async_context(listening(dawdle))
        here.well = await stack.enter_async_context(listening(truth[WELL]))
        sources = {ILL: {"hosts": (host(here.ill.port),)}, WELL: {"hosts": (host(here.well.port),)}}
        healing = {"request_deadline": DEADLINE, "in_request_retries": 0}
        here.house = await stack.enter_async_context(house(sources, healing=healing, clock=clock))
        yield here


@on_uvloop
async def test_slow_answers_of_a_third_keep_their_deadline_and_hold_up_no_other_source() -> None:
    async with town(share_slow=0.3, times_slower=10.0) as here:
        load = [asyncio.create_task(here.house.ask(ILL_PATH)) for _ in range(150)]
        await here.visits(50)
        told = [one.status for one in await asyncio.gather(*load)]
        breaker = here.house.breaker("exchange_rate_api/latest")
        health = here.house.health("exchange_rate_api/latest")
    assert set(told) <= {200, 503}
    assert told.count(200) >= 100  # of those who find a place in line
    assert (breaker.state, health.failed) == (BreakerState.CLOSED, 0)


@on_uvloop
async def test_a_source_that_never_answers_takes_no_slot_and_no_place_in_line_of_another() -> None:
    async with town(share_slow=1.0, times_slower=1000.0) as here:
        load = [asyncio.create_task(here.house.ask(ILL_PATH)) for _ in range(200)]
        await eventually(lambda: len(here.ill.asked) == 8 and here.house.server.in_flight >= 100)
        await here.visits(5)
        waiting = sum(not one.done() for one in load)
        told = {one.status for one in await asyncio.gather(*load)}
        asked = len(here.ill.asked)
    assert waiting > 0  # the other was answered meanwhile
    assert told == {503}
    assert asked <= 30  # eight at a time, and the circuit opens


@on_uvloop
async def test_answers_that_all_take_longer_cost_no_extra_call_and_no_circuit() -> None:
    """As if a provider had moved farther away: slower than usual, but sooner than healing begins."""
    async with town(share_slow=0.0, times_slower=10.0) as here:
        await asyncio.gather(*(here.house.ask(ILL_PATH) for _ in range(30)))
        here.share_slow = 1.0
        told = [await asyncio.gather(*(here.house.ask(ILL_PATH) for _ in range(8))) for _ in range(5)]
        breaker = here.house.breaker("exchange_rate_api/latest")
        reports, asked = here.house.reports, len(here.ill.asked)
    assert {one.status for many in told for one in many} == {200}
    assert (asked, reports, breaker.state) == (70, [], BreakerState.CLOSED)
