"""From a failed probe to a healing: diagnosis, then the coordinator, a few at a time and one per target."""

import asyncio
from contextlib import suppress

import pytest
from tests.clock import HurriedClock, let_others_run
from tests.world import TRUTH, Held, World, said

from autonomous_healing.agents import Belt, DiagnosedCall, DiagnosisAgent, HealingCoordinator
from autonomous_healing.agents.coordinator import CONCURRENCY
from autonomous_healing.endpoint_healing.call import FailedCall
from autonomous_healing.endpoint_healing.diagnosis import diagnose

PLACES = (
    "yahoo_finance/quote",
    "yahoo_finance/chart",
    "fred_api/series",
    "fred_api/observations",
    "polygon_io/v2/aggs",
    "polygon_io/v2/prev",
    "alpha_vantage/query",
    "exchange_rate_api/latest",
    "exchange_rate_api/pair",
)


class Line:
    """Diagnosis and coordinator behind one belt, over a scripted world."""

    def __init__(self) -> None:
        patient = {"retry_budget": {"floor": 100}, "breaker": {"consecutive": 100, "min_calls": 100}}
        self.world = World(clock=HurriedClock(), healing=patient)
        self.probed: Belt[FailedCall] = Belt("probed")
        self.diagnosed: Belt[DiagnosedCall] = Belt("diagnosed")
        clock = self.world.clock
        self.diagnosis = DiagnosisAgent(self.probed, self.diagnosed, self.world.healer, clock)
        self.coordinator = HealingCoordinator(self.diagnosed, self.world.healer, clock)

    async def failed(self, place: str, status: int = 503) -> FailedCall:
        self.world.upstream.says("http", said(status))
        return await self.world.failed(self.world.call(place, "exact, stale", "probe"))

    async def work_off(self, *failed: FailedCall) -> None:
        for one in failed:
            await self.probed.put(one)
        await self.probed.close()
        await asyncio.gather(self.diagnosis.run(), self.coordinator.run())


async def test_a_failed_probe_is_diagnosed_and_healed_and_the_line_ends() -> None:
    line = Line()
    failed = await line.failed("fred_api/series")
    line.world.upstream.says("http", TRUTH)

    await line.work_off(failed)

    [report] = line.world.reports
    assert (report.origin, report.diagnosis.code) == ("probe", "API.SERVER_ERROR")
    assert (report.healed, report.strategy) == (True, "exponential_backoff_retry")
    assert (line.diagnosis.processed, line.coordinator.processed) == (1, 1)


async def test_the_severity_is_the_endpoint_s_status_at_the_diagnosis() -> None:
    line = Line()
    failed = [await line.failed("fred_api/series") for _ in range(5)][-1]
    await line.probed.put(failed)
    await line.probed.close()
    await line.diagnosis.run()

    [diagnosed] = [item async for item in line.diagnosed]
    assert diagnosed.diagnosis.severity.value == "failed"


async def test_a_watched_question_that_is_itself_wrong_is_said_and_not_healed() -> None:
    line = Line()
    wrong = await line.failed("fred_api/series", status=404)
    assert diagnose(wrong.failure).code == "API.CALLER_ERROR"

    await line.work_off(wrong)

    assert line.world.reports == []
    assert line.diagnosis.last_error.startswith("the watched question itself is wrong: fred_api/series")


async def healing_at_once(line: Line, failed: list[FailedCall]) -> int:
    """How many questions reach providers while none of them is answered."""
    line.world.upstream.says("http", Held(TRUTH))
    for one in failed:
        await line.diagnosed.put(DiagnosedCall(one, diagnose(one.failure)))
    asked = len(line.world.upstream.asked)
    running = asyncio.create_task(line.coordinator.run())
    await let_others_run(200)
    at_once = len(line.world.upstream.asked) - asked
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return at_once


async def test_no_more_than_eight_are_healed_at_once() -> None:
    line = Line()
    failed = [await line.failed(place) for place in PLACES]
    assert CONCURRENCY == 8
    assert await healing_at_once(line, failed) == 8


@pytest.mark.parametrize("count", [2, 5])
async def test_one_target_is_healed_once_at_a_time(count: int) -> None:
    line = Line()
    failed = [await line.failed("fred_api/series") for _ in range(count)]
    other = await line.failed("exchange_rate_api/latest")
    assert await healing_at_once(line, [*failed, other]) == 2
