"""The exchange's own calendar, as its library knows it, from a process that knows nothing else."""

import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from autonomous_healing.endpoint_healing.freshness import AlwaysOpen
from autonomous_healing.endpoint_healing.market_hours import (
    CalendarUnread,
    UnknownCalendar,
    load_market_hours,
)

NOW = datetime(2026, 7, 6, 15, 0, tzinfo=UTC)


def script(folder: Path, text: str) -> str:
    """A program that takes the place of the one that reads the calendar."""
    file = folder / "calendar.py"
    file.write_text(text)
    return str(file)


async def test_new_york_rests_on_its_holidays_and_closes_early_before_them() -> None:
    hours = await load_market_hours("XNYS", NOW)
    thursday, sunday = datetime(2026, 7, 2, tzinfo=UTC), datetime(2026, 7, 5, tzinfo=UTC)
    assert hours.open_seconds(thursday, sunday) == 6.5 * 3600  # the third was a holiday
    assert hours.last_session(sunday) == date(2026, 7, 2)
    november = datetime(2026, 11, 27, tzinfo=UTC)  # the day after Thanksgiving
    assert hours.open_seconds(november, november.replace(day=28)) == 3.5 * 3600


async def test_the_sessions_reach_from_40_days_ago_to_a_year_ahead() -> None:
    hours = await load_market_hours("XNYS", NOW)
    assert hours.last_session(NOW.replace(month=5, day=30)) == date(2026, 5, 29)
    assert hours.last_session(NOW.replace(month=5, day=27)) is None
    assert hours.last_session(NOW.replace(year=2028)) == date(2027, 7, 6)


async def test_a_calendar_goes_by_its_name() -> None:
    assert isinstance(await load_market_hours("always_open", NOW), AlwaysOpen)
    for name in ("NOWHERE", "", "--help"):
        with pytest.raises(UnknownCalendar, match=f"unknown market calendar '{name}'; XNYS is one"):
            await load_market_hours(name, NOW)


async def test_a_calendar_that_is_not_told_in_time_is_not_waited_for(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    waits = script(
        tmp_path, f"import os, signal\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\nsignal.pause()"
    )

    with pytest.raises(CalendarUnread, match=r"the calendar XNYS is not there after 2 s"):
        await load_market_hours("XNYS", NOW, seconds=2.0, program=waits)

    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise SystemExit('no such library')", "no such library"),
        ("import os; os.kill(os.getpid(), 9)", "-9"),
        ("print('[[1, 2]]')", "Expected"),
        ("print('')", "truncated"),
    ],
)
async def test_a_calendar_that_cannot_be_read_says_why(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(CalendarUnread, match=f"the calendar XNYS cannot be read: .*{why}"):
        await load_market_hours("XNYS", NOW, program=script(tmp_path, text))
