"""When a fixed window begins anew, by date, time of day and zone."""

import zoneinfo
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings
from autonomous_healing.endpoint_healing.quotas.periods import longest, period_at

ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")


def fixed(window: str | float, reset: str = "00:00", zone: str = "UTC") -> QuotaWindowSettings:
    return QuotaWindowSettings.model_validate(
        {"window": window, "limit": 1, "kind": "fixed", "reset": reset, "zone": zone}
    )


def unix(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def around(window: QuotaWindowSettings, at: str) -> tuple[str, str]:
    """The resets before and after, in UTC."""
    period = period_at(window, unix(at))
    start, end = (datetime.fromtimestamp(one, UTC) for one in (period.start, period.end))
    return start.strftime("%m-%d %H:%M:%S"), end.strftime("%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        (fixed("second"), "03-02 15:07:42", "03-02 15:07:43"),
        (fixed("minute"), "03-02 15:07:00", "03-02 15:08:00"),
        (fixed("hour"), "03-02 15:00:00", "03-02 16:00:00"),
        (fixed(900.0), "03-02 15:00:00", "03-02 15:15:00"),
        (fixed("day"), "03-02 00:00:00", "03-03 00:00:00"),
        (fixed("day", "15:07"), "03-02 15:07:00", "03-03 15:07:00"),
        (fixed("day", "15:08"), "03-01 15:08:00", "03-02 15:08:00"),
        (fixed("day", zone="America/New_York"), "03-02 05:00:00", "03-03 05:00:00"),
        (fixed("month"), "03-01 00:00:00", "04-01 00:00:00"),
        (fixed("month", "12:00"), "03-01 12:00:00", "04-01 12:00:00"),
        (fixed("month", "3 00:00"), "02-03 00:00:00", "03-03 00:00:00"),
        (fixed("month", "31 00:00"), "02-28 00:00:00", "03-31 00:00:00"),
    ],
)
def test_a_window_begins_where_its_settings_say(window: QuotaWindowSettings, start: str, end: str) -> None:
    assert around(window, "2026-03-02T15:07:42") == (start, end)


@pytest.mark.parametrize(
    ("reset", "at", "hours"),
    [
        ("00:00", "2026-03-08T12:00", 23.0),
        ("00:00", "2026-11-01T12:00", 25.0),
        ("00:00", "2026-11-02T12:00", 24.0),
        ("02:30", "2026-03-07T12:00", 24.0),  # 02:30 is skipped on the 8th: 03:30 stands for it
        ("02:30", "2026-03-08T12:00", 23.0),
        ("01:30", "2026-10-31T12:00", 24.0),  # 01:30 comes twice on the 1st: the first counts
        ("01:30", "2026-11-01T12:00", 25.0),
    ],
)
def test_days_in_new_york_have_23_24_or_25_hours(reset: str, at: str, hours: float) -> None:
    period = period_at(fixed("day", reset, "America/New_York"), unix(at))
    assert period.seconds / 3600 == hours


@pytest.mark.parametrize(
    ("at", "days"),
    [("2026-01-15", 31), ("2026-02-15", 28), ("2028-02-15", 29), ("2026-04-15", 30), ("2026-12-31", 31)],
)
def test_months_have_28_to_31_days(at: str, days: int) -> None:
    assert period_at(fixed("month"), unix(f"{at}T12:00")).seconds == days * 86_400


def test_zones_are_known_on_a_machine_that_knows_none() -> None:
    zoneinfo.reset_tzpath(())
    try:
        assert {ZoneInfo.no_cache(zone).key for zone in ZONES} == set(ZONES)
    finally:
        zoneinfo.reset_tzpath()


def test_a_day_that_a_place_skips_is_no_window() -> None:
    window = fixed("day", zone="Pacific/Apia")  # from 29 to 31 December 2011
    assert around(window, "2011-12-30T12:00") == ("12-30 10:00:00", "12-31 10:00:00")
    assert around(window, "2011-12-30T09:00") == ("12-29 10:00:00", "12-30 10:00:00")


@given(
    window=st.sampled_from(("second", "minute", "hour", "day", "month", 900.0)),
    day=st.integers(1, 31),
    time=st.times(),
    zone=st.sampled_from(ZONES),
    at=st.floats(unix("2000-01-01"), unix("2040-01-01")),
)
def test_periods_follow_each_other_without_gap_or_overlap(
    window: str | float, day: int, time: time, zone: str, at: float
) -> None:
    reset = f"{day} {time:%H:%M}" if window == "month" else f"{time:%H:%M}"
    settings = fixed(window, reset, zone)
    period = period_at(settings, at)
    assert period.start <= at < period.end
    assert period_at(settings, period.end).start == period.end
    assert period_at(settings, period.start) == period
    assert 0.9 * settings.seconds * 28 / 31 <= period.seconds <= longest(settings)


@given(zone=st.sampled_from(ZONES), day=st.dates(date(2000, 1, 1), date(2040, 1, 1)))
def test_a_day_is_the_day_of_its_place(zone: str, day: date) -> None:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone))
    period = period_at(fixed("day", zone=zone), noon.timestamp())
    start = datetime.fromtimestamp(period.start, ZoneInfo(zone))
    assert (start.hour, start.minute) == (0, 0)
