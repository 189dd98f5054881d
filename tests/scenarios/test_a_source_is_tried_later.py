"""A caller had to be content with another answer: its source is tried again, to have a good copy later."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.clock import ManualClock, let_others_run
from tests.world import TRUTH, Held, Turn, World, no_answer, said, timed_out

from autonomous_healing.drills.twins import FaultKind
from autonomous_healing.endpoint_healing.background_retries import MOST_CHAINS, BackgroundRetries
from autonomous_healing.endpoint_healing.call import Failure, Response, Trouble
from autonomous_healing.endpoint_healing.diagnosis import diagnose
from autonomous_healing.endpoint_healing.upstream import Answer
from autonomous_healing.proxy.provenance import Reply

LATEST, PLACE = "/api/exchange-rate/latest/USD", "exchange_rate_api/latest"


class Later:
    """The Exchange Rate API on a clock that stands; nobody tries again while a caller waits."""

    def __init__(self, *turns: Turn, **healing: Any) -> None:
        settings = {
            "max_retry_attempts": 3,
            "in_request_retries": 0,
            "retry_budget": {"floor": 10},
            **healing,
        }
        self.clock = ManualClock()
        self.world = World(healing=settings, clock=self.clock)
        self.times: list[float] = []  #: at which the source was asked
        if turns:
            self.world.upstream.says("https", *turns)

    async def get(self, path: str = LATEST, **headers: str) -> Reply:
        return await self.world.get(path, **headers)

    async def asked_at(self, seconds: float = 60.0) -> list[float]:
        """When the source is asked in so many seconds from now."""
        start, times = self.clock.monotonic(), list[float]()
        before = len(self.world.upstream.asked)
        while self.clock.monotonic() < start + seconds:
            await self.clock.advance(0.25)
            times += [self.clock.monotonic() - start] * (len(self.world.upstream.asked) - before - len(times))
        return times


async def test_is_asked_again_after_one_two_and_four_seconds_and_then_left_alone() -> None:
    later = Later(said(503))
    assert (await later.get()).status == 503
    assert await later.asked_at() == [1.0, 3.0, 7.0]


async def test_the_caller_has_its_answer_before_that() -> None:
    later = Later(said(503))
    await later.get()
    assert (len(later.world.upstream.asked), later.clock.monotonic()) == (1, 0.0)


@pytest.mark.parametrize("fault", [said(500), timed_out(), no_answer()])
async def test_what_passes_by_itself_ends_it_and_fills_the_cache(fault: Turn) -> None:
    later = Later(fault, said(503), TRUTH)
    await later.get()
    assert await later.asked_at() == [1.0, 3.0]
    call = later.world.call(PLACE)
    copy = later.world.cache.last_good(call)
    assert copy is not None
    assert later.world.admission.window(call.endpoint).read().consecutive_failures == 0


async def test_how_often_and_when_is_as_it_is_set() -> None:
    later = Later(said(503), max_retry_attempts=2, exponential_backoff_base=0.5, backoff_factor=4.0)
    await later.get()
    assert await later.asked_at() == [0.5, 2.5]


async def test_is_not_asked_again_where_that_is_set_to_nothing() -> None:
    later = Later(said(503), max_retry_attempts=0)
    await later.get()
    assert await later.asked_at() == []


async def test_those_who_ask_the_same_have_one_chain_of_tries() -> None:
    later = Later(said(503), breaker={"consecutive": 100})
    for _ in range(5):
        await later.get()
    assert await later.asked_at() == [1.0, 3.0, 7.0]


async def test_each_question_has_its_own() -> None:
    later = Later(said(503), breaker={"consecutive": 100})
    await later.get()
    await later.get("/api/exchange-rate/latest/EUR")
    assert await later.asked_at() == [1.0, 1.0, 3.0, 3.0, 7.0, 7.0]


async def test_a_question_may_have_another_chain_once_the_first_is_over() -> None:
    later = Later(said(503), breaker={"consecutive": 100})
    await later.get()
    await later.asked_at()
    await later.get()
    assert await later.asked_at() == [1.0, 3.0, 7.0]


async def test_who_asks_again_and_is_answered_well_ends_it() -> None:
    later = Later(said(503), TRUTH)
    await later.get()
    await later.clock.advance(0.5)
    assert (await later.get()).status == 200
    assert await later.asked_at() == []


@pytest.mark.parametrize(
    ("turn", "times"),
    [
        (FaultKind.HTML, [1.0]),
        (FaultKind.WRONG_SHAPE, [1.0]),
        (FaultKind.STALE, [1.0]),
        (said(404, {"result": "error", "error-type": "unsupported-code"}), []),
        (said(200, {"result": "error", "error-type": "no-data-available"}), []),
        (FaultKind.MISSING, []),
        (FaultKind.PLAN, []),
    ],
)
async def test_bad_data_is_looked_at_once_more_and_what_stays_as_it_is_not_at_all(
    turn: Turn, times: list[float]
) -> None:
    later = Later(turn)
    await later.get()
    assert await later.asked_at(20.0) == times


async def test_bad_data_that_was_looked_at_again_for_the_caller_is_left_alone() -> None:
    later = Later(FaultKind.HTML, in_request_retries=1)
    asking = asyncio.create_task(later.get())
    await later.clock.advance(1.0)
    await asking
    assert len(later.world.upstream.asked) == 2
    assert await later.asked_at(20.0) == []


async def test_keys_that_are_refused_are_not_tried_out_later() -> None:
    later = Later(FaultKind.UNAUTHORIZED)
    asking = asyncio.create_task(later.get())
    await later.clock.advance(1.0)
    await asking
    assert len(later.world.upstream.asked) == 2  # each key once
    assert await later.asked_at(20.0) == []


async def test_a_throttle_gets_one_try_when_it_is_over() -> None:
    later = Later(said(429, "", retry_after="12"), TRUTH)
    await later.get()
    assert await later.asked_at() == [12.0]


async def test_a_throttle_that_names_no_end_gets_one_try_after_the_usual_rest() -> None:
    later = Later(said(429))
    await later.get()
    rest = later.world.endpoint(PLACE).source.retry_delay
    assert await later.asked_at() == [rest]


async def test_an_outage_that_names_its_end_is_not_disturbed_before() -> None:
    later = Later(said(503, "", retry_after="20"), said(503))
    await later.get()
    assert await later.asked_at() == [20.0, 40.0, 60.0]


async def test_a_new_fault_that_does_not_pass_ends_it() -> None:
    later = Later(said(503), said(404, {"result": "error", "error-type": "unsupported-code"}), said(503))
    await later.get()
    assert await later.asked_at() == [1.0]


async def test_nothing_is_tried_where_the_source_itself_has_answered_in_the_end() -> None:
    held = Held(TRUTH)
    later = Later(said(503), held, said(503), in_request_retries=1)
    asking = asyncio.create_task(later.get())
    await later.clock.advance(1.0)
    assert held.asked
    held.let_go()
    assert (await asking).status == 200
    assert await later.asked_at() == []


async def test_a_good_answer_ends_it_although_it_may_not_be_kept() -> None:
    later = Later()
    call = later.world.call(PLACE)
    truth = later.world.upstream.truth(later.world.url_of(call))
    private = Answer(200, {**truth.headers, "cache-control": "no-store"}, truth.body)
    later.world.upstream.says("https", said(503), private)
    await later.get()
    assert await later.asked_at() == [1.0]


async def test_a_slow_first_attempt_that_still_goes_on_is_waited_for() -> None:
    later = Later(Held(TRUTH), soft_timeout={"min": 0.01, "max": 0.01})
    later.world.cache.keep(later.world.call(PLACE), await a_good_answer(later))
    reply = await later.get()
    assert reply.headers["Healing-Strategy"] == "use_cached_data"
    assert await later.asked_at() == []
    await later.world.healer.stop()


async def a_good_answer(later: Later) -> Response:
    other = World(clock=later.clock)
    answer = await other.fetch(other.call(PLACE))
    assert isinstance(answer, Response)
    return answer


@pytest.mark.parametrize("headers", [{"healing_allow": "none"}, {"cache_control": "no-store"}])
async def test_nothing_is_tried_for_who_wants_no_healing_or_no_copies(headers: dict[str, str]) -> None:
    later = Later(said(503))
    await later.get(**headers)
    assert await later.asked_at() == []


async def test_the_trial_of_an_open_circuit_is_not_made_by_what_is_tried_later() -> None:
    later = Later(said(503, "", retry_after="50"), TRUTH)
    await later.get()
    breaker = later.world.admission.breaker(later.world.endpoint(PLACE), "https://v6.exchangerate-api.com")
    for _ in range(4):
        breaker.record_failure("API.SERVER_ERROR")
    await later.clock.advance(45.0)
    assert (breaker.is_closed, breaker.would_allow()) == (False, True)
    assert await later.asked_at(10.0) == []


async def test_what_the_retry_budget_has_no_room_for_waits_until_there_is_some() -> None:
    often = {"consecutive": 100}
    later = Later(said(503), in_request_retries=2, retry_budget={"floor": 3}, breaker=often)
    asking = asyncio.create_task(later.get())
    await later.clock.advance(1.0)
    await asking
    assert len(later.world.upstream.asked) == 3  # one, and two for the caller: no more for ten seconds
    first, second, third = await later.asked_at()
    assert 8.5 < first <= 10.0
    assert (second, third) == (first + 2.0, first + 10.0)


async def test_what_finds_no_room_within_its_window_is_given_up() -> None:
    later = Later(said(503), retry_budget={"floor": 1, "ratio": 0.0})
    retries = BackgroundRetries(later.world.fetcher, later.clock, later.world.settings)
    case = await later.world.failed(later.world.call(PLACE))
    retries.begin(case.call, case.failure, looked_again=False)
    assert await later.asked_at(10.5) == []
    assert len(retries) == 1
    assert await later.asked_at(1.0) == []
    assert len(retries) == 0


#: Facts of a failure, and the waits before it is tried again.
WAITS: Sequence[tuple[dict[str, Any], tuple[float, ...]]] = [
    ({"status": 500}, (1.0, 2.0, 4.0)),
    ({"status": 503, "retry_after": 3.0}, (3.0, 3.0, 4.0)),
    ({"trouble": Trouble.TIMED_OUT}, (1.0, 2.0, 4.0)),
    ({"trouble": Trouble.SOFT_TIMEOUT}, ()),
    ({"status": 429, "retry_after": 60.0}, (60.0,)),
    ({"status": 402}, (3600.0,)),
    ({"status": 402, "retry_after": 7200.0}, (7200.0,)),
    ({"status": 403}, ()),
    ({"status": 404}, ()),
    ({"refused": "API.SERVER_ERROR", "retry_after": 20.0}, ()),
    ({"refused": "API.RATE_LIMITED", "retry_after": 20.0}, ()),
]


@pytest.mark.parametrize(("facts", "waits"), WAITS)
def test_what_is_tried_and_when_follows_from_the_fault(
    facts: dict[str, Any], waits: tuple[float, ...]
) -> None:
    world = World(healing={"max_retry_attempts": 3})
    retries = BackgroundRetries(world.fetcher, world.clock, world.settings)
    none = BackgroundRetries(world.fetcher, world.clock, World().settings)
    now, endpoint = world.clock.now(), world.endpoint(PLACE)
    failure = Failure(endpoint=endpoint, host="https://h", observed_at=now, elapsed=timedelta(0), **facts)
    assert retries.waits(failure, looked_again=False) == waits
    assert none.waits(failure, looked_again=False) == ()


async def test_each_try_is_charged() -> None:
    later = Later(said(503))
    await later.get()
    budget = later.world.admission.limits(later.world.endpoint(PLACE).source).budget
    before = budget.left()
    await later.asked_at(1.0)
    assert budget.left() == before - 1


async def test_nothing_is_tried_with_a_quota_that_others_may_need() -> None:
    world = World(
        healing={"max_retry_attempts": 3, "in_request_retries": 0},
        clock=ManualClock(),
        sources={"exchange_rate_api": {"quota": ({"window": "hour", "limit": 10},)}},
    )
    world.upstream.says("https", *[TRUTH] * 7, said(503))
    for base in ("USD", "EUR", "GBP", "JPY", "CHF", "SEK", "NOK", "DKK"):
        await world.get(f"/api/exchange-rate/latest/{base}")
    assert isinstance(world.clock, ManualClock)
    await world.clock.advance(20.0)
    assert len(world.upstream.asked) == 8


async def test_five_hundred_of_them_do_not_fire_together() -> None:
    later = Later(
        said(503), breaker={"consecutive": 1000, "min_calls": 1000}, admission={"min_calls": 10_000}
    )
    bases = [f"{one}{two}X" for one in "ABCDEFGHIJKLMNOPQRSTUVWXY" for two in "ABCDEFGHIJKLMNOPQRST"]
    for base in bases:
        await later.get(f"/api/exchange-rate/latest/{base}")
    assert len(later.world.upstream.asked) == 500
    times = await later.asked_at(10.0)
    assert len(times) < 0.1 * 500  # fewer than a tenth of the calls of callers, in ten seconds
    assert times.count(1.0) > 2  # those that are decided first


async def test_a_source_has_no_more_than_a_hundred_chains() -> None:
    later = Later(said(503), breaker={"consecutive": 1000, "min_calls": 1000}, retry_budget={"ratio": 1.0})
    retries = BackgroundRetries(later.world.fetcher, later.clock, later.world.settings)
    for number in range(MOST_CHAINS + 20):
        case = await later.world.failed(later.world.call(PLACE, base=f"U{number}"))
        retries.begin(case.call, case.failure, looked_again=False)
    assert len(retries) == MOST_CHAINS
    elsewhere = await later.world.failed(later.world.call("fred_api/series"))
    retries.begin(elsewhere.call, elsewhere.failure, looked_again=False)
    assert len(retries) == MOST_CHAINS + 1
    await retries.stop()
    assert len(retries) == 0


async def test_they_end_with_the_house() -> None:
    later, held = Later(said(503)), Held(TRUTH)
    await later.get()
    later.world.upstream.says("https", held)
    await later.clock.advance(1.0)
    assert held.asked
    await later.world.healer.stop()
    assert held.cancelled
    await let_others_run()
    assert await later.asked_at() == []


async def test_a_probe_that_fails_is_tried_by_its_own_schedule() -> None:
    later = Later(said(503))
    case = await later.world.failed(later.world.call(PLACE, "exact", "probe"))
    await later.world.healer.heal(case, diagnose(case.failure))
    assert await later.asked_at(20.0) == []


GROWTH: Sequence[tuple[int, float, float, list[float]]] = [
    (3, 1.0, 2.0, [1.0, 3.0, 7.0]),
    (1, 5.0, 2.0, [5.0]),
    (4, 1.0, 1.0, [1.0, 2.0, 3.0, 4.0]),
]


@pytest.mark.parametrize(("times", "base", "factor", "asked"), GROWTH)
async def test_the_waits_grow_by_their_factor(
    times: int, base: float, factor: float, asked: list[float]
) -> None:
    later = Later(
        said(503),
        max_retry_attempts=times,
        exponential_backoff_base=base,
        backoff_factor=factor,
        breaker={"consecutive": 100},
    )
    await later.get()
    assert await later.asked_at() == asked
