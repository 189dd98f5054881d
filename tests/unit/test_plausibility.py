"""Values that cannot be, and values that are hard to believe."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.endpoint_healing.call import Finding
from autonomous_healing.endpoint_healing.codes import IMPLAUSIBLE
from autonomous_healing.endpoint_healing.options import PlausibilitySettings
from autonomous_healing.endpoint_healing.plausibility import Plausibility
from autonomous_healing.endpoint_healing.records import (
    Bar,
    Bars,
    Description,
    Quote,
    Rates,
    Record,
    Series,
)

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
BOUNDS = Plausibility(PlausibilitySettings())
DAY = timedelta(days=1)

QUOTE = Quote(symbol="SPY", price=600.0, volume=1e6, as_of=NOW)
BAR = Bar(NOW - DAY, 10.0, 12.0, 9.0, 11.0, 100.0)


def wrong(record: Record, **params: str) -> str:
    """What is found; empty where nothing is."""
    match BOUNDS.judge(record, params, NOW):
        case None:
            return ""
        case Finding(code=code, message=message):
            assert code == IMPLAUSIBLE
            return message


def quote(**changes: object) -> Quote:
    return replace(QUOTE, **changes)  # type: ignore[arg-type]


QUOTES = [
    (QUOTE, ""),
    (quote(price=0.0011), ""),
    (quote(price=1e8), ""),
    (quote(price=0.001), "price 0.001 is outside all bounds"),
    (quote(price=0.0), "price 0.0 is outside all bounds"),
    (quote(price=-5.0), "price -5.0 is outside all bounds"),
    (quote(price=1.1e8), "price 110000000.0 is outside all bounds"),
    (quote(volume=0.0), ""),
    (quote(volume=None), ""),
    (quote(volume=-1.0), "volume -1 is negative"),
    (quote(as_of=None), "a quote without a time"),
    (quote(as_of=NOW + timedelta(seconds=300)), ""),
    (quote(as_of=NOW + timedelta(seconds=301)), "quote from the future: 2026-03-02T15:05:01Z"),
    (quote(as_of=NOW - 7 * DAY), ""),
    (quote(as_of=NOW - 7 * DAY - timedelta(seconds=1)), "quote from 2026-02-23"),
]


@pytest.mark.parametrize(("record", "message"), QUOTES)
def test_a_quote_within_and_outside_its_bounds(record: Quote, message: str) -> None:
    assert wrong(record) == message


def bar(**changes: object) -> Bar:
    return replace(BAR, **changes)  # type: ignore[arg-type]


BARS = [
    (BAR, ""),
    (bar(o=None, h=None, l=None, c=None, v=None), ""),
    (bar(h=11.0), ""),
    (bar(h=10.9), "high below open or close at 2026-03-01"),
    (bar(o=12.5), "high below open or close at 2026-03-01"),
    (bar(h=11.0 - 1e-9), ""),
    (bar(l=10.0), ""),
    (bar(l=10.5), "low above open or close at 2026-03-01"),
    (bar(c=8.0), "low above open or close at 2026-03-01"),
    (bar(h=None, l=None), ""),
    (bar(c=-11.0), "price -11.0 at 2026-03-01 is outside all bounds"),
    (bar(l=0.0), "price 0.0 at 2026-03-01 is outside all bounds"),
    (bar(v=-1.0), "volume -1 at 2026-03-01 is negative"),
    (bar(v=0.0), ""),
    (bar(t=NOW + timedelta(seconds=301)), "bar from the future: 2026-03-02T15:05:01Z"),
]


@pytest.mark.parametrize(("row", "message"), BARS)
def test_a_bar_within_and_outside_its_bounds(row: Bar, message: str) -> None:
    assert wrong(Bars(symbol="SPY", interval=86400.0, rows=(row,))) == message


@pytest.mark.parametrize(
    ("days", "newest_first", "sound"),
    [
        ((3, 2, 1), False, True),
        ((1, 2, 3), True, True),
        ((1, 2, 3), False, False),
        ((3, 2, 1), True, False),
        ((3, 2, 2), False, False),
        ((3, 1, 2), False, False),
    ],
)
def test_bars_run_in_the_direction_that_was_asked_for(
    days: tuple[int, ...], newest_first: bool, sound: bool
) -> None:
    rows = tuple(bar(t=NOW - day * DAY) for day in days)
    found = wrong(Bars(symbol="SPY", interval=86400.0, rows=rows, newest_first=newest_first))
    assert found == ("" if sound else "times of the bars do not run in one direction")


def series(*days: int) -> Series:
    return Series(id="DGS10", observations=tuple((date(2026, 2, day), 4.0) for day in days))


@pytest.mark.parametrize(
    ("record", "params", "sound"),
    [
        (series(1, 2, 3), {}, True),
        (series(3, 2, 1), {}, True),
        (series(1), {}, True),
        (series(1, 3, 2), {}, False),
        (series(1, 1, 2), {}, False),
        (series(1, 1, 2), {"realtime_start": "2020-01-01"}, True),  # several vintages of one day
    ],
)
def test_observations_run_in_one_direction_vintages_aside(
    record: Series, params: dict[str, str], sound: bool
) -> None:
    assert bool(wrong(record, **params)) is not sound


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (Rates(base="USD", as_of=NOW + timedelta(seconds=300), next_update=None, rates={}), ""),
        (
            Rates(base="USD", as_of=NOW + timedelta(seconds=301), next_update=None, rates={}),
            "rates from the future",
        ),
        (Rates(base="USD", as_of=None, next_update=None, rates={}), ""),
        (Description(id="DGS10", published=None, updated=date(2026, 3, 3)), ""),
        (
            Description(id="DGS10", published=None, updated=date(2026, 3, 4)),
            "last updated on 2026-03-04",
        ),
        (Description(id="DGS10", published=None, updated=None), ""),
    ],
)
def test_nothing_comes_from_the_future(record: Record, message: str) -> None:
    assert wrong(record) == message


@pytest.mark.parametrize(
    ("record", "suspect"),
    [
        (quote(change_pct=50.0), False),
        (quote(change_pct=50.1), True),
        (quote(change_pct=-50.1), True),
        (quote(change_pct=None), False),
        (Bars(symbol="SPY", interval=None, rows=(BAR,)), False),
    ],
)
def test_a_great_change_is_believed_only_just(record: Record, suspect: bool) -> None:
    assert BOUNDS.suspect(record) is suspect
    assert wrong(record) == ""


def test_an_operator_may_set_the_bounds() -> None:
    narrow = Plausibility(PlausibilitySettings(min_price=500.0, max_price=550.0, max_age_days=1))
    assert narrow.judge(QUOTE, {}, NOW) is not None
    assert narrow.judge(quote(price=520.0), {}, NOW) is None
    assert narrow.judge(quote(price=520.0, as_of=NOW - 2 * DAY), {}, NOW) is not None


prices = st.floats(0.002, 1e7)


@given(prices, prices, prices, prices)
def test_a_bar_is_sound_when_open_and_close_lie_within(
    opened: float, high: float, low: float, closed: float
) -> None:
    row = Bar(NOW - DAY, opened, high, low, closed, None)
    slack = 1e-6 * max(opened, high, low, closed)
    sound = high >= max(opened, closed) - slack and low <= min(opened, closed) + slack
    assert (wrong(Bars(symbol="X", interval=60.0, rows=(row,))) == "") is sound
