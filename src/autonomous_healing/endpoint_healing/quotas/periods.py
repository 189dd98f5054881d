"""When a fixed window begins anew: by time of day and date where it is set, else by the clock. Pure."""

import calendar
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from autonomous_healing.endpoint_healing.quotas.options import DATED, QuotaWindowSettings

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Period:
    """From one reset to the next, in Unix seconds."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


def period_at(window: QuotaWindowSettings, at: float) -> Period:
    """The one that holds the moment `at`; days and months go by their zone: a day may have 23 or 25 hours."""
    if window.window not in DATED:
        start = at // window.seconds * window.seconds
        return Period(start, start + window.seconds)
    moments = sorted(set(_resets_around(window, at)))
    n = bisect_right(moments, at)
    return Period(moments[n - 1], moments[n])


def longest(window: QuotaWindowSettings) -> float:
    """Seconds of the longest period there can be: when clocks are set back, a day has an hour more."""
    return window.seconds + _HOUR if window.window in DATED else window.seconds


def _resets_around(window: QuotaWindowSettings, at: float) -> Iterator[float]:
    """At least one before and one after. A time of day that is skipped is the moment of the skip."""
    zone = ZoneInfo(window.zone)
    today = datetime.fromtimestamp(at, UTC).astimezone(zone).date()
    for day in _days(window, today):
        yield datetime.combine(day, window.reset_time, tzinfo=zone).timestamp()


def _days(window: QuotaWindowSettings, today: date) -> Iterator[date]:
    if window.window == "day":
        for shift in (-2, -1, 0, 1, 2):
            yield today + timedelta(days=shift)
        return
    for shift in (-2, -1, 0, 1, 2):
        years, month = divmod(today.month - 1 + shift, 12)
        year = today.year + years
        length = calendar.monthrange(year, month + 1)[1]
        yield date(year, month + 1, min(window.reset_day, length))
