"""Whether data is as new as it must be."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from tests.world import World

from autonomous_healing.endpoint_healing.call import Finding
from autonomous_healing.endpoint_healing.codes import MISSING, STALE
from autonomous_healing.endpoint_healing.freshness import (
    AlwaysOpen,
    Freshness,
    Sessions,
)
from autonomous_healing.endpoint_healing.options import FreshnessSettings
from autonomous_healing.endpoint_healing.records import (
    Bar,
    Bars,
    Description,
    Quote,
    Rates,
    Record,
    Series,
)

WORLD = World()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def session(day: int, hours: float = 6.5) -> tuple[datetime, datetime]:
    """A trading day of March 2026, from 14:30 UTC."""
    opened = datetime(2026, 3, day, 14, 30, tzinfo=UTC)
    return opened, opened + timedelta(hours=hours)


#: Monday to Friday, a short Friday, and the next Monday.
NEW_YORK = Sessions([session(2), session(3), session(4), session(5), session(6, 3.5), session(9)])


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        (at(3, 15), at(3, 16), 1.0),
        (at(3, 12), at(3, 15), 0.5),
        (at(3, 20), at(3, 23), 1.0),
        (at(3, 21), at(4, 14, 30), 0.0),
        (at(3, 20), at(4, 15), 1.5),
        (at(2, 0), at(6, 23), 4 * 6.5 + 3.5),
        (at(6, 20), at(8, 20), 0.0),
        (at(6, 17), at(9, 15), 1.5),
        (at(3, 16), at(3, 15), 0.0),
        (at(1, 0), at(1, 23), 0.0),
        (at(9, 22), at(11, 22), 0.0),
    ],
)
def test_only_trading_time_counts(start: datetime, end: datetime, hours: float) -> None:
    assert NEW_YORK.open_seconds(start, end) == 3600 * hours


@pytest.mark.parametrize(
    ("before", "day"),
    [
        (at(2, 20, 59), None),
        (at(2, 21), date(2026, 3, 2)),
        (at(3, 15), date(2026, 3, 2)),
        (at(6, 18), date(2026, 3, 6)),
        (at(8, 12), date(2026, 3, 6)),
        (at(9, 20), date(2026, 3, 6)),
        (at(20, 0), date(2026, 3, 9)),
    ],
)
def test_knows_the_last_day_that_has_closed(before: datetime, day: date | None) -> None:
    assert NEW_YORK.last_session(before) == day


def test_no_sessions_are_never_open() -> None:
    assert Sessions(()).open_seconds(at(2, 0), at(9, 0)) == 0.0
    assert Sessions(()).last_session(at(9, 0)) is None


@pytest.mark.parametrize(
    ("before", "day"),
    [
        (at(3, 0), date(2026, 3, 2)),
        (at(2, 0), date(2026, 2, 27)),
        (at(1, 12), date(2026, 2, 27)),
        (at(7, 0), date(2026, 3, 6)),
    ],
)
def test_a_market_without_a_bell_ends_each_weekday_at_midnight(before: datetime, day: date) -> None:
    assert AlwaysOpen().last_session(before) == day
    assert AlwaysOpen().open_seconds(before, before + HOUR) == 3600.0
    assert AlwaysOpen().open_seconds(before, before - HOUR) == 0.0


def stale(place: str, record: Record, now: datetime, /, **params: str) -> str:
    """The code found at `now`; empty where the data is new enough."""
    judge = Freshness(FreshnessSettings(), NEW_YORK)
    found = judge.judge(record, WORLD.call(place, **params), now)
    return found.code if isinstance(found, Finding) else ""


def quote(as_of: datetime, *, day: bool = False) -> Quote:
    return Quote(symbol="SPY", price=600.0, as_of=as_of, as_of_day=day)


@pytest.mark.parametrize(
    ("as_of", "now", "code"),
    [
        (at(3, 15), at(3, 16), ""),
        (at(3, 15), at(3, 16, 1), STALE),
        (at(3, 21), at(4, 14), ""),
        (at(3, 20, 30), at(4, 15), ""),
        (at(3, 20, 30), at(4, 15, 1), STALE),
        (at(6, 18), at(9, 15, 30), ""),
        (at(6, 18), at(9, 15, 31), STALE),
        (at(3, 16), at(3, 15), ""),
    ],
)
def test_a_quote_may_be_an_hour_of_open_market_old(as_of: datetime, now: datetime, code: str) -> None:
    assert stale("yahoo_finance/quote", quote(as_of), now) == code


@pytest.mark.parametrize(
    ("day", "now", "code"),
    [
        (3, at(5, 20, 59), ""),
        (3, at(5, 21), STALE),
        (6, at(9, 23), ""),
        (5, at(7, 18), STALE),
        (2, at(2, 12), ""),
    ],
)
def test_a_quote_of_a_day_is_late_a_day_after_the_next_close(day: int, now: datetime, code: str) -> None:
    assert stale("alpha_vantage/query", quote(at(day, 0), day=True), now) == code


def test_a_quote_without_a_time_is_not_judged_here() -> None:
    assert stale("yahoo_finance/quote", Quote(symbol="SPY", price=600.0), at(3, 15)) == ""


def bars(newest: datetime, interval: float | None) -> Bars:
    rows = tuple(Bar(newest - n * HOUR, 1.0, 1.0, 1.0, 1.0, 1.0) for n in (2, 1, 0))
    return Bars(symbol="SPY", interval=interval, rows=rows)


@pytest.mark.parametrize(
    ("newest", "now", "code"),
    [
        (at(3, 16), at(3, 16, 25), ""),
        (at(3, 16), at(3, 16, 26), STALE),
        (at(3, 20, 55), at(4, 14, 35), ""),
        (at(3, 20, 55), at(4, 14, 51), STALE),
    ],
)
def test_short_bars_may_be_two_intervals_and_a_quarter_of_an_hour_old(
    newest: datetime, now: datetime, code: str
) -> None:
    assert stale("yahoo_finance/chart", bars(newest, 300.0), now, interval="5m") == code


@pytest.mark.parametrize(
    ("newest", "now", "code"),
    [
        (at(3, 14, 30), at(5, 20, 59), ""),
        (at(3, 14, 30), at(5, 21), STALE),
        (at(6, 14, 30), at(9, 23), ""),
        (at(6, 14, 30), at(10, 21), STALE),
        (at(2, 14, 30), at(2, 12), ""),
    ],
)
def test_daily_bars_are_late_a_day_after_the_next_close(newest: datetime, now: datetime, code: str) -> None:
    assert stale("yahoo_finance/chart", bars(newest, 86400.0), now) == code


@pytest.mark.parametrize(
    ("interval", "newest", "code"),
    [(604800.0, at(2, 0), ""), (604800.0, at(1, 0) - 3 * DAY, STALE), (2678400.0, at(1, 0) - 20 * DAY, "")],
)
def test_a_bar_of_a_week_carries_the_day_it_begins(interval: float, newest: datetime, code: str) -> None:
    assert stale("yahoo_finance/chart", bars(newest, interval), at(9, 23), interval="1wk") == code


PAST = at(2, 0) - 100 * DAY
ASKED = [
    ("polygon_io/v2/aggs", {"to": "2025-11-20"}, ""),
    ("polygon_io/v2/aggs", {"to": "2026-03-06"}, ""),
    ("polygon_io/v2/aggs", {"to": "2026-03-09"}, STALE),
    ("polygon_io/v2/aggs", {"to": "1763600000000"}, ""),
    ("polygon_io/v2/aggs", {"to": "2026-03-09", "sort": "asc", "limit": "5"}, ""),
    ("polygon_io/v2/aggs", {"to": "2026-03-09", "sort": "desc", "limit": "5"}, STALE),
    ("yahoo_finance/chart", {"period2": str(int(PAST.timestamp()))}, ""),
    ("yahoo_finance/chart", {"period2": str(int(at(9, 12).timestamp()))}, STALE),
    ("yahoo_finance/chart", {"period2": "9999999999999999"}, STALE),
    ("yahoo_finance/chart", {"period2": "now"}, STALE),
]


@pytest.mark.parametrize(("place", "params", "code"), ASKED)
@pytest.mark.parametrize("span", ["day", "minute"])
def test_a_range_that_ended_long_ago_cannot_be_too_old(
    place: str, params: dict[str, str], code: str, span: str
) -> None:
    short = {"timespan": span} if "polygon" in place else {"interval": "1m" if span == "minute" else "1d"}
    record = bars(PAST, 60.0 if span == "minute" else 86400.0)
    assert stale(place, record, at(9, 16), **params, **short) == code


def series(*days: date, published: date | None = None, last: float | None = 4.0) -> Series:
    values = [4.0] * (len(days) - 1) + [last]
    return Series(id="DGS10", observations=tuple(zip(days, values, strict=True)), published=published)


def spaced(newest: date, step: int, count: int = 6) -> list[date]:
    return [newest - timedelta(days=step * n) for n in reversed(range(count))]


@pytest.mark.parametrize(
    ("step", "most"), [(1, 5), (7, 21), (31, 106), (92, 282)], ids=["daily", "weekly", "monthly", "quarterly"]
)
def test_a_series_may_be_as_old_as_its_spacing_allows(step: int, most: int) -> None:
    today = at(9, 12)
    for days, code in [(most, ""), (most + 1, STALE)]:
        newest = today.date() - timedelta(days=days)
        assert stale("fred_api/observations", series(*spaced(newest, step)), today, limit="") == code


OLD = date(2024, 1, 1)
EXEMPT = [
    ({"limit": "", "observation_end": "2024-01-01"}, ""),
    ({"limit": "20", "sort_order": ""}, ""),  # the oldest twenty
    ({"limit": "20", "sort_order": "asc"}, ""),
    ({"limit": "20", "sort_order": "desc"}, STALE),
    ({"limit": "20", "sort_order": "desc", "offset": "20"}, ""),
    ({"limit": "20", "sort_order": "desc", "offset": "0"}, STALE),
    ({"limit": "", "sort_order": ""}, STALE),
]


@pytest.mark.parametrize(("params", "code"), EXEMPT)
def test_a_part_of_history_cannot_be_too_old(params: dict[str, str], code: str) -> None:
    found = stale("fred_api/observations", series(*spaced(OLD, 1)), at(9, 12), **params)
    assert found == code


@pytest.mark.parametrize("days", [[OLD], [OLD, OLD - 400 * DAY, OLD - 800 * DAY]])
def test_a_series_without_a_known_rhythm_is_not_judged(days: list[date]) -> None:
    assert stale("fred_api/observations", series(*days), at(9, 12), limit="") == ""


def test_a_value_that_was_due_must_be_there() -> None:
    monthly = spaced(date(2026, 2, 1), 31)
    assert stale("fred_api/observations", series(*monthly, last=None), at(9, 12), limit="") == MISSING
    daily = spaced(date(2026, 3, 6), 1)
    assert stale("fred_api/observations", series(*daily, last=None), at(9, 12), limit="") == ""


@pytest.mark.parametrize(
    ("published", "params", "code"),
    [
        (date(2026, 3, 9), {}, ""),
        (date(2026, 3, 7), {}, ""),
        (date(2026, 3, 6), {}, STALE),
        (date(2020, 1, 1), {"realtime_end": "2020-01-01"}, ""),
        (date(2020, 1, 1), {"vintage_dates": "2020-01-01"}, ""),
        (None, {}, ""),
    ],
)
def test_the_publisher_must_speak_of_today(published: date | None, params: dict[str, str], code: str) -> None:
    now = at(9, 12)
    fresh = series(*spaced(now.date(), 1), published=published)
    assert stale("fred_api/observations", fresh, now, **params) == code
    description = Description(id="DGS10", published=published, updated=None)
    assert stale("fred_api/series", description, now, **params) == code


def rates(as_of: datetime | None, next_update: datetime | None) -> Rates:
    return Rates(base="USD", as_of=as_of, next_update=next_update, rates={"EUR": 0.92})


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (rates(at(1, 0), at(9, 11)), ""),
        (rates(at(9, 0), at(9, 10, 59)), STALE),
        (rates(at(8, 10), None), ""),
        (rates(at(8, 9, 59), None), STALE),
        (rates(None, None), ""),
    ],
)
def test_rates_go_by_the_next_update_or_by_a_day(record: Rates, code: str) -> None:
    assert stale("exchange_rate_api/latest", record, at(9, 12)) == code


def test_the_weekend_is_no_excuse_for_rates() -> None:
    saturday = datetime.combine(date(2026, 3, 7), time(12), UTC)
    assert stale("exchange_rate_api/latest", rates(at(6, 0), None), saturday) == STALE
