"""A source fails under load: what that costs it, what its callers get, and how it comes back."""

import asyncio
import random
from collections import Counter
from itertools import cycle
from typing import Any

import pytest
from tests.clock import ManualClock
from tests.world import TRUTH, Turn, World, json_of, said

from autonomous_healing.proxy.provenance import Reply
from autonomous_healing.resilience import BreakerState

#: Callers in a second, each on a moment of its own.
RATE = 10

BASES = ("USD", "EUR", "GBP", "JPY", "CHF")

OUTAGE = 60

#: Neither circuit nor shedding: only the budget stands between callers and their source.
BARE = {"breaker": {"consecutive": 1000, "min_calls": 10_000}, "admission": {"min_calls": 10_000}}


class Load:
    """Callers of one source at a steady rate, on a clock that moves as the test says."""

    def __init__(self, **healing: Any) -> None:
        self.clock = ManualClock()
        self.world = World(healing={"max_retry_attempts": 3, **healing}, clock=self.clock)
        self.asking: list[asyncio.Task[Reply]] = []
        self.calls: Counter[int] = Counter()  #: to the source, by second
        self._paths = cycle(f"/api/exchange-rate/latest/{base}" for base in BASES)

    async def go_on(self, seconds: float, **headers: str) -> list[Reply]:
        """So many seconds of load; what the callers of that time got."""
        began = len(self.asking)
        for _ in range(round(seconds * RATE)):
            self.asking.append(asyncio.create_task(self.world.get(next(self._paths), **headers)))
            before = len(self.world.upstream.asked)
            await self.clock.advance(1 / RATE)
            self.calls[int(self.clock.monotonic())] += len(self.world.upstream.asked) - before
        own = self.asking[began:]
        while not all(one.done() for one in own):
            await self.clock.advance(0.05)
        return [one.result() for one in own]

    @property
    def breaker(self) -> BreakerState:
        [breaker] = self.world.admission.breakers()
        return breaker.state


@pytest.mark.parametrize("bare", [False, True], ids=["as it is", "budget alone"])
@pytest.mark.parametrize("turn", [said(503), said(429), said(500)], ids=["503", "429", "500"])
async def test_an_outage_of_a_minute_costs_at_most_a_fifth_more_calls(turn: Turn, bare: bool) -> None:
    load = Load(**(BARE if bare else {}))
    await load.go_on(10)
    before = len(load.world.upstream.asked)
    load.world.upstream.says("https", turn)
    await load.go_on(OUTAGE)
    cost = len(load.world.upstream.asked) - before
    await load.world.healer.stop()
    assert cost <= 1.2 * RATE * OUTAGE


async def test_extra_calls_never_reach_a_tenth_of_the_last_ten_seconds_calls() -> None:
    load = Load(**BARE)
    load.world.upstream.says("https", said(503))
    await load.go_on(30)
    firsts = 30 * RATE
    extra = len(load.world.upstream.asked) - firsts
    await load.world.healer.stop()
    assert 0 < extra < 0.1 * firsts


async def test_callers_get_the_copy_and_the_circuit_opens_within_two_seconds() -> None:
    load = Load()
    await load.go_on(10)
    load.world.upstream.says("https", said(503))
    told = await load.go_on(2)
    assert load.breaker is BreakerState.OPEN
    told += await load.go_on(10)
    await load.world.healer.stop()
    assert {one.status for one in told} == {200}


async def test_while_it_is_out_there_is_one_trial_at_a_time_and_no_burst_when_it_is_back() -> None:
    load = Load()
    await load.go_on(10)
    load.world.upstream.says("https", said(503))
    await load.go_on(OUTAGE)
    calm = {second: calls for second, calls in load.calls.items() if 14 <= second < 70}
    assert max(calm.values()) <= 1
    load.world.upstream.says("https", TRUTH)
    back = int(load.clock.monotonic())
    told = await load.go_on(2 * 66)  # two openings of up to 66 s
    await load.world.healer.stop()
    assert load.breaker is BreakerState.CLOSED
    assert told[-1].headers == {}
    after = [calls for second, calls in load.calls.items() if second >= back]
    assert max(after) <= 2 * RATE


async def test_with_nothing_to_give_it_is_told_when_to_come_back() -> None:
    load = Load()
    load.world.upstream.says("https", said(503))
    told = await load.go_on(20)
    await load.world.healer.stop()
    assert {one.status for one in told} == {503}
    assert all(1 <= int(one.headers["Retry-After"]) <= 33 for one in told)
    assert json_of(told[-1])["code"] == "API.SERVER_ERROR"


def by_chance(count: int, share: float = 0.5, seed: int = 20260301) -> list[Turn]:
    """That share of all answers is a 500."""
    rng = random.Random(seed)
    return [said(500) if rng.random() < share else TRUTH for _ in range(count)]


async def test_three_attempts_find_seven_of_eight_answers_where_half_of_them_fail() -> None:
    settings = {**BARE, "retry_budget": {"ratio": 1.0, "floor": 100}, "max_retry_attempts": 0}
    world, told = World(healing=settings), Counter[int]()
    world.upstream.says("https", *by_chance(10_000))
    for _ in range(3000):
        world.clock.pass_time(1000.0)  # no copy is young enough to be exact
        told[(await world.get("/api/exchange-rate/latest/USD", healing_allow="exact")).status] += 1
    assert told[200] / told.total() >= 0.87
    assert len(world.upstream.asked) <= 3 * told.total()


