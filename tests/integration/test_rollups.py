"""Counts by minute, hour and day, in a real PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.clock import WallClock
from tests.world import World

from autonomous_healing.database import Database, DatabaseAway
from autonomous_healing.endpoint_healing.rollups import MOST_WAITING, Rollups

START = datetime(2026, 3, 2, 15, 59, 30, tzinfo=UTC)
ROWS = """
SELECT resolution, bucket, requests, failures, caller_errors, healed, stale, substitute, p50, p95
  FROM endpoint_metrics WHERE source = 'yahoo_finance' ORDER BY resolution, bucket
"""
DAY = """
SELECT requests FROM endpoint_metrics
 WHERE resolution = 86400 AND endpoint = '/chart' AND bucket < $1
"""


class Year:
    """A world whose calls are added up."""

    def __init__(self, database: Database) -> None:
        self.clock = WallClock("2026-03-02T15:59:30")
        self.world = World(clock=self.clock)
        self.window = self.world.admission.window(self.world.endpoint("yahoo_finance/chart"))
        self.database = database
        self.rollups = self.restarted()

    def restarted(self) -> Rollups:
        """As after a stop."""
        self.rollups = Rollups(
            self.database, self.world.endpoints, self.world.admission.window, self.world.clock
        )
        return self.rollups

    def calls(self, *seconds: float, failed: int = 0) -> None:
        self.window.record_successes(seconds)
        for _ in range(failed):
            self.window.record_failure()

    async def rows(self) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await self.database.fetch(ROWS)]


async def test_each_call_counts_for_its_minute_its_hour_and_its_day(database: Database) -> None:
    year = Year(database)
    year.calls(0.1, 0.1, 0.1, failed=1)
    year.window.record_felt("fresh", 3)
    year.window.record_felt("stale", 2)
    year.window.record_felt("substitute")
    year.window.record_felt("error")
    year.window.record_caller_error()
    await year.rollups.save()
    year.world.clock.pass_time(31.0)
    year.calls(0.4)
    await year.rollups.save()
    minute, second_minute, hour, second_hour, day = [row[:8] for row in await year.rows()]
    at = START.replace(second=0)
    assert minute == (60, at, 4, 1, 1, 3, 2, 1)
    assert second_minute == (60, at + timedelta(minutes=1), 1, 0, 0, 0, 0, 0)
    assert hour == (3600, at.replace(minute=0), 4, 1, 1, 3, 2, 1)
    assert second_hour == (3600, at + timedelta(minutes=1), 1, 0, 0, 0, 0, 0)
    assert day == (86_400, at.replace(hour=0, minute=0), 5, 1, 1, 3, 2, 1)


async def test_quantiles_are_those_of_the_whole_span(database: Database) -> None:
    year = Year(database)
    for _ in range(2):
        year.calls(*[0.1] * 9)
        await year.rollups.save()
    year.calls(1.0, 1.0)
    await year.rollups.save()
    _, _, day = await year.rows()
    assert day[8:] == (pytest.approx(0.1, rel=0.07), pytest.approx(1.0, rel=0.07))


async def test_a_restart_in_the_midst_of_a_span_loses_nothing(database: Database) -> None:
    year = Year(database)
    year.calls(0.1, 0.2, failed=1)
    await year.rollups.save()
    year.restarted()
    year.calls(0.3)
    await year.rollups.save()
    assert [row[2:4] for row in await year.rows()] == [(4, 1)] * 3


async def test_nothing_is_written_where_nothing_happened(database: Database) -> None:
    year = Year(database)
    await year.rollups.save()
    assert await year.rows() == []


async def test_what_could_not_be_saved_is_saved_later(database: Database) -> None:
    year = Year(database)
    year.calls(0.1)
    await database.stop()
    with pytest.raises(DatabaseAway):
        await year.rollups.save()
    year.world.clock.pass_time(120.0)
    await database.start()
    await year.rollups.save()
    [first, *_] = await year.rows()
    assert first[:3] == (60, START.replace(second=0), 1)


async def test_of_what_waits_too_long_the_oldest_is_given_up_and_counted(database: Database) -> None:
    year = Year(database)
    for _ in range(MOST_WAITING // 2):
        year.calls(0.1)
        year.rollups.gather()
        year.world.clock.pass_time(60.0)
    assert year.rollups.given_up == 0
    for _ in range(MOST_WAITING):
        year.calls(0.1)
        year.rollups.gather()
        year.world.clock.pass_time(60.0)
    assert year.rollups.given_up > 0
    await year.rollups.save()
    [row] = await database.fetch("SELECT count(*) AS spans FROM endpoint_metrics")
    assert row["spans"] == MOST_WAITING


async def test_a_clock_that_is_put_back_an_hour_loses_no_counts(database: Database) -> None:
    year = Year(database)
    year.calls(0.1, 0.2)
    await year.rollups.save()
    year.clock.set_wall(4000.0)
    await year.rollups.save()
    year.clock.set_wall(0.0)
    year.calls(0.3)
    await year.rollups.save()
    assert [row[2] for row in await year.rows()] == [3, 3, 3]


async def test_a_day_under_way_is_not_given_up_for_its_minutes(database: Database) -> None:
    year = Year(database)
    year.calls(0.1, 0.2)
    await year.rollups.save()
    windows = [year.world.admission.window(one) for one in year.world.endpoints]
    for _ in range(MOST_WAITING // len(windows) + 100):
        for window in windows:
            window.record_successes([0.1])
        year.rollups.gather()
        year.world.clock.pass_time(60.0)
    await year.rollups.save()
    [row] = await database.fetch(DAY, year.world.clock.now() - timedelta(days=1))
    assert row["requests"] == 2 + 481


async def test_minutes_are_kept_for_a_week_hours_for_a_quarter_and_days_for_years(database: Database) -> None:
    year = Year(database)
    year.calls(0.1)
    await year.rollups.save()
    kept = []
    for days in (6, 2, 81, 2, 365 * 5):
        year.world.clock.pass_time(days * 86_400.0)
        await year.rollups.prune()
        kept.append([row[0] for row in await year.rows()])
    assert kept == [[60, 3600, 86_400], [3600, 86_400], [3600, 86_400], [86_400], []]
