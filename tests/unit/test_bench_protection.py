"""The measurement of protection, as far as it can be wrong without the product."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bench.__main__ import known
from bench.protection import charts, document, full, healings, level_of, quick, sources, table
from bench.rig.bodies import rates
from bench.rig.callers import Callers, Taken, Way
from bench.rig.counting import (
    Moments,
    amplification,
    asked_between,
    between,
    busiest_second,
    growth_of_p99,
    most_at_once,
    most_for_one,
    p99_seconds,
    success,
    through_outage,
)
from bench.rig.faults import CannotMeasure
from bench.rig.flaky import FlakyOrigin, Manner, Visit, always, first, flaky, half_fail, with_share
from bench.rig.product import Place, configuration
from bench.rig.quota_month import (
    A_DAY,
    A_MINUTE,
    A_SECOND,
    PLACE,
    SOURCE,
    MonthClock,
    Provider,
    thirty_days,
)
from bench.rig.targets import protection, verdicts
from bench.rig.troubles import NO_HEADERS, Amounts, keys, three_attempts
from hypothesis import given
from hypothesis import strategies as some

from autonomous_healing.endpoint_healing.catalog import default_sources
from autonomous_healing.endpoint_healing.quotas.counter import QuotaCounter
from autonomous_healing.endpoint_healing.validators import exchange_rate_api, yahoo_finance
from autonomous_healing.settings import load_settings

NOW = datetime(2026, 7, 3, 15, tzinfo=UTC)
WELL, ILL = Manner(), Manner(well=False)


def visits(*times: tuple[float, float | None]) -> list[Visit]:
    return [Visit(str(number), came, went) for number, (came, went) in enumerate(times)]


def taken(*results: tuple[float, float, bool]) -> list[Taken]:
    return [Taken(*result) for result in results]


def test_it_is_called_by_name() -> None:
    assert "protection" in known()


def test_success_is_the_share_that_got_the_truth_and_needs_somebody_who_asked() -> None:
    assert success(taken((0, 1, True), (0, 1, False), (0, 1, True), (0, 1, True))) == 0.75
    with pytest.raises(CannotMeasure, match="nobody asked"):
        success([])


def test_amplification_is_calls_for_each_question() -> None:
    asked = taken((0, 1, True), (0, 1, True))
    assert amplification(visits((0, 1), (0, 1), (0, 1)), asked) == 1.5


def test_only_what_came_in_the_time_counts() -> None:
    came = visits((0.9, 2), (1.0, 2), (1.9, 3), (2.0, 3))
    assert [one.came for one in between(came, 1.0, 2.0)] == [1.0, 1.9]
    asked = taken((0.9, 5, True), (1.0, 5, True), (2.0, 5, True))
    assert [one.asked for one in asked_between(asked, 1.0, 2.0)] == [1.0]


def test_the_99th_of_a_hundred_waits_tells_how_long_it_takes() -> None:
    assert p99_seconds(taken(*((0, float(second), True) for second in range(100, 0, -1)))) == 99


def test_what_others_wait_longer_is_told_of_those_meanwhile_against_those_before() -> None:
    asked = taken((1, 0.1, True), (2, 0.2, True), (5, 0.5, True), (6, 0.9, True), (9, 7.0, True))
    assert growth_of_p99(asked, 5, 9) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("came", "most"),
    [
        ([], 0),
        ([0.0], 1),
        ([0.0, 0.5, 0.99], 3),
        ([0.0, 1.0], 1),
        ([0.0, 0.6, 1.2, 1.3, 1.5, 2.4], 4),
        ([2.4, 1.5, 1.3, 1.2, 0.6, 0.0], 4),
    ],
)
def test_a_burst_is_what_came_within_any_one_second(came: list[float], most: int) -> None:
    assert busiest_second(visits(*((moment, None) for moment in came))) == most


@pytest.mark.parametrize(
    ("times", "most"),
    [
        ([], 0),
        ([(0, 1), (1, 2), (2, 3)], 1),
        ([(0, 2), (1, 3), (4, 5)], 2),
        ([(0, None), (5, 6), (7, None)], 2),
        ([(0, 9), (1, 8), (2, 7)], 3),
        ([(0, 1), (2, 4), (3, 5)], 2),
    ],
)
def test_trials_at_once_are_those_under_way_at_one_moment(
    times: list[tuple[float, float | None]], most: int
) -> None:
    assert most_at_once(visits(*times)) == most


def test_the_most_for_one_question_is_counted_by_key() -> None:
    assert most_for_one([Visit("a", 0), Visit("b", 0), Visit("a", 1)]) == 2
    assert most_for_one([]) == 0


def test_an_outage_is_told_in_shares_of_what_was_usual_before() -> None:
    steady = [(moment / 10, None) for moment in range(100)]  # ten a second for ten seconds
    meanwhile = [(10 + moment / 50, None) for moment in range(40)]  # all in the first second
    after = [(30 + moment / 30, None) for moment in range(30)]  # thirty in the first second
    asked = taken((9, 0.1, False), (10, 0.2, True), (29, 0.4, True), (30, 0.1, False))
    assert through_outage(visits(*steady, *meanwhile, *after), asked, Moments(0, 10, 30)) == {
        "amplification_outage": pytest.approx(0.2),
        "success_outage": 1.0,
        "p99_outage_s": 0.4,
        "burst_after_outage": pytest.approx(3.0),
    }


def test_an_outage_of_what_was_never_asked_tells_nothing() -> None:
    with pytest.raises(CannotMeasure, match="asked nothing"):
        through_outage(visits((11, 12)), taken((11, 1, True)), Moments(0, 10, 30))


@given(seed=some.integers(), rounds=some.integers(1, 20))
def test_of_three_tries_exactly_one_in_eight_keys_fails_all(seed: int, rounds: int) -> None:
    mood = half_fail(seed, 3)
    tries = [[mood(f"k{number}", times).well for times in range(3)] for number in range(8 * rounds)]
    assert Counter(map(any, tries))[False] == rounds
    for place in range(3):
        assert sum(one[place] for one in tries) == 4 * rounds
    again = half_fail(seed, 3)
    assert tries == [[again(f"k{number}", times).well for times in range(3)] for number in range(8 * rounds)]


def test_tries_fail_the_same_however_keys_come_between() -> None:
    alone, mixed = half_fail(5, 3), half_fail(5, 3)
    one_by_one = [[alone(key, times) for times in range(3)] for key in "ab"]
    in_turn = [[mixed(key, times) for key in "ab"] for times in range(3)]
    assert [list(tries) for tries in zip(*in_turn, strict=True)] == one_by_one


def test_a_share_is_met_and_is_the_same_for_the_same_seed() -> None:
    mood, again = with_share(3, 0.3, ILL, WELL), with_share(3, 0.3, ILL, WELL)
    manners = [mood("k", times) for times in range(10_000)]
    assert manners == [again("k", times) for times in range(10_000)]
    assert 2800 < manners.count(ILL) < 3200


def test_only_the_first_question_for_a_key_is_answered_otherwise() -> None:
    mood = first(ILL, WELL)
    assert [mood("a", 0), mood("a", 1), mood("b", 0), mood("a", 2)] == [ILL, WELL, ILL, WELL]


def test_keys_are_those_of_three_seconds_and_no_two_the_same() -> None:
    found = keys(50.0)
    assert len(found) == len(set(found)) == 150
    assert all(len(key) == 3 and key.isalpha() and key.isupper() for key in found)


def body_of(key: str) -> bytes:
    return f'{{"key": "{key}"}}'.encode()


@asynccontextmanager
async def origin_alone(truth: Callable[[str], bytes] = body_of) -> AsyncIterator[tuple[FlakyOrigin, Callers]]:
    """Asked without any proxy between."""
    async with flaky(truth) as origin:
        callers = Callers(Way("none", origin.port, "/x/{}?a=b", origin), patience=5.0, headers=NO_HEADERS)
        yield origin, callers
        callers.close()


async def test_an_origin_counts_by_key_and_answers_in_its_mood() -> None:
    async with origin_alone() as (origin, callers):
        origin.begin(first(ILL, Manner(fresh=60)))
        assert [(await callers.ask(key)).right for key in ("a", "a", "b")] == [False, True, False]
        assert [visit.key for visit in origin.visits] == ["a", "a", "b"]
        assert all(visit.went is not None for visit in origin.visits)
        origin.begin(first(ILL, WELL))
        assert not (await callers.ask("a")).right
        assert len(origin.visits) == 1


@pytest.mark.parametrize("fresh", [0, 60])
async def test_a_good_answer_says_how_long_it_may_be_given_again(fresh: int) -> None:
    async with flaky(body_of) as origin:
        origin.begin(always(Manner(fresh=fresh)))
        reader, writer = await asyncio.open_connection("127.0.0.1", origin.port)
        writer.write(b"GET /x/k HTTP/1.1\r\nhost: bench\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"cache-control: max-age={fresh}\r\n".encode() in head
        assert await reader.readexactly(len(body_of("k"))) == body_of("k")
        writer.close()


async def test_a_question_whose_asker_leaves_is_over() -> None:
    async with flaky(body_of) as origin:
        origin.begin(always(Manner(seconds=60.0)))
        way = Way("none", origin.port, "/x/{}", origin)
        hasty = Callers(way, patience=0.05, headers=NO_HEADERS)
        assert not (await hasty.ask("k")).right
        await asyncio.gather(*(hasty.ask("other") for _ in range(2)))
        assert origin.visits[0].went is not None
        assert most_at_once(origin.visits[1:]) == 2


async def test_another_truth_than_the_origins_is_not_right() -> None:
    async with flaky(body_of) as origin, flaky(lambda key: b"else") as truthful:
        callers = Callers(Way("liar", origin.port, "/x/{}", truthful), patience=5.0, headers=NO_HEADERS)
        assert not (await callers.ask("k")).right
        callers.close()


async def test_nobody_at_the_door_is_an_answer_that_is_not_right() -> None:
    async with flaky(body_of) as origin:
        port = origin.port
    callers = Callers(Way("gone", port, "/x/{}", origin), patience=1.0, headers=NO_HEADERS)
    assert not (await callers.ask("k")).right
    assert success(callers.taken) == 0


async def test_callers_at_a_pace_wait_for_no_answer_but_for_the_last() -> None:
    async with origin_alone() as (origin, callers):
        origin.begin(always(Manner(seconds=0.15)))
        async with callers.steadily(["a", "b"], 200.0):
            while len(origin.visits) < 20:
                await callers.ask("c")
        assert most_at_once(origin.visits) > 10
        assert success(callers.taken) == 1.0
        assert len(callers.taken) == len(origin.visits)
        asked = Counter(visit.key for visit in origin.visits)
        assert abs(asked["a"] - asked["b"]) <= 1


async def test_a_herd_comes_all_at_once_each_on_a_connection_of_its_own() -> None:
    async with origin_alone() as (origin, callers):
        origin.begin(always(Manner(seconds=0.1)))
        await callers.herd("k", 50)
        assert most_at_once(origin.visits) == len(origin.visits) == 50
        assert success(callers.taken) == 1.0


async def test_a_proxy_that_never_answers_well_cannot_be_measured() -> None:
    async with origin_alone() as (origin, callers):
        origin.begin(always(ILL))
        with pytest.raises(CannotMeasure, match="none has no good answer"):
            await callers.warm(["k"], seconds=0.05)


async def test_without_a_proxy_half_of_all_tries_fail_and_each_is_one_call() -> None:
    async with flaky(body_of) as origin:
        amounts = quick(seed=7)
        found = await three_attempts(Way("none", origin.port, "/x/{}", origin), amounts)
    assert found == {
        "success_three_attempts": 0.5,
        "amplification_three_attempts": 1.0,
        "most_calls_for_one_question": 1,
    }


@pytest.mark.parametrize("symbol", ["ABC", "T00001", "STANDING"])
def test_charts_of_all_symbols_are_good_and_of_that_symbol(symbol: str) -> None:
    bars = yahoo_finance.chart(json.loads(charts(NOW)(symbol)), {"symbol": symbol, "interval": "1d"})
    assert len(bars.rows) >= 2
    assert b"STANDIN" not in charts(NOW)("ABC")


@pytest.mark.parametrize("base", ["USD", "EUR", "AAA"])
def test_exchange_rates_are_good_and_of_the_day(base: str) -> None:
    found = exchange_rate_api.latest(json.loads(rates(base, NOW)), {"base": base})
    assert found.base == base
    assert found.as_of is not None
    assert found.as_of <= NOW < found.as_of + timedelta(days=1)


METRICS = """# TYPE healing_breaker_state gauge
healing_breaker_state{endpoint="/quote",source="yahoo_finance"} 0.0
healing_breaker_state{endpoint="/chart",source="yahoo_finance"} 2.0
"""


def test_the_circuit_is_told_by_the_metrics_or_nothing_is_measured() -> None:
    assert level_of(METRICS) == 2
    with pytest.raises(CannotMeasure, match="0 times"):
        level_of("")


def test_the_product_goes_through_it_with_its_own_times_unless_it_is_to_be_quick() -> None:
    assert healings(full(1))["ours"] == {"breaker": {}, "retry_budget": {}}
    hurried = healings(quick(1))["ours"]
    assert hurried == {
        "breaker": {"open_base": quick(1).pause},
        "retry_budget": {"window": quick(1).window},
    }
    assert quick(1).pause < full(1).pause


@pytest.mark.parametrize("name", ["ours", "tries", "budgeted"])
@pytest.mark.parametrize("amounts", [full(1), quick(1)])
async def test_the_product_accepts_each_configuration(name: str, amounts: Amounts, tmp_path: Path) -> None:
    async with flaky(body_of) as tables:
        place = Place(name, tmp_path, "http://127.0.0.1:1", core=1, spare_core=0)
        sections = {"sources": sources(place, tables), "healing": healings(amounts)[name]}
        file = tmp_path / "healing_config.yaml"
        file.write_text(json.dumps(configuration(place, None) | sections))
        settings = load_settings(file, {})
        assert settings.sources["exchange_rate_api"].hosts == (f"http://127.0.0.1:{tables.port}",)
        assert settings.sources["yahoo_finance"].hosts == ("http://127.0.0.1:1",)
        assert all(source.quota == () for source in settings.sources.values() if source.enabled)


class Forgetful(dict[tuple[str, str], QuotaCounter]):
    """Keeps nothing of what is written down."""

    def __setitem__(self, place: tuple[str, str], counter: QuotaCounter) -> None:
        return


@pytest.mark.parametrize("seed", range(3))
def test_a_month_of_a_quota_stays_within_it_and_uses_it(seed: int) -> None:
    found = thirty_days(seed)
    assert found["quota_overruns_30_days"] == 0
    assert found["quota_use_at_reset"] >= 0.9
    assert thirty_days(seed) == found


def test_who_forgets_its_calls_at_its_end_goes_beyond_the_quota() -> None:
    assert thirty_days(1, Forgetful())["quota_overruns_30_days"] > 0


def test_the_provider_allows_what_the_settings_say_it_does() -> None:
    windows = default_sources()[SOURCE].quota
    assert {window.window: window.limit for window in windows} == {
        "second": A_SECOND,
        "minute": A_MINUTE,
        "day": A_DAY,
    }
    [day] = [window for window in windows if window.window == "day"]
    assert (day.kind, day.zone) == ("fixed", PLACE.key)


def test_a_provider_counts_by_its_calendar_and_its_minutes() -> None:
    clock, provider = MonthClock(), Provider()
    for _ in range(A_DAY):
        provider.called(clock)
        clock.seconds += 60.0
    assert (provider.overruns, provider.too_fast) == (0, 0)
    provider.called(clock)
    assert (provider.overruns, provider.too_fast) == (1, 0)
    clock.seconds = 86_400.0
    for _ in range(A_MINUTE + 1):
        provider.called(clock)
        clock.seconds += 1.0
    assert (provider.overruns, provider.too_fast) == (1, 1)
    assert provider.least_use == 0.0
    clock.seconds = 2 * 86_400.0
    provider.called(clock)
    clock.seconds += 0.9
    provider.called(clock)
    assert (provider.overruns, provider.too_fast) == (1, 2)


def test_the_monotonic_clock_of_a_month_begins_anew_with_the_machine() -> None:
    clock = MonthClock()
    clock.seconds = 100.0
    began = clock.now()
    clock.boot()
    clock.seconds += 5.0
    assert clock.monotonic() == 5.0
    assert clock.now() - began == timedelta(seconds=5)


TARGETS = protection(60.0, 2.0)


def test_every_target_of_protection_can_be_missed_and_reached() -> None:
    for target in TARGETS:
        worse = target.bound + (-0.01 if target.least else 0.01)
        assert target.reached(target.bound) is True
        assert target.reached(worse) is False
    assert {target.figure for target in TARGETS} >= {
        "success_random_5xx",
        "amplification_random_5xx",
        "amplification_outage",
        "breaker_open_s",
        "recovery_s",
        "p99_slow_third_s",
        "upstream_calls_herd",
        "quota_overruns_30_days",
        "quota_use_at_reset",
    }


FOUND = {
    "ours": {"recovery_s": 61.0, "success_herd": 1.0, "p99_outage_s": 0.25},
    "nginx": {"success_herd": 0.5},
}


def test_the_file_holds_ours_by_its_names_and_others_by_theirs() -> None:
    told = json.loads(json.dumps(document(FOUND, verdicts(FOUND["ours"], TARGETS), quick=True)))
    assert told["recovery_s"] == 61.0
    assert told["nginx_success_herd"] == 0.5
    assert told["quick"] is True
    reached = {one["figure"]: one["reached"] for one in told["reached"]}
    assert reached["recovery_s"] is False
    assert reached["success_herd"] is True
    assert reached["upstream_calls_herd"] is None


def test_people_see_every_side_and_what_is_missed_or_was_not_measured() -> None:
    lines = {line.split()[0]: line.split() for line in table(FOUND, TARGETS)}
    assert lines["recovery_s"] == ["recovery_s", "61.000", "<=", "60,", "MISSED"]
    assert lines["success_herd"] == ["success_herd", "1.000", "0.500", ">=", "1,", "reached"]
    assert lines["p99_outage_s"] == ["p99_outage_s", "0.250"]
    assert lines["upstream_calls_herd"][-2:] == ["NOT", "MEASURED"]
