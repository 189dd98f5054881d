"""One attempt at one target: admitted, sent, judged, and counted where it belongs."""

import asyncio
from datetime import datetime
from threading import get_ident

import pytest
from tests.clock import ManualClock
from tests.world import TRUTH, Held, Turn, World, no_answer, said, timed_out, too_large

from autonomous_healing.drills.twins import FaultKind
from autonomous_healing.endpoint_healing.call import Finding, Response, Trouble
from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    CALLER_ERROR,
    CLIENT_BLOCKED,
    MISSING,
    QUOTA_EXHAUSTED,
    SERVER_ERROR,
    TIMEOUT,
    Blame,
)
from autonomous_healing.endpoint_healing.diagnosis import diagnose
from autonomous_healing.endpoint_healing.fetch import Hop
from autonomous_healing.endpoint_healing.freshness import AlwaysOpen
from autonomous_healing.endpoint_healing.judging import LARGE
from autonomous_healing.endpoint_healing.keys import KeyState
from autonomous_healing.endpoint_healing.upstream import Answer, Unanswered
from autonomous_healing.healing import CannotHeal
from autonomous_healing.resilience import BreakerState, Deadline

CHART, AGGS = "yahoo_finance/chart", "polygon_io/v2/aggs"


def moved(world: World, place: str) -> tuple[int, int, list[str]]:
    """Failures in the window, failures in a row, and the states of the keys."""
    endpoint = world.endpoint(place)
    health = world.admission.window(endpoint).read()
    keys = world.admission.limits(endpoint.source).keys.keys
    return health.failed, health.consecutive_failures, [key.state.value for key in keys]


@pytest.mark.parametrize("status", [400, 404, 405, 410, 413, 422])
async def test_a_caller_s_mistake_moves_nothing(status: int) -> None:
    world = World()
    world.upstream.says("https", said(status, {"message": "your mistake"}))
    for _ in range(20):
        assert await world.code_of(world.call(AGGS)) == CALLER_ERROR
    assert moved(world, AGGS) == (0, 0, ["ok", "ok"])
    assert world.admission.window(world.endpoint(AGGS)).read().total == 0
    assert [one.state for one in world.admission.breakers()] == [BreakerState.CLOSED]


@pytest.mark.parametrize(
    ("turn", "failures", "first_key"),
    [
        (said(503), 1, KeyState.OK),
        (timed_out(), 1, KeyState.OK),
        (no_answer(), 1, KeyState.OK),
        (said(200, {"status": "OK"}), 1, KeyState.OK),
        (said(401), 0, KeyState.INVALID),  # the other key can still be used
        (said(403, {"status": "NOT_AUTHORIZED"}), 0, KeyState.OK),
        (said(429), 1, KeyState.LIMITED),  # the terms forbid going round a limit
        (said(402), 1, KeyState.DRAINED),
    ],
)
async def test_each_blame_moves_only_what_it_should(turn: Turn, failures: int, first_key: KeyState) -> None:
    world = World()
    world.upstream.says("https", turn)
    await world.failed(world.call(AGGS))
    assert moved(world, AGGS) == (failures, failures, [first_key.value, "ok"])


@pytest.mark.parametrize("ours", [too_large(), Unanswered(Trouble.NOT_SENT, "too many requests wait for it")])
async def test_what_only_our_own_limits_forbid_is_nobody_s_fault(ours: Unanswered) -> None:
    world = World()
    world.upstream.says("https", ours)
    for _ in range(20):
        failure = (await world.failed(world.call(AGGS))).failure
        assert failure.blame is Blame.PROXY
    assert moved(world, AGGS) == (0, 0, ["ok", "ok"])
    assert {one.state for one in world.admission.breakers()} == {BreakerState.CLOSED}


async def test_the_last_key_s_refusal_is_the_provider_s() -> None:
    world = World()
    world.upstream.says("https", said(401))
    await world.failed(world.call(AGGS))
    await world.failed(world.call(AGGS))
    assert moved(world, AGGS) == (1, 1, ["invalid", "invalid"])


async def test_a_resting_key_s_turn_goes_to_the_next() -> None:
    world = World()
    world.upstream.says("polygon%2Bone", said(401))
    await world.failed(world.call(AGGS))
    assert isinstance(await world.fetch(world.call(AGGS)), Response)
    assert [asked.query["apiKey"] for asked in world.upstream.asked] == [
        "canary_polygon+one",
        "canary_polygon+two",
    ]


