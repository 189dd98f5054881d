"""More callers at once than a source's host has connections: they wait, and those too many blame nobody."""

import asyncio

from tests.eventually import eventually
from tests.lanes import Held, said, street
from tests.wire_origins import on_uvloop

from autonomous_healing.endpoint_healing.codes import Blame
from autonomous_healing.resilience import BreakerState

CHART, PLACE = "/api/yahoo/chart/AAPL?range=5d", "yahoo_finance/chart"
UPSTREAM = b"/v8/finance/chart/AAPL?interval=1d&range=5d"


@on_uvloop
async def test_a_rush_beyond_all_waiting_room_moves_no_window_and_opens_no_circuit() -> None:
    narrow = {"connections_per_host": 1, "concurrency": {"queue": 2}, "in_request_retries": 0}
    async with street("yahoo_finance", healing=narrow) as here:
        held = Held(said(here.provider.truth(UPSTREAM)))
        here.provider.turns.append(held)
        callers = [asyncio.create_task(here.ask(CHART))]
        await eventually(held.has_come)
        callers += [asyncio.create_task(here.ask(CHART)) for _ in range(19)]
        await eventually(lambda: sum(caller.done() for caller in callers) == 17)
        held.let_go()
        answers = await asyncio.gather(*callers)
        health = here.house.health(PLACE)
        breaker = here.house.breaker(PLACE)
    assert sorted(answer.status for answer in answers) == [200] * 3 + [503] * 17
    assert (health.failed, breaker.state) == (0, BreakerState.CLOSED)
    assert {one.case.failure.blame for one in here.house.reports} == {Blame.PROXY}
