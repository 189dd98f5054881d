"""Asking again, the last copy, another key: each heals, fails honestly, and says why it cannot be tried."""

from datetime import timedelta

import pytest
from tests.world import TRUTH, Turn, World, said, timed_out

from autonomous_healing.drills.twins import FaultKind
from autonomous_healing.endpoint_healing.call import FailedCall, Response
from autonomous_healing.endpoint_healing.fetch import Hop
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.healing import CannotHeal

CHART, AGGS, SERIES = "yahoo_finance/chart", "polygon_io/v2/aggs", "fred_api/series"
RETRY, COPY, KEY = "exponential_backoff_retry", "use_cached_data", "rotate_api_key"


async def case_of(world: World, place: str, *turns: Turn, allow: str = "exact, stale") -> FailedCall:
    """A call that failed by the first turn; the others are still to come."""
    world.upstream.says("https", *turns)
    return await world.failed(world.call(place, allow))


async def heal(world: World, name: str, case: FailedCall, seconds: float = 3.0) -> Response:
    return await world.strategy(name).apply(case, world.deadline(seconds))


async def setback(world: World, name: str, case: FailedCall, seconds: float = 3.0) -> str:
    """Why it could not heal."""
    with pytest.raises(CannotHeal) as failed:
        await heal(world, name, case, seconds)
    return str(failed.value)


async def test_asks_the_same_host_again_past_all_caches() -> None:
    world = World()
    case = await case_of(world, CHART, said(503), TRUTH)
    assert world.strategy(RETRY).obstacle(case) is None
    answer = await heal(world, RETRY, case)
    assert (answer.fidelity, answer.host) == (Fidelity.EXACT, case.failure.host)
    assert world.upstream.asked[1].headers == {"cache-control": "no-cache"}
    assert 0.0 < world.clock.monotonic() <= 0.2


async def test_asks_twice_at_most_and_says_what_came() -> None:
    world = World()
    case = await case_of(world, CHART, said(503), said(500), said(502), TRUTH)
    assert await setback(world, RETRY, case) == "again: HTTP 502"
    assert len(world.upstream.asked) == 3


async def test_the_second_retry_may_heal() -> None:
    world = World()
    case = await case_of(world, SERIES, timed_out(), timed_out(), TRUTH)
    assert (await heal(world, RETRY, case)).record is not None


@pytest.mark.parametrize(
    "fault", [FaultKind.HTML, FaultKind.WRONG_SHAPE, FaultKind.IMPLAUSIBLE, FaultKind.STALE]
)
async def test_bad_data_gets_one_more_look_only(fault: FaultKind) -> None:
    world = World()
    case = await case_of(world, CHART, fault, said(503), TRUTH)
    assert await setback(world, RETRY, case) == "again: HTTP 503"
    assert len(world.upstream.asked) == 2


async def test_a_retry_that_does_not_fit_is_not_begun() -> None:
    world = World()
    case = await case_of(world, AGGS, said(429, "slow", retry_after="7"), TRUTH)
    assert await setback(world, RETRY, case) == "no time for a retry"
    assert len(world.upstream.asked) == 1


async def test_a_throttle_is_waited_out_where_it_fits() -> None:
    world = World(sources={"polygon_io": {"rotate_on": ("invalid", "limited"), "retry_delay": 1.0}})
    case = await case_of(world, AGGS, said(429, "slow", retry_after="2"), TRUTH)
    await heal(world, RETRY, case)
    assert world.clock.monotonic() >= 2.0


async def test_a_retry_leaves_time_for_local_answers() -> None:
    world = World()
    case = await case_of(world, AGGS, said(429, "slow", retry_after="2.9"), TRUTH)
    assert await setback(world, RETRY, case) == "no time for a retry"
    assert world.clock.monotonic() == 0.0


async def test_an_outage_is_not_disturbed_before_its_own_word() -> None:
    world = World()
    case = await case_of(world, SERIES, said(503, "", retry_after="2"), TRUTH)
    await heal(world, RETRY, case)
    assert world.clock.monotonic() >= 2.0