async def test_five_failures_open_the_circuit_and_no_call_is_made() -> None:
    world = World(sources={"polygon_io": {"hosts": ("https://api.polygon.io",)}})
    world.upstream.says("https", said(503))
    for _ in range(5):
        await world.failed(world.call(AGGS))
    refused = (await world.failed(world.call(AGGS))).failure
    assert len(world.upstream.asked) == 5
    assert refused.refused == SERVER_ERROR
    assert refused.status is None
    assert refused.retry_after == pytest.approx(30.0, rel=0.11)
    assert diagnose(refused).code == SERVER_ERROR
    assert moved(world, AGGS)[0] == 5


async def test_a_good_trial_after_the_pause_brings_the_target_back() -> None:
    world = World()
    world.upstream.says("https", *[said(503)] * 5, TRUTH)
    for _ in range(5):
        await world.failed(world.call(AGGS))
    world.clock.pass_time(33.0)
    assert isinstance(await world.fetch(world.call(AGGS)), Response)
    assert isinstance(await world.fetch(world.call(AGGS)), Response)
    [breaker] = world.admission.breakers()
    assert breaker.state is BreakerState.CLOSED


async def test_an_open_circuit_moves_traffic_to_the_other_host() -> None:
    world = World()
    world.upstream.says("query1", said(503))
    for _ in range(5):
        await world.failed(world.call(CHART))
    answer = await world.fetch(world.call(CHART))
    assert isinstance(answer, Response)
    assert answer.host == "https://query2.finance.yahoo.com"


async def test_a_throttle_keeps_the_circuit_open_until_the_upstream_said() -> None:
    world = World()
    world.upstream.says("https", said(429, "no", retry_after="500"))
    for _ in range(5):
        await world.failed(world.call(CHART), Hop(host="https://query1.finance.yahoo.com"))
    refused = (await world.failed(world.call(CHART), Hop(host="https://query1.finance.yahoo.com"))).failure
    assert (refused.refused, refused.retry_after) == (CLIENT_BLOCKED, 500.0)


async def test_a_spent_quota_refuses_before_asking() -> None:
    world = World(sources={"yahoo_finance": {"quota": ({"window": "day", "limit": 2},)}})
    for _ in range(2):
        await world.fetch(world.call(CHART))
    refused = (await world.failed(world.call(CHART))).failure
    assert (refused.refused, refused.retry_after) == (QUOTA_EXHAUSTED, 86400.0)
    assert len(world.upstream.asked) == 2


async def test_a_source_without_a_key_in_the_environment_is_not_asked() -> None:
    world = World(secrets={})
    refused = (await world.failed(world.call(AGGS))).failure
    assert (refused.refused, world.upstream.asked) == (AUTH_REJECTED, [])
    assert "polygon_io" in refused.message


async def test_a_refusal_gives_the_trial_back() -> None:
    world = World(sources={"yahoo_finance": {"quota": ({"window": 40.0, "limit": 5},)}})
    host = world.endpoint(CHART).source.hosts[0]
    world.upstream.says("query1", said(503))
    for _ in range(5):
        await world.failed(world.call(CHART), Hop(host=host))
    world.clock.pass_time(33.0)
    await world.failed(world.call(CHART), Hop(host=host))
    breaker = world.admission.breaker(world.endpoint(CHART), host)
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.would_allow()


async def test_extra_calls_are_charged_when_they_are_decided() -> None:
    world = World()
    held = Held(TRUTH)
    world.upstream.says("https", held)
    again = Hop(extra=True)
    extra = [asyncio.create_task(world.fetch(world.call(CHART), again)) for _ in range(500)]
    await world.clock.advance(0.0)
    assert len(world.upstream.asked) == 2
    held.let_go()
    results = await asyncio.gather(*extra, return_exceptions=True)
    assert sum(isinstance(one, Response) for one in results) == 2
    assert {str(one) for one in results if isinstance(one, CannotHeal)} == {"retry budget spent"}


async def test_five_hundred_retries_asleep_in_backoff_cannot_fire_together() -> None:
    clock = ManualClock()
    world = World(clock=clock)
    world.upstream.says("https", said(503))
    case = await world.failed(world.call("fred_api/series"))
    retry = world.strategy("exponential_backoff_retry")
    crowd = [asyncio.create_task(retry.apply(case, world.deadline())) for _ in range(500)]
    await clock.advance(3.0)
    results = await asyncio.gather(*crowd, return_exceptions=True)
    assert all(isinstance(one, CannotHeal) for one in results)
    assert len(world.upstream.asked) - 1 == 2


