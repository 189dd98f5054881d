"""A first attempt is slower than usual: the same is asked of another host, and the first good answer wins."""

import asyncio
from typing import Any

import pytest
from tests.clock import FlowingClock
from tests.eventually import eventually
from tests.world import TRUTH, Held, World, said

from autonomous_healing.endpoint_healing.call import Call, FailedCall, Response
from autonomous_healing.endpoint_healing.fetch import FetchFailed
from autonomous_healing.endpoint_healing.hedging import Hedger
from autonomous_healing.resilience import BreakerState

CHART, PLACE = "/api/yahoo/chart/AAPL", "yahoo_finance/chart"
FIRST, SECOND = "query1", "query2"

#: Seconds that a good answer usually takes here.
USUAL = 0.02


class Source:
    """Yahoo with its two hosts; `firsts` calls were asked for lately, and it is known what is usual."""

    def __init__(self, firsts: int = 95, usual: float = USUAL, known: int = 1000, **how: Any) -> None:
        self.world = World(clock=FlowingClock(), **how)
        self.endpoint = self.world.endpoint(PLACE)
        self.window = self.world.admission.window(self.endpoint)
        self.window.record_successes([usual] * known)
        self.budget = self.world.admission.limits(self.endpoint.source).budget
        self.budget.count_first(firsts)
        self.hedger = Hedger(self.world.fetcher, self.world.clock, self.world.settings)

    def call(self, **changes: Any) -> Call:
        call = self.world.call(PLACE)
        return Call(**{**{name: getattr(call, name) for name in call.__slots__}, **changes})

    async def asked(self, call: Call | None = None) -> Response | str:
        """A first attempt, or why it failed."""
        try:
            return await self.hedger.fetch(call or self.call())
        except FetchFailed as failed:
            return failed.failure.message

    @property
    def hosts(self) -> list[str]:
        return [one.url.split("/")[2].split(".")[0] for one in self.world.upstream.asked]

    def slots(self) -> list[int]:
        return [
            self.world.fetcher.flows.of(self.endpoint, host).slots.in_flight
            for host in self.endpoint.source.hosts
        ]


async def test_the_other_host_answers_and_the_first_is_let_go() -> None:
    source, held = Source(), Held(TRUTH)
    source.world.upstream.says(FIRST, held)
    answer = await source.asked()
    assert isinstance(answer, Response)
    assert (answer.host, source.hosts) == ("https://query2.finance.yahoo.com", [FIRST, SECOND])
    assert held.cancelled
    assert source.slots() == [0, 0]


async def test_what_was_let_go_is_slow_and_neither_good_nor_bad() -> None:
    source = Source(known=20)
    before = source.window.p95_seconds()
    for _ in range(2):
        source.world.upstream.says(FIRST, Held(TRUTH))
        await source.asked()
    health, usual = source.window.read(), source.window.p95_seconds()
    assert (health.total, health.failed) == (22, 0)
    assert [one.state for one in source.world.admission.breakers()] == [BreakerState.CLOSED] * 2
    assert before is not None
    assert usual is not None
    assert usual > before


async def test_a_user_feels_nothing_of_it() -> None:
    source, held = Source(), Held(TRUTH)
    source.world.upstream.says(FIRST, held)
    reply = await source.world.get(CHART)
    assert (reply.status, reply.headers) == (200, {})
    assert source.hosts == [FIRST, SECOND]
    assert source.world.reports == []


async def test_the_first_may_still_win() -> None:
    source = Source()
    slow, slower = Held(TRUTH), Held(TRUTH)
    source.world.upstream.says(FIRST, slow)
    source.world.upstream.says(SECOND, slower)
    asking = asyncio.create_task(source.asked())
    await eventually(lambda: slower.asked)
    slow.let_go()
    answer = await asking
    assert isinstance(answer, Response)
    assert answer.host == "https://query1.finance.yahoo.com"
    assert slower.cancelled
    assert source.slots() == [0, 0]