async def test_an_outage_that_lasts_longer_than_the_healing_is_not_waited_out() -> None:
    world = World()
    case = await case_of(world, SERIES, said(503, "", retry_after="3600"), TRUTH)
    assert await setback(world, RETRY, case) == "no time for a retry"
    assert world.clock.monotonic() == 0.0
    again = await world.failed(world.call(SERIES))
    assert (again.failure.refused, again.failure.retry_after) == ("API.SERVER_ERROR", 3600.0)
    assert len(world.upstream.asked) == 1


async def test_the_second_retry_heeds_what_the_first_was_told() -> None:
    world = World()
    case = await case_of(world, SERIES, said(500), said(503, "", retry_after="2"), TRUTH)
    await heal(world, RETRY, case)
    assert world.clock.monotonic() >= 2.0


@pytest.mark.parametrize("turn", [said(400), said(401), FaultKind.MISSING, FaultKind.HTML])
async def test_what_would_stay_as_it_is_ends_the_retries(turn: Turn) -> None:
    world = World()
    case = await case_of(world, SERIES, said(503), turn, TRUTH)
    await setback(world, RETRY, case)
    assert len(world.upstream.asked) == 2


async def test_one_question_never_costs_its_source_more_than_three_calls() -> None:
    world = World(healing={"retry_budget": {"floor": 100}, "in_request_retries": 10})
    case = await case_of(world, CHART, said(503))
    assert await setback(world, RETRY, case) == "2 calls beyond the first were made for it already"
    assert len(world.upstream.asked) == 3
    for name in (RETRY, "yahoo_alternate_endpoint"):
        assert obstacle(world, name, case) == "2 calls beyond the first were made for it already"
    other = await world.failed(world.call(CHART))
    assert obstacle(world, "yahoo_alternate_endpoint", other) is None


def obstacle(world: World, name: str, case: FailedCall) -> str | None:
    """Why it cannot even be tried."""
    return world.strategy(name).obstacle(case)


async def test_nothing_is_asked_again_that_was_refused_here() -> None:
    world = World(secrets={})
    case = await world.failed(world.call(AGGS))
    assert obstacle(world, RETRY, case) == (
        "no call is made: no key for polygon_io is set in the environment or stored"
    )


async def test_nothing_is_asked_again_while_the_circuit_is_open() -> None:
    world = World()
    case = await case_of(world, SERIES, said(503))
    for _ in range(4):
        await world.failed(case.call)
    assert obstacle(world, RETRY, case) == "circuit open"


async def test_nothing_is_asked_again_where_no_retries_are_configured() -> None:
    world = World(healing={"in_request_retries": 0})
    case = await case_of(world, SERIES, said(503))
    assert obstacle(world, RETRY, case) == "no retries are configured"


@pytest.mark.parametrize("name", [RETRY, "reduce_request_size", "polygon_use_daily"])
async def test_nothing_is_asked_again_when_the_retry_budget_is_spent(name: str) -> None:
    world = World()
    world.upstream.says("https", said(503))
    place, params = (AGGS, {"limit": "50", "timespan": "minute"})
    case = await world.failed(world.call(place, **params))
    assert obstacle(world, name, case) is None
    for _ in range(2):
        await world.fetch(world.call(place), Hop(extra=True))
    assert obstacle(world, name, case) == "retry budget spent"


async def test_the_last_good_copy_stands_in() -> None:
    world = World()
    call = world.call(CHART)
    good = await world.fetch(call)
    assert isinstance(good, Response)
    world.clock.pass_time(1000.0)
    case = await case_of(world, CHART, said(503))
    answer = await heal(world, COPY, case)
    assert (answer.body, answer.age, answer.fidelity) == (good.body, 1000.0, Fidelity.STALE)
    assert len(world.upstream.asked) == 2


async def test_a_copy_that_is_still_fresh_is_the_answer_itself() -> None:
    world = World()
    await world.fetch(world.call(CHART))
    case = await case_of(world, CHART, said(503), allow="exact")
    assert (await heal(world, COPY, case)).fidelity is Fidelity.EXACT


NO_COPY = "no copy inside its windows that the caller allows"


@pytest.mark.parametrize(
    ("allow", "pause"), [("exact", 1000.0), ("stale", 0.0), ("exact, stale", 1e6), ("reduced", 0.0)]
)
async def test_a_copy_that_the_caller_does_not_allow_stays_where_it_is(allow: str, pause: float) -> None:
    world = World()
    await world.fetch(world.call(CHART))
    world.clock.pass_time(pause)
    case = await case_of(world, CHART, said(503), allow=allow)
    assert obstacle(world, COPY, case) == NO_COPY
    assert await setback(world, COPY, case) == "the copy has gone"