@pytest.mark.parametrize(
    ("deadline", "hop", "seconds"),
    [(15.0, Hop(), 5.0), (2.0, Hop(), 2.0), (15.0, Hop(seconds=1.5), 1.5), (1.0, Hop(seconds=1.5), 1.0)],
)
async def test_an_attempt_has_the_least_of_all_times(deadline: float, hop: Hop, seconds: float) -> None:
    world = World(healing={"request_deadline": deadline})
    await world.fetch(world.call(AGGS), hop)
    assert world.upstream.asked[0].seconds == pytest.approx(seconds)


async def test_a_caller_in_a_hurry_is_no_fault_of_the_provider() -> None:
    world = World(healing={"request_deadline": 0.1})
    world.upstream.says("https", timed_out())
    for _ in range(20):
        assert await world.code_of(world.call(AGGS)) == TIMEOUT
    assert moved(world, AGGS)[0] == 0
    assert len(world.upstream.asked) == 20


async def test_a_vanished_caller_gives_the_trial_back() -> None:
    world = World()
    held = Held(TRUTH)
    world.upstream.says("https", *[said(503)] * 5, held)
    for _ in range(5):
        await world.failed(world.call(AGGS))
    world.clock.pass_time(33.0)
    asking = asyncio.create_task(world.fetch(world.call(AGGS)))
    await world.clock.advance(0.0)
    [breaker] = world.admission.breakers()
    assert held.asked
    assert not breaker.would_allow()
    asking.cancel()
    await asyncio.wait({asking})
    assert held.cancelled
    assert breaker.would_allow()


async def test_a_redirect_is_relayed_with_its_place_and_without_our_key() -> None:
    world = World()
    key = "canary_polygon%2Bone"
    world.upstream.says("https", said(302, "moved", location=f"https://elsewhere.test/?apiKey={key}"))
    answer = await world.fetch(world.call(AGGS))
    assert isinstance(answer, Response)
    assert (answer.status, answer.headers) == (302, {"location": "https://elsewhere.test/?apiKey=[redacted]"})
    assert len(world.cache) == 0


async def test_not_modified_is_no_answer_to_who_spoke_of_no_copy() -> None:
    world = World()
    world.upstream.says("https", said(304, etag='"1"'))
    case = await world.failed(world.call(CHART))
    assert diagnose(case.failure).code == MISSING
    assert moved(world, CHART)[0] == 1
    assert (await world.get("/api/yahoo/chart/AAPL")).status == 503


@pytest.mark.parametrize(
    ("turn", "seconds"),
    [
        (said(429, x_ratelimit_reset="240"), 240.0),
        (said(402, ratelimit_reset="240"), 240.0),
        (said(503, retry_after="240"), 240.0),
        (said(503, x_ratelimit_reset="240"), 30.0),
        (said(500, retry_after="240"), 30.0),
        (said(500, x_ratelimit_reset="240"), 30.0),
        (said(200, "<html>", retry_after="240", x_ratelimit_reset="240"), 30.0),
    ],
)
async def test_a_circuit_stays_open_until_the_reset_of_a_limit_only_where_one_was_met(
    turn: Answer, seconds: float
) -> None:
    world = World(secrets={"polygon_io": ("one",)}, healing={"breaker": {"consecutive": 1}})
    world.upstream.says("https", turn)
    await world.failed(world.call(AGGS))
    [breaker] = world.admission.breakers()
    assert breaker.state is BreakerState.OPEN
    assert breaker.retry_after() == pytest.approx(seconds, rel=0.11)


async def test_only_headers_that_speak_of_the_data_are_relayed() -> None:
    world = World()
    truth = world.upstream.truth(world.url_of(world.call(CHART)))
    world.upstream.says(
        "https", said(200, truth.body, etag='"1"', set_cookie="a=b", server="x", cache_control="max-age=5")
    )
    answer = await world.fetch(world.call(CHART))
    assert isinstance(answer, Response)
    assert answer.headers == {"etag": '"1"', "cache-control": "max-age=5"}


@pytest.mark.parametrize(("rule", "kept"), [("no-store", 0), ("private", 0), ("public, max-age=5", 1)])
async def test_an_answer_is_kept_only_where_its_provider_lets_it(rule: str, kept: int) -> None:
    world = World()
    truth = world.upstream.truth(world.url_of(world.call(CHART)))
    world.upstream.says("https", said(200, truth.body, cache_control=rule))
    assert isinstance(await world.fetch(world.call(CHART)), Response)
    assert len(world.cache) == kept