async def test_one_that_fails_leaves_the_other_its_time() -> None:
    source, held = Source(), Held(TRUTH)
    source.world.upstream.says(FIRST, held)
    source.world.upstream.says(SECOND, said(503))
    asking = asyncio.create_task(source.asked())
    await eventually(lambda: len(source.hosts) == 2)
    await eventually(lambda: source.slots() == [1, 0])
    held.let_go()
    answer = await asking
    assert isinstance(answer, Response)
    assert (answer.host, source.window.read().failed) == ("https://query1.finance.yahoo.com", 1)


async def test_a_late_failure_of_the_first_leaves_the_second_its_time() -> None:
    source, first, second = Source(), Held(said(500)), Held(TRUTH)
    source.world.upstream.says(FIRST, first)
    source.world.upstream.says(SECOND, second)
    asking = asyncio.create_task(source.asked())
    await eventually(lambda: second.asked)
    first.let_go()
    await eventually(lambda: source.slots() == [0, 1])
    second.let_go()
    assert isinstance(await asking, Response)


async def test_when_both_fail_the_first_says_why() -> None:
    source, held = Source(), Held(said(502))
    source.world.upstream.says(FIRST, held)
    source.world.upstream.says(SECOND, said(503))
    asking = asyncio.create_task(source.asked())
    await eventually(lambda: len(source.hosts) == 2)
    held.let_go()
    assert await asking == "HTTP 502"


async def test_who_leaves_takes_both_along() -> None:
    source, first, second = Source(), Held(TRUTH), Held(TRUTH)
    source.world.upstream.says(FIRST, first)
    source.world.upstream.says(SECOND, second)
    asking = asyncio.create_task(source.asked())
    await eventually(lambda: second.asked)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (first.cancelled, second.cancelled, source.slots()) == (True, True, [0, 0])


async def once(source: Source, call: Call | None = None) -> list[str]:
    """Who was asked until three times the usual has passed, and the first answers."""
    held = Held(TRUTH)
    source.world.upstream.says(FIRST, held)
    asking = asyncio.create_task(source.asked(call))
    await asyncio.wait({asking}, timeout=3 * USUAL)
    held.let_go()
    await asking
    return source.hosts


async def test_is_asked_once_where_it_is_switched_off() -> None:
    assert await once(Source(healing={"hedging": {"enabled": False}})) == [FIRST]


async def test_is_asked_once_before_it_is_known_what_is_usual() -> None:
    source = Source()
    source.world.clock.pass_time(3600.0)
    source.budget.count_first(100)
    assert await once(source) == [FIRST]


async def test_is_asked_once_where_healing_begins_first() -> None:
    source = Source(usual=6.0)
    assert source.hedger.due(source.endpoint) is None
    assert await once(source) == [FIRST]


async def test_is_asked_once_by_who_can_wait() -> None:
    source = Source()
    assert await once(source, source.call(batch=True)) == [FIRST]


async def test_is_asked_once_by_a_probe() -> None:
    source = Source()
    assert await once(source, source.call(origin="probe")) == [FIRST]


async def test_is_asked_once_where_there_is_one_host() -> None:
    source = Source(sources={"yahoo_finance": {"hosts": ("https://query1.finance.yahoo.com",)}})
    assert source.hedger.due(source.endpoint) is None
    assert await once(source) == [FIRST]


async def test_is_asked_once_while_the_other_host_fails() -> None:
    source = Source()
    breaker = source.world.admission.breaker(source.endpoint, source.endpoint.source.hosts[1])
    for _ in range(5):
        breaker.record_failure("API.SERVER_ERROR")
    source.world.clock.pass_time(40.0)  # the trial that is due by now is for others to make
    source.budget.count_first(95)
    left = source.budget.left()
    assert (await once(source), source.budget.left()) == ([FIRST], left)


