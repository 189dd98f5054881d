"""The last good copies: how long they serve, and as what."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.clock import ManualClock
from tests.world import World

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.cache import OLDEST, ResponseCache
from autonomous_healing.endpoint_healing.caching.directives import RequestDirectives
from autonomous_healing.endpoint_healing.call import Call, Response
from autonomous_healing.endpoint_healing.fidelity import Fidelity, Policy
from autonomous_healing.endpoint_healing.freshness import AlwaysOpen, MarketHours, Sessions
from autonomous_healing.endpoint_healing.keeping import Keeping
from autonomous_healing.endpoint_healing.options import CacheSettings
from autonomous_healing.endpoint_healing.records import Series

WORLD = World()
CHART = WORLD.call("yahoo_finance/chart")
MB = 1_048_576
STALE = frozenset({Fidelity.STALE})

GOOD = Response(
    status=200,
    content_type="application/json",
    body=b"good",
    source="yahoo_finance",
    host="https://query1.test",
    fetched_at=datetime(2026, 3, 2, 15, 0, tzinfo=UTC),
)


def cache(clock: ManualClock, **settings: int) -> ResponseCache:
    return ResponseCache(CacheSettings(**settings), clock)  # type: ignore[arg-type]


#: Question, seconds for which a copy is the answer itself, and for which it may heal after that.
WINDOWS: list[tuple[str, Mapping[str, str], float, float]] = [
    ("yahoo_finance/quote", {}, 5, 60),
    ("yahoo_finance/chart", {"interval": "5m"}, 30, 900),
    ("yahoo_finance/chart", {}, 900, 129_600),
    ("fred_api/observations", {}, 3600, 604_800),
    ("exchange_rate_api/latest", {}, 900, 86_400),
    ("fred_api/series", {}, 900, 86_400),
    ("alpha_vantage/query", {"function": "RSI"}, 900, 86_400),
    ("alpha_vantage/query", {"function": "GLOBAL_QUOTE"}, 5, 60),
    ("alpha_vantage/query", {"function": "TIME_SERIES_DAILY"}, 900, 129_600),
    ("alpha_vantage/query", {"function": "TIME_SERIES_INTRADAY"}, 30, 900),
    ("alpha_vantage/query", {"function": "CURRENCY_EXCHANGE_RATE"}, 900, 86_400),
    ("polygon_io/v2/aggs", {"timespan": "minute"}, 30, 900),
    ("polygon_io/v2/aggs", {}, 900, 129_600),
]


@pytest.mark.parametrize(("place", "params", "fresh", "if_error"), WINDOWS)
def test_a_copy_is_exact_then_stale_then_nothing(
    place: str, params: Mapping[str, str], fresh: float, if_error: float
) -> None:
    clock = ManualClock()
    copies, call = cache(clock), WORLD.call(place, **params)
    copies.keep(call, GOOD)
    for pause, level in [(0.0, Fidelity.EXACT), (fresh, Fidelity.EXACT), (1.0, Fidelity.STALE)]:
        clock.pass_time(pause)
        found = copies.last_good(call)
        assert found == replace(GOOD, fidelity=level, age=clock.monotonic())
    clock.pass_time(if_error - 1.0)
    assert copies.last_good(call) is not None
    clock.pass_time(0.1)
    assert copies.last_good(call) is None


@pytest.mark.parametrize(
    "unworthy",
    [
        replace(GOOD, suspect=True),
        replace(GOOD, age=3.0),
        replace(GOOD, fidelity=Fidelity.STALE),
        replace(GOOD, fidelity=Fidelity.REDUCED, truncated=True),
        replace(GOOD, fidelity=Fidelity.SUBSTITUTE),
        replace(GOOD, body=b"x" * (5 * MB + 1)),
        replace(GOOD, status=302),
        replace(GOOD, keeping=Keeping(allowed=False)),
    ],
    ids=["suspect", "aged", "stale", "reduced", "substitute", "huge", "redirect", "forbidden"],
)
def test_what_is_not_good_in_full_is_not_kept(unworthy: Response) -> None:
    copies = cache(ManualClock())
    copies.keep(CHART, unworthy)
    assert len(copies) == 0


def test_an_unworthy_answer_leaves_the_good_one_alone() -> None:
    copies = cache(ManualClock())
    copies.keep(CHART, GOOD)
    copies.keep(CHART, replace(GOOD, body=b"odd", suspect=True))
    found = copies.last_good(CHART)
    assert found is not None
    assert found.body == b"good"


def test_a_new_copy_replaces_the_old_one() -> None:
    clock = ManualClock()
    copies = cache(clock)
    copies.keep(CHART, GOOD)
    clock.pass_time(100.0)
    copies.keep(CHART, replace(GOOD, body=b"better"))
    found = copies.last_good(CHART)
    assert found is not None
    assert (found.body, found.age, len(copies), copies.bytes_held) == (b"better", 0.0, 1, 6)


def age_of(copies: ResponseCache) -> float | None:
    found = copies.last_good(CHART)
    return found.age if found else None


def test_a_slow_answer_is_old_when_it_comes() -> None:
    clock = ManualClock()
    copies = cache(clock)
    copies.keep(CHART, GOOD, took=4.0)
    clock.pass_time(1.0)
    assert age_of(copies) == 5.0


@pytest.mark.parametrize(
    ("keeping", "exact_for", "stale_for"),
    [
        (Keeping(fresh=10.0), 10.0, 129_610.0),
        (Keeping(fresh=3600.0), 3600.0, 133_200.0),
        (Keeping(fresh=60.0, age=45.0), 15.0, 129_615.0),
        (Keeping(age=45.0), 855.0, 130_455.0),
    ],
)
def test_the_provider_s_own_word_on_freshness_goes_before_ours(
    keeping: Keeping, exact_for: float, stale_for: float
) -> None:
    for passed, level in [
        (exact_for, Fidelity.EXACT),
        (exact_for + 1.0, Fidelity.STALE),
        (stale_for, Fidelity.STALE),
        (stale_for + 1.0, None),
    ]:
        clock = ManualClock()
        copies = cache(clock)
        copies.keep(CHART, replace(GOOD, keeping=keeping))
        clock.pass_time(passed)
        found = copies.last_good(CHART)
        assert (found.fidelity if found else None) is level
        assert found is None or found.age == passed + keeping.age


def test_an_answer_that_is_never_fresh_may_still_heal() -> None:
    copies = cache(ManualClock())
    copies.keep(CHART, replace(GOOD, keeping=Keeping(fresh=0.0)), took=0.1)
    found = copies.last_good(CHART)
    assert found is not None
    assert found.fidelity is Fidelity.STALE


def test_a_copy_that_turned_out_older_is_dated_back_and_never_forward() -> None:
    copies = cache(ManualClock())
    copies.date_back(CHART, 9.0)  # there is none yet
    copies.keep(CHART, GOOD, took=5.0)
    copies.date_back(CHART, 900.0)
    assert age_of(copies) == 900.0
    copies.date_back(CHART, 10.0)
    assert age_of(copies) == 900.0
    copies.date_back(CHART, 1e9)
    assert age_of(copies) is None


def charts(*symbols: str) -> list[Call]:
    return [WORLD.call("yahoo_finance/chart", symbol=symbol) for symbol in symbols]


def test_the_one_not_used_for_longest_goes_first() -> None:
    copies = cache(ManualClock(), max_entries=3)
    a, b, c, d = charts("A", "B", "C", "D")
    for call in (a, b, c):
        copies.keep(call, GOOD)
    assert copies.last_good(a)
    copies.keep(d, GOOD)
    assert [copies.last_good(call) is not None for call in (a, b, c, d)] == [True, False, True, True]


def test_copies_weigh_no_more_than_allowed() -> None:
    copies = cache(ManualClock(), max_mb=1)
    half = replace(GOOD, body=b"x" * (MB // 2))
    calls = charts("A", "B", "C")
    for call in calls:
        copies.keep(call, half)
    assert [copies.last_good(call) is not None for call in calls] == [False, True, True]
    assert copies.bytes_held == MB


def test_different_questions_have_different_copies() -> None:
    copies = cache(ManualClock())
    spy, qqq = charts("SPY", "QQQ")
    copies.keep(spy, GOOD)
    assert copies.last_good(qqq) is None
    assert copies.last_good(WORLD.call("yahoo_finance/quote", symbol="SPY")) is None


def test_the_same_question_in_another_order_has_the_same_copy() -> None:
    copies = cache(ManualClock())
    copies.keep(CHART, GOOD)
    turned = replace(CHART, params=dict(reversed(dict(CHART.params).items())))
    assert copies.last_good(turned) is not None


def test_the_same_question_with_other_leave_has_the_same_copy() -> None:
    copies = cache(ManualClock())
    copies.keep(CHART, GOOD)
    assert copies.last_good(WORLD.call("yahoo_finance/chart", "exact")) is not None


def dgs10(published: date, limit: str = "10") -> tuple[Call, Response]:
    record = Series(id="DGS10", observations=((date(2026, 3, 1), 4.1),), published=published)
    return WORLD.call("fred_api/observations", limit=limit), replace(GOOD, source="fred_api", record=record)


def test_a_later_edition_of_a_series_puts_an_end_to_all_copies_of_the_earlier() -> None:
    copies = cache(ManualClock())
    monday, tuesday = date(2026, 3, 2), date(2026, 3, 3)
    (ten, early), (hundred, late) = dgs10(monday), dgs10(tuesday, "100")
    copies.keep(*dgs10(monday))
    copies.keep(*dgs10(monday, "20"))
    copies.keep(CHART, GOOD)
    copies.keep(hundred, late)
    assert copies.last_good(ten) is None
    assert [copies.last_good(one) is not None for one in (hundred, CHART)] == [True, True]
    copies.keep(ten, early)  # an old edition, from some cache on the way
    assert copies.last_good(hundred) is not None
    assert len(copies) == 3


def test_copies_are_forgotten_by_source_or_endpoint_or_all() -> None:
    def full() -> ResponseCache:
        copies = cache(ManualClock())
        for call in charts("A", "B"):
            copies.keep(call, GOOD)
        copies.keep(WORLD.call("yahoo_finance/quote"), GOOD)
        copies.keep(*dgs10(date(2026, 3, 2)))
        return copies

    forgotten = [
        full().forget_all(source="yahoo_finance"),
        full().forget_all(place="yahoo_finance/chart"),
        full().forget_all(source="fred_api", place="yahoo_finance/chart"),
        full().forget_all(),
    ]
    assert forgotten == [3, 2, 0, 4]
    emptied = full()
    emptied.forget_all()
    assert (len(emptied), emptied.bytes_held) == (0, 0)


def test_the_windows_after_its_lifetime_do_not_run_while_the_exchange_is_closed() -> None:
    clock = ManualClock(datetime(2026, 3, 6, 20, 59, 58, tzinfo=UTC))  # a Friday, before the closing bell
    friday = (datetime(2026, 3, 6, 14, 30, tzinfo=UTC), datetime(2026, 3, 6, 21, 0, tzinfo=UTC))
    monday = (datetime(2026, 3, 9, 13, 30, tzinfo=UTC), datetime(2026, 3, 9, 20, 0, tzinfo=UTC))
    copies = ResponseCache(CacheSettings(), clock, Sessions((friday, monday)))
    quote, rates = WORLD.call("yahoo_finance/quote"), WORLD.call("exchange_rate_api/latest")
    for call in (quote, rates):
        copies.keep(call, GOOD)
    clock.pass_time(2 * 86_400.0)
    weekend = copies.last_good(quote)
    assert weekend is not None
    assert (weekend.fidelity, weekend.age) == (Fidelity.STALE, 2 * 86_400.0)
    assert copies.last_good(rates) is None
    clock.pass_time((monday[0] - clock.now()).total_seconds() + 70.0)
    assert copies.last_good(quote) is None


def test_what_turned_out_older_answers_nobody_by_itself() -> None:
    copies = cache(ManualClock())
    copies.keep(CHART, GOOD)
    assert copies.reuse(CHART) is not None
    copies.date_back(CHART, 1.0)
    assert copies.reuse(CHART) is None
    assert copies.reuse(CHART) is None
    assert copies.named(CHART.resource) is None


def test_what_was_asked_for_before_copies_were_forgotten_is_not_kept() -> None:
    clock = ManualClock()
    copies = cache(clock)
    clock.pass_time(10.0)
    copies.forget_all(place="yahoo_finance/chart")
    clock.pass_time(1.0)
    copies.keep(CHART, GOOD, took=2.0)
    assert len(copies) == 0
    copies.keep(CHART, GOOD, took=0.5)
    assert len(copies) == 1
    clock.pass_time(1.0)
    assert copies.forget(CHART.resource)
    copies.keep(CHART, GOOD, took=0.5)
    assert len(copies) == 0


def test_what_comes_back_replaces_nothing_newer() -> None:
    copies = cache(ManualClock())
    copies.keep(CHART, replace(GOOD, body=b"newer"))
    copies.put_back(CHART, GOOD, age=5.0, doubted=False, looked_at=0.0)
    found = copies.last_good(CHART)
    assert found is not None
    assert found.body == b"newer"


def test_room_that_is_made_for_others_forbids_nothing() -> None:
    clock = ManualClock()
    copies = cache(clock, max_entries=1)
    clock.pass_time(10.0)
    a, b = charts("A", "B")
    copies.keep(a, GOOD)
    copies.keep(b, GOOD)
    copies.keep(a, GOOD, took=1.0)
    assert copies.last_good(a) is not None


@pytest.mark.parametrize("hours", [None, Sessions(()), AlwaysOpen()])
def test_an_age_beyond_all_reason_is_an_age(hours: MarketHours | None) -> None:
    copies = ResponseCache(CacheSettings(), ManualClock(), hours)
    copies.keep(CHART, replace(GOOD, keeping=Keeping(age=float("inf"))))
    found = copies.last_good(CHART)
    assert found is None or found.age == OLDEST


@pytest.mark.parametrize("rule", ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=10"])
def test_where_its_source_forbids_it_nobody_gets_an_expired_copy_unasked(rule: str) -> None:
    clock = ManualClock()
    copies = cache(clock)
    source = replace(CHART.endpoint.source, while_revalidate=True)
    willing = replace(
        CHART,
        endpoint=replace(CHART.endpoint, source=source),
        policy=Policy(levels=STALE),
        wishes=RequestDirectives(max_stale=100.0),
    )
    for rules in (f"max-age=10, {rule}", "max-age=10"):
        headers = {"cache-control": rules}
        copies.keep(willing, replace(GOOD, headers=headers, keeping=Keeping(fresh=10.0)))
        clock.pass_time(11.0)
        copy = copies.latest(willing.resource)
        assert copy is not None
        given = copies.has_just_expired(copy, 11.0), copies.reuse(willing) is not None
        assert given == ((False, False) if rule in rules else (True, True))
        assert copies.last_good(willing) is not None


def test_an_expired_copy_is_no_older_than_its_caller_allows_to_heal_with() -> None:
    clock = ManualClock()
    copies = cache(clock)
    copies.keep(CHART, replace(GOOD, keeping=Keeping(fresh=10.0)))
    clock.pass_time(50.0)
    wishes = RequestDirectives(max_stale=100.0)
    given = [
        copies.reuse(replace(CHART, wishes=wishes, policy=Policy(levels=STALE, max_age=most))) is not None
        for most in (None, 50.0, 49.0)
    ]
    assert given == [True, True, False]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["keep", "come", "forget", "back", "all", "restore"]),
            st.sampled_from("ABCDE"),
            st.integers(0, 3 * MB // 4),
        ),
        max_size=40,
    )
)
@settings(deadline=None)
def test_the_bytes_held_are_those_of_the_copies_held(acts: list[tuple[str, str, int]]) -> None:
    clock = ManualClock()
    copies = cache(clock, max_mb=1, max_entries=4)
    for act, symbol, size in acts:
        [call] = charts(symbol)
        response = replace(GOOD, body=bytes(size))
        clock.pass_time(1.0)
        match act:
            case "keep":
                copies.keep(call, response)
            case "come" if copy := copies.latest(call.resource):
                head = wire.AnswerHead(1, [], None, False, frozenset(), True, 200)
                copy.came = wire.Answer(head, bytes(size // 8))
                copies.weigh(copy)
            case "forget":
                copies.forget(call.resource)
            case "back":
                copies.date_back(call, 10.0)
            case "all":
                copies.forget_all()
            case "restore":
                copies.put_back(call, response, age=5.0, doubted=size % 2 == 0, looked_at=clock.monotonic())
        held = [copies.latest(one.resource) for one in charts(*"ABCDE")]
        assert copies.bytes_held == sum(one.held for one in held if one is not None)
        assert len(copies) <= 4