@pytest.mark.parametrize(("fresh", "sent"), [(True, {"cache-control": "no-cache"}), (False, {})])
async def test_a_second_look_goes_past_all_caches(fresh: bool, sent: dict[str, str]) -> None:
    world = World()
    await world.fetch(world.call(CHART), Hop(fresh=fresh))
    assert dict(world.upstream.asked[0].headers) == sent


async def test_no_source_is_left_alone_for_longer_than_is_set_whatever_it_says() -> None:
    world = World(healing={"retry_after_cap": 60.0})
    world.upstream.says("https", said(503, "", retry_after="3600"), said(429, "", retry_after="3600"))
    outage = await world.failed(world.call("fred_api/series"))
    throttle = await world.failed(world.call(AGGS))
    assert (outage.failure.retry_after, throttle.failure.retry_after) == (60.0, 60.0)


@pytest.mark.parametrize(
    ("seconds", "soft"),
    [((), 5.0), ((0.1,) * 19, 5.0), ((0.1,) * 20, 1.0), ((2.0,) * 20, 3.0), ((9.0,) * 20, 5.0)],
)
def test_the_soft_timeout_follows_what_is_usual(seconds: tuple[float, ...], soft: float) -> None:
    world = World()
    endpoint = world.endpoint(CHART)
    for taken in seconds:
        world.admission.window(endpoint).record_success(taken)
    assert world.fetcher.soft_timeout(endpoint) == pytest.approx(soft, rel=1 / 16)


@pytest.mark.parametrize(("remaining", "asked"), [(3.0, 1), (0.3, 1), (0.2, 0), (0.0, 0)])
async def test_the_last_moments_of_a_healing_are_kept_for_local_answers(remaining: float, asked: int) -> None:
    world = World()
    call = world.call(CHART)
    deadline = Deadline.after(world.clock, remaining)
    if asked:
        await world.fetcher.ask_again(call, deadline, Hop())
        assert world.upstream.asked[0].seconds == pytest.approx(remaining - 0.2)
    else:
        with pytest.raises(CannotHeal, match="no time left"):
            await world.fetcher.ask_again(call, deadline, Hop())
    assert len(world.upstream.asked) == asked


async def test_a_redirect_is_no_cure() -> None:
    world = World()
    world.upstream.says("https", said(302, "moved", location="https://consent.test/"))
    with pytest.raises(CannotHeal, match="HTTP 302: redirected elsewhere"):
        await world.fetcher.ask_again(world.call(CHART), world.deadline(), Hop())


class HoursOfThreads(AlwaysOpen):
    """Notes in which threads the market's hours are asked for."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def open_seconds(self, start: datetime, end: datetime) -> float:
        self.threads.append(get_ident())
        return super().open_seconds(start, end)


@pytest.mark.parametrize(("padding", "beside"), [(0, False), (LARGE, True)])
async def test_a_large_answer_is_judged_beside_the_event_loop_but_compared_in_it(
    padding: int, beside: bool
) -> None:
    hours = HoursOfThreads()
    world = World(hours=hours)
    call = world.call("yahoo_finance/quote")
    truth = world.upstream.truth(world.url_of(call))
    world.upstream.says("https", said(200, truth.body + b" " * padding))
    assert isinstance(await world.fetch(call), Response)
    assert [thread != get_ident() for thread in hours.threads] == [beside]
    assert isinstance(await world.fetch(call), Response)
    assert [thread != get_ident() for thread in hours.threads[1:]] == [beside, False]


async def test_what_was_put_together_is_judged_like_any_other() -> None:
    world = World()
    call = world.call(CHART)
    part = await world.fetch(call)
    assert isinstance(part, Response)
    assert (await world.fetcher.rejudged(call, part, part.body)).record == part.record
    with pytest.raises(CannotHeal, match="put together: no chart in the answer"):
        await world.fetcher.rejudged(call, part, b"{}")


async def test_a_failure_keeps_what_the_provider_said() -> None:
    world = World()
    world.upstream.says("https", said(503, "<h1>down</h1>", retry_after="12"))
    failure = (await world.failed(world.call(CHART))).failure
    assert failure.answer is not None
    assert (failure.answer.status, failure.answer.body) == (503, b"<h1>down</h1>")
    assert (failure.message, failure.retry_after, failure.status) == ("HTTP 503", 12.0, 503)


async def test_a_stale_answer_is_kept_with_what_it_says() -> None:
    world = World()
    world.upstream.says("https", FaultKind.STALE)
    failure = (await world.failed(world.call(CHART))).failure
    assert isinstance(failure.finding, Finding)
    assert failure.record is not None