async def test_is_asked_once_while_the_other_host_has_no_slot_left() -> None:
    source = Source()
    slots = source.world.fetcher.flows.of(source.endpoint, source.endpoint.source.hosts[1]).slots
    slots.in_flight = slots.limit
    left = source.budget.left()
    assert (await once(source), source.budget.left()) == ([FIRST], left)


async def test_is_asked_once_where_a_quota_is_used_to_four_fifths() -> None:
    quota = {"yahoo_finance": {"quota": ({"window": "hour", "limit": 100},)}}
    source = Source(sources=quota)
    ledger = source.world.admission.limits(source.endpoint.source).ledger
    for _ in range(79):
        ledger.charge()
    assert await once(source) == [FIRST]
    spare = Source(sources=quota)
    assert await once(spare) == [FIRST, SECOND]


async def test_is_asked_once_where_the_retry_budget_is_spent() -> None:
    source = Source()
    while source.budget.spend():
        pass
    assert await once(source) == [FIRST]


@pytest.mark.parametrize(("firsts", "seconds"), [(11, 0), (12, 1), (51, 2), (52, 3)])
async def test_at_most_a_twentieth_of_the_calls_is_made_twice(firsts: int, seconds: int) -> None:
    """With eight more, of which each is slow."""
    source = Source(firsts=firsts)
    for _ in range(8):
        await once(source)
    assert (source.hosts.count(FIRST), source.hosts.count(SECOND)) == (8, seconds)


async def test_it_is_charged_to_the_retry_budget_too() -> None:
    source = Source()
    left = source.budget.left()
    await once(source)
    assert source.hosts == [FIRST, SECOND]
    assert source.budget.left() == left - 1


async def test_what_waits_in_our_own_line_is_not_slow() -> None:
    source = Source(healing={"concurrency": {"start": 1}})
    slots = source.world.fetcher.flows.of(source.endpoint, source.endpoint.source.hosts[0]).slots
    slots.in_flight = slots.limit
    asking = asyncio.create_task(source.asked())
    await asyncio.wait({asking}, timeout=3 * USUAL)
    assert source.hosts == []
    slots.give_back()
    await asking
    assert source.hosts == [FIRST]


async def test_a_key_whose_terms_allow_it_is_another_way() -> None:
    world = World(clock=FlowingClock())
    call = world.call("fred_api/series")
    world.admission.window(call.endpoint).record_successes([USUAL] * 100)
    world.admission.limits(call.endpoint.source).budget.count_first(100)
    held = Held(TRUTH)
    world.upstream.says("https", held, TRUTH)
    answer = await Hedger(world.fetcher, world.clock, world.settings).fetch(call)
    assert isinstance(answer, Response)
    first, second = (one.query["api_key"] for one in world.upstream.asked)
    assert first != second
    assert held.cancelled


async def test_a_first_attempt_that_is_slow_already_can_be_handed_in() -> None:
    source, held = Source(), Held(TRUTH)
    source.world.upstream.says(FIRST, held)
    sent: list[Any] = []
    call = source.call()
    first = source.world.fetcher.fetch(call, tell=sent.append)
    running = asyncio.create_task(first)
    await eventually(lambda: held.asked)

    async def awaited() -> Response:
        return await running

    answer = await source.hedger.second(call, awaited(), sent[0])
    assert (answer.host, held.cancelled) == ("https://query2.finance.yahoo.com", True)


async def test_a_second_call_that_brings_nothing_leaves_the_rest_to_healing() -> None:
    source = Source(healing={"in_request_retries": 0})
    held = Held(said(500))
    source.world.upstream.says(FIRST, held)
    source.world.upstream.says(SECOND, said(503))
    asking = asyncio.create_task(source.world.get(CHART, healing_allow="exact"))
    await eventually(lambda: len(source.hosts) == 2)
    held.let_go()
    reply = await asking
    [report] = source.world.reports
    assert isinstance(report.case, FailedCall)
    assert (reply.status, report.case.failure.message) == (500, "HTTP 500")
    assert len(source.hosts) <= 3  # one question never costs its source more than three calls