async def test_without_a_copy_there_is_nothing_to_use() -> None:
    world = World()
    assert obstacle(world, COPY, await case_of(world, CHART, said(503))) == NO_COPY


@pytest.mark.parametrize(
    "place",
    [
        CHART,
        AGGS,
        "alpha_vantage/query",
        "fred_api/observations",
        "fred_api/series",
        "exchange_rate_api/latest",
        "exchange_rate_api/pair",
    ],
)
async def test_an_answer_refused_for_its_age_is_still_true_of_its_time(place: str) -> None:
    world = World()
    case = await case_of(world, place, FaultKind.STALE)
    answer = await heal(world, COPY, case)
    assert answer.fidelity is Fidelity.STALE
    assert answer.age is not None
    assert answer.age > 86400
    assert case.failure.answer is not None
    assert answer.body == case.failure.answer.body


@pytest.mark.parametrize(("published", "days"), [("2026-02-20", 10), ("2026-03-01", 12), (None, 12)])
async def test_a_series_is_as_old_as_its_publisher_s_word_or_as_its_newest_day(
    published: str | None, days: int
) -> None:
    """Asked on the 2nd of March at 15:00; a day's value is due on the 5th day after it."""
    world = World()
    rows = [{"date": f"2026-02-{day}", "value": "4.2"} for day in (18, 17, 16, 13)]
    document = {"observations": rows} | ({"realtime_end": published} if published else {})
    case = await case_of(world, "fred_api/observations", said(200, document))
    answer = await heal(world, COPY, case)
    assert (answer.fidelity, answer.age) == (Fidelity.STALE, days * 86400 + 15 * 3600)


async def test_old_rates_are_as_old_as_they_say() -> None:
    world = World()
    old = int((world.clock.now() - timedelta(days=3)).timestamp())
    rates = {"result": "success", "base_code": "USD", "conversion_rates": {"EUR": 0.9}}
    case = await case_of(world, "exchange_rate_api/latest", said(200, rates | {"time_last_update_unix": old}))
    answer = await heal(world, COPY, case)
    assert (answer.fidelity, answer.age) == (Fidelity.STALE, 3 * 86400)


async def test_the_younger_of_copy_and_old_answer_is_used() -> None:
    world = World()
    await world.fetch(world.call(CHART))
    world.clock.pass_time(1000.0)
    answer = await heal(world, COPY, await case_of(world, CHART, FaultKind.STALE))
    assert answer.age == 1000.0


async def test_another_key_of_the_same_source_heals() -> None:
    world = World()
    case = await case_of(world, AGGS, said(401), TRUTH)
    assert obstacle(world, KEY, case) is None
    answer = await heal(world, KEY, case)
    assert answer.fidelity is Fidelity.EXACT
    assert [one.query["apiKey"] for one in world.upstream.asked] == list(SECRET_KEYS)


SECRET_KEYS = ("canary_polygon+one", "canary_polygon+two")


async def test_another_key_that_is_refused_too_heals_nothing() -> None:
    world = World()
    case = await case_of(world, AGGS, said(401))
    assert await setback(world, KEY, case) == "HTTP 401"


@pytest.mark.parametrize(
    ("turn", "secrets", "reason"),
    [
        (said(503), SECRET_KEYS, "not a fault of the key"),
        (said(401), ("only-one",), "no other key may be used now"),
        (said(429), SECRET_KEYS, "no other key may be used now"),
        (said(403, {"status": "NOT_AUTHORIZED"}), SECRET_KEYS, None),
    ],
)
async def test_a_key_is_changed_only_where_that_can_help(
    turn: Turn, secrets: tuple[str, ...], reason: str | None
) -> None:
    world = World(secrets={"polygon_io": secrets})
    assert obstacle(world, KEY, await case_of(world, AGGS, turn)) == reason


async def test_a_refusal_for_want_of_keys_is_not_cured_by_keys() -> None:
    world = World(secrets={})
    case = await world.failed(world.call(AGGS))
    assert obstacle(world, KEY, case) == "no other key may be used now"