async def test_copies_answer_where_half_of_all_answers_fail_and_the_source_is_hardly_asked_more() -> None:
    load = Load()
    await load.go_on(5)
    before = len(load.world.upstream.asked)
    load.world.upstream.says("https", *by_chance(20_000))
    told = await load.go_on(100)
    calls = len(load.world.upstream.asked) - before
    await load.world.healer.stop()
    statuses = Counter(one.status for one in told)
    assert statuses[200] / len(told) >= 0.999
    assert calls <= 1.1 * len(told)


#: A fifth of all answers fail: too few for the circuit, too many for a source that is well.
SHAKY: Any = {"in_request_retries": 0, "max_retry_attempts": 0, "breaker": {"consecutive": 100}}


async def test_a_shaky_source_is_asked_less_and_its_copies_answer_for_it() -> None:
    load = Load(**SHAKY)
    await load.go_on(5)
    before = len(load.world.upstream.asked)
    load.world.upstream.says("https", *by_chance(5000, 0.2))
    told = await load.go_on(120)
    calls = len(load.world.upstream.asked) - before
    refused = [one for one in load.world.reports if one.case.failure.refused]
    health = load.world.admission.window(load.world.endpoint("exchange_rate_api/latest")).read()
    assert {one.status for one in told} == {200}
    assert 0.80 <= calls / len(told) <= 0.92  # about 16 % are not made, once the trouble is known
    assert {one.case.failure.refused for one in refused} == {"API.SERVER_ERROR"}
    assert all(one.strategy == "use_cached_data" for one in refused)
    assert load.breaker is BreakerState.CLOSED
    assert health.failed / health.total == pytest.approx(
        0.2, abs=0.05
    )  # what was not asked counts for nothing


async def test_what_is_left_out_at_one_host_is_not_asked_of_the_other() -> None:
    world = World(healing={**SHAKY, "retry_budget": {"floor": 100}}, clock=ManualClock())
    chart = "/api/yahoo/chart/AAPL"
    await world.get(chart)
    world.upstream.says("https", *by_chance(5000, 0.3))
    left_out = 0
    for _ in range(200):
        world.clock.pass_time(0.1)
        asked = len(world.upstream.asked)
        reply = await world.get(chart, healing_allow="exact")
        if "Healing-Trail" not in reply.headers or not world.trail(reply)["failure"]["refused"]:
            continue
        left_out += 1
        assert len(world.upstream.asked) == asked
        rejected = {one["strategy"]: one["reason"] for one in world.trail(reply)["rejected"]}
        assert rejected["yahoo_alternate_endpoint"] == "its source is in trouble, and spared"
    assert left_out > 5


async def test_of_a_shaky_source_those_who_can_wait_are_refused_first() -> None:
    load = Load(**SHAKY, retry_budget={"floor": 0, "ratio": 0.0})
    load.world.upstream.says("https", *by_chance(5000, 0.2))
    await load.go_on(10)
    refused = {"": 0, "u=6": 0}
    for _ in range(60):
        for priority in refused:
            before = len(load.world.upstream.asked)
            await load.go_on(0.5, healing_allow="none", **({"priority": priority} if priority else {}))
            refused[priority] += 5 - (len(load.world.upstream.asked) - before)
    await load.world.healer.stop()
    assert refused["u=6"] > 50
    assert refused[""] < refused["u=6"] / 5


async def test_one_failure_is_healed_by_one_retry_after_a_short_random_wait() -> None:
    world = World()
    waits = []
    for base in ("USD", "EUR", "GBP"):
        world.clock.pass_time(10.0)  # the retry budget of a quiet source returns
        world.upstream.says(base, said(500), TRUTH)
        start = world.clock.monotonic()
        reply = await world.get(f"/api/exchange-rate/latest/{base}")
        assert reply.headers["Healing-Strategy"] == "exponential_backoff_retry"
        waits.append(world.clock.monotonic() - start)
    assert len(world.upstream.asked) == 6
    assert all(0.0 < wait <= 0.2 for wait in waits)
    assert len(set(waits)) == 3


async def test_nothing_is_sent_before_the_time_that_an_outage_names() -> None:
    load = Load(max_retry_attempts=0)
    load.world.upstream.says("https", said(503, "", retry_after="2"), TRUTH)
    asking = asyncio.create_task(load.world.get("/api/exchange-rate/latest/USD"))
    await load.clock.advance(1.0)
    other = await load.world.get("/api/exchange-rate/latest/EUR")
    assert (len(load.world.upstream.asked), other.status, other.headers["Retry-After"]) == (1, 503, "1")
    await load.clock.advance(1.0)
    reply = await asking
    assert (reply.status, reply.headers["Healing-Strategy"]) == (200, "exponential_backoff_retry")
    assert load.clock.monotonic() == 2.0


async def test_an_hour_s_outage_is_not_disturbed_for_an_hour() -> None:
    load = Load()
    await load.go_on(1)
    before = len(load.world.upstream.asked)
    load.world.upstream.says("https", said(503, "", retry_after="3600"), TRUTH)
    told = await load.go_on(5)
    assert len(load.world.upstream.asked) - before == 1
    assert {one.status for one in told} == {200}
    load.clock.pass_time(3600.0)
    assert (await load.world.get("/api/exchange-rate/latest/USD")).headers == {}
    await load.world.healer.stop()
