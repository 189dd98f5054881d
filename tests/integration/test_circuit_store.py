"""Circuits are known again after a restart, in a real PostgreSQL, whatever was done to the wall clock."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.clock import ManualClock

from autonomous_healing.database import Database
from autonomous_healing.endpoint_healing.catalog import build_endpoints, default_sources
from autonomous_healing.endpoint_healing.circuit_store import CircuitStore
from autonomous_healing.endpoint_healing.circuits import Circuits
from autonomous_healing.endpoint_healing.options import HealingSettings
from autonomous_healing.resilience import BreakerMemory, BreakerState, Force

ENDPOINTS = build_endpoints(default_sources())
CHART = next(one for one in ENDPOINTS if one.place == "yahoo_finance/chart")
FIRST, SECOND = CHART.source.hosts
HOUR = timedelta(hours=1)

OPEN = BreakerMemory(
    state=BreakerState.OPEN,
    openings=3,
    reason="API.TIMEOUT",
    opened_ago=10.0,
    seconds_left=80.0,
    reset_left=500.0,
)
FORCED = BreakerMemory(
    state=BreakerState.OPEN,
    openings=0,
    seconds_left=600.0,
    forced=Force.OPEN,
    forced_reason="their maintenance",
    forced_by="ann",
    forced_left=600.0,
)
SLOW = BreakerMemory(state=BreakerState.CLOSED, openings=1, steady_in=42.0)


class Life:
    """A product from a start to its end; the monotonic clock begins anew in each."""

    def __init__(self, database: Database, at: datetime) -> None:
        self.clock = ManualClock(at)
        self.circuits = Circuits(HealingSettings(), self.clock)
        self.store = CircuitStore(database, self.clock)

    async def end(self) -> datetime:
        """The wall clock when it is written down for the last time."""
        await self.store.save(self.circuits.memories())
        return self.clock.now()

    async def begin(self) -> None:
        self.circuits.restore(await self.store.load(), ENDPOINTS)


def now() -> datetime:
    return ManualClock().now()


@pytest.mark.parametrize("memory", [OPEN, FORCED, SLOW, replace(OPEN, state=BreakerState.HALF_OPEN)])
async def test_what_goes_in_comes_out_equal(database: Database, memory: BreakerMemory) -> None:
    store = CircuitStore(database, ManualClock())
    await store.save({"a target": memory})
    known = (await store.load())["a target"]
    opened = memory.opened_ago if memory.state is not BreakerState.CLOSED else 0.0
    assert known == replace(memory, opened_ago=opened)


async def test_what_is_plainly_closed_again_is_forgotten(database: Database) -> None:
    store = CircuitStore(database, ManualClock())
    await store.save({"a target": OPEN})
    await store.save({"a target": BreakerMemory(state=BreakerState.CLOSED, openings=0)})
    assert await store.load() == {}


async def test_a_circuit_stays_open_over_a_restart_and_no_longer(database: Database) -> None:
    before = Life(database, now())
    for _ in range(5):
        before.circuits.breaker(CHART, FIRST).record_failure("API.SERVER_ERROR")
    wait = before.circuits.breaker(CHART, FIRST).retry_after()
    ended = await before.end()
    after = Life(database, ended + timedelta(seconds=10))
    await after.begin()
    breaker = after.circuits.breaker(CHART, FIRST)
    assert (breaker.state, breaker.reason, breaker.openings) == (BreakerState.OPEN, "API.SERVER_ERROR", 1)
    assert breaker.retry_after() == pytest.approx(wait - 10.0, abs=0.01)
    assert after.circuits.breaker(CHART, SECOND).is_steady


@pytest.mark.parametrize("jump", [-24 * HOUR, -HOUR, HOUR, 24 * HOUR])
@pytest.mark.parametrize(("stated", "cap"), [(None, 33.0), (500.0, 500.0)])
async def test_a_wall_clock_that_was_set_keeps_no_circuit_open_for_longer(
    database: Database, jump: timedelta, stated: float | None, cap: float
) -> None:
    before = Life(database, now())
    for _ in range(5):
        before.circuits.breaker(CHART, FIRST).record_failure("API.RATE_LIMITED", stated)
    after = Life(database, await before.end() + jump)
    await after.begin()
    breaker = after.circuits.breaker(CHART, FIRST)
    assert breaker.retry_after() <= cap
    assert (breaker.retry_after() > 0) is (jump < timedelta(0))
    after.clock.pass_time(cap)
    assert breaker.allow()


@pytest.mark.parametrize("kind", list(Force))
@pytest.mark.parametrize("jump", [-HOUR, timedelta(0)])
async def test_an_operator_s_word_holds_over_a_restart_until_it_expires(
    database: Database, kind: Force, jump: timedelta
) -> None:
    before = Life(database, now())
    before.circuits.force(CHART, kind, seconds=600.0, reason="their maintenance", by="ann", host=SECOND)
    after = Life(database, await before.end() + jump)
    await after.begin()
    breaker = after.circuits.breaker(CHART, SECOND)
    [reading] = [one for one in after.circuits.readings() if one.host == SECOND]
    assert (reading.forced, reading.forced_reason, reading.forced_by) == (kind, "their maintenance", "ann")
    assert reading.forced_for == pytest.approx(600.0)
    assert after.circuits.choose_host(CHART) == (SECOND if kind is Force.PINNED else FIRST)
    assert breaker.allow() is (kind is not Force.OPEN)
    after.clock.pass_time(601.0)
    assert not breaker.is_forced()
    assert breaker.allow()


async def test_a_slow_start_goes_on_after_a_restart(database: Database) -> None:
    before = Life(database, now())
    breaker = before.circuits.breaker(CHART, FIRST)
    for _ in range(5):
        breaker.record_failure("API.TIMEOUT")
    before.clock.pass_time(40.0)
    for _ in range(2):
        assert breaker.allow()
        breaker.record_success(0.1)
    before.clock.pass_time(20.0)
    after = Life(database, await before.end())
    await after.begin()
    known = after.circuits.breaker(CHART, FIRST)
    assert known.share() == pytest.approx(breaker.share()) == pytest.approx(0.4)
    after.clock.pass_time(40.0)
    assert known.share() == 1.0
    assert known.is_steady


async def test_a_host_s_circuits_are_one_again_after_a_restart(database: Database) -> None:
    before = Life(database, now())
    quote = next(one for one in ENDPOINTS if one.place == "yahoo_finance/quote")
    for endpoint in (CHART, quote):
        for _ in range(5):
            before.circuits.breaker(endpoint, FIRST).record_failure("API.UNREACHABLE")
    assert [one.merged for one in before.circuits.readings()] == [True, True]
    after = Life(database, await before.end())
    await after.begin()
    assert [one.merged for one in after.circuits.readings() if one.host == FIRST] == [True, True]
    after.clock.pass_time(40.0)
    assert after.circuits.breaker(CHART, FIRST).allow()
    assert not after.circuits.breaker(quote, FIRST).allow()


async def test_what_happened_since_the_start_counts_more_than_what_was_written(database: Database) -> None:
    before = Life(database, now())
    before.circuits.force(CHART, Force.CLOSED, seconds=600.0, reason="a test", by="ann", host=FIRST)
    after = Life(database, await before.end())
    for _ in range(5):
        after.circuits.breaker(CHART, FIRST).record_failure("API.TIMEOUT")
    await after.begin()
    assert after.circuits.breaker(CHART, FIRST).state is BreakerState.OPEN
