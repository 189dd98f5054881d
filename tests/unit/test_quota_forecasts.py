"""When nothing will be left of a limit, said before it is so."""

from datetime import timedelta

import pytest
from tests.clock import ManualClock, WallClock

from autonomous_healing.endpoint_healing.codes import RATE_LIMITED
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quota import QuotaLedger, QuotaSpent
from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings
from autonomous_healing.endpoint_healing.quotas.readings import QuotaReading
from autonomous_healing.endpoint_healing.quotas.tally import Tally

HOUR = 3600.0

FIXED_DAY = QuotaWindowSettings(window="day", limit=240, kind="fixed")
MINUTE = QuotaWindowSettings(window="minute", limit=60)


def ask_steadily(ledger: QuotaLedger, clock: ManualClock, calls: int, every: float) -> None:
    for _ in range(calls):
        ledger.charge("", 1, Purpose.RETRY)
        clock.pass_time(every)


@pytest.mark.parametrize(
    ("calls", "every", "rate"),
    [(0, 1.0, 0.0), (6000, 1.0, 1.0), (600, 10.0, 0.1), (1, 0.0, 0.0115525), (60, 10.0, 0.0984)],
)
def test_the_rate_is_that_of_late(calls: int, every: float, rate: float) -> None:
    tally, now = Tally(600.0, exact=False), 0.0
    for _ in range(calls):
        tally.forget(now)
        tally.add(now, 1)
        now += every
    assert tally.rate(now, 60.0) == pytest.approx(rate, rel=0.06)


def test_a_call_weighs_half_after_its_half_life() -> None:
    tally = Tally(600.0, exact=True)
    tally.add(0.0, 100)
    assert tally.rate(60.0, 60.0) == pytest.approx(tally.rate(0.0, 60.0) / 2)


@pytest.mark.parametrize(
    ("every", "hours"),
    [
        (600.0, None),  # at noon 72 are used; at 6 an hour 72 more will be
        (400.0, None),  # 108, and as many more
        (300.0, 8.0),  # 144, and 96 last for 8 hours at 12 an hour
        (240.0, 4.0),
        (200.0, 1.33),
    ],
)
def test_a_fixed_window_that_will_not_last_is_foretold(every: float, hours: float | None) -> None:
    clock = WallClock("2026-03-02T00:00")
    ledger = QuotaLedger("x", [FIXED_DAY], clock)
    ask_steadily(ledger, clock, int(12 * HOUR / every), every)
    found = [(one.window, one.is_pace, one.code, one.resets_in) for one in ledger.forecasts()]
    if hours is None:
        assert found == []
        return
    assert found == [("day", False, "FORECAST.QUOTA_EXHAUSTION", timedelta(hours=12))]
    assert ledger.forecasts()[0].eta.total_seconds() / HOUR == pytest.approx(hours, rel=0.05)


@pytest.mark.parametrize(
    ("calls", "every", "pause", "seconds"),
    [
        (0, 1.0, 0.0, None),
        (600, 60 / 54, 0.0, None),  # 54 a minute, for ever
        (45, 1 / 1.5, 0.0, 10.0),  # the last 15 of 60, at 1.5 a second
        (50, 0.0, 0.0, 1.73),  # a crowd
        (50, 0.0, 30.0, None),  # which has gone
    ],
)
def test_a_sliding_window_that_will_not_last_is_foretold(
    calls: int, every: float, pause: float, seconds: float | None
) -> None:
    clock = ManualClock()
    ledger = QuotaLedger("x", [MINUTE], clock)
    ask_steadily(ledger, clock, calls, every)
    clock.pass_time(pause)
    found = ledger.forecasts()
    assert [(one.window, one.is_pace, one.resets_in) for one in found] == (
        [] if seconds is None else [("minute", True, None)]
    )
    assert seconds is None or found[0].eta.total_seconds() == pytest.approx(seconds, rel=0.08)


def test_a_forecast_comes_true() -> None:
    clock = WallClock("2026-03-02T00:00")
    ledger = QuotaLedger("x", [FIXED_DAY], clock)
    ask_steadily(ledger, clock, 144, 300.0)
    [forecast] = ledger.forecasts()
    expected = clock.monotonic() + forecast.eta.total_seconds()
    with pytest.raises(QuotaSpent):
        ask_steadily(ledger, clock, 144, 300.0)
    assert clock.monotonic() == pytest.approx(expected, rel=0.02)


def test_a_forecast_ends_with_what_it_foretold() -> None:
    clock = WallClock("2026-03-02T00:00")
    ledger = QuotaLedger("x", [FIXED_DAY], clock)
    ask_steadily(ledger, clock, 144, 300.0)
    assert ledger.forecasts()
    clock.pass_time(6 * HOUR)  # nobody asks any more
    assert ledger.forecasts() == []


def test_a_reading_says_all_of_a_window() -> None:
    clock = WallClock("2026-03-02T00:00")
    ledger = QuotaLedger("x", [FIXED_DAY, MINUTE], clock)
    ledger.open(["x#1"])
    for _ in range(48):
        ledger.charge("x#1", 1, Purpose.RETRY)
    clock.pass_time(30.0)
    day, minute = ledger.readings()
    assert day == QuotaReading(
        source="x",
        key_alias="x#1",
        window="day",
        seconds=86_400.0,
        kind="fixed",
        declared=240,
        estimated=None,
        limit=240,
        used=48,
        remaining=192,
        resets_in=timedelta(seconds=86_370.0),
        share=0.2,
        eta=day.eta,
        forecast="FORECAST.QUOTA_EXHAUSTION",
    )
    assert (minute.kind, minute.used, minute.remaining, minute.resets_in) == (
        "sliding",
        48,
        12,
        timedelta(seconds=30.0),
    )


def test_of_an_unknown_limit_only_its_use_is_read() -> None:
    ledger = QuotaLedger("x", [], ManualClock())
    ledger.throttled("", RATE_LIMITED, None)
    ledger.charge()
    [reading] = ledger.readings()
    assert (reading.window, reading.used, reading.kind) == ("minute", 1, "sliding")
    assert (reading.limit, reading.declared, reading.remaining, reading.share, reading.eta) == (None,) * 5
