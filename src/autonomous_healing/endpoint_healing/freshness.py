"""Whether data is as new as it must be, and still moves. Market-closed time does not count for exchanges."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Protocol

from autonomous_healing.endpoint_healing.call import Call, Finding
from autonomous_healing.endpoint_healing.codes import FROZEN, MISSING, STALE
from autonomous_healing.endpoint_healing.endpoints import DataKind
from autonomous_healing.endpoint_healing.options import FreshnessSettings
from autonomous_healing.endpoint_healing.records import (
    Bars,
    Description,
    Quote,
    Rates,
    Record,
    Series,
)

#: Days after the newest period's start by which the next value is due, by the spacing of the series:
#: period + 4 d daily, 14 d weekly, 75 d monthly, 190 d quarterly (spec: endpoint healing, section 4).
DUE = ((4.5, 1 + 4), (10.0, 7 + 14), (45.0, 31 + 75), (120.0, 92 + 190))

#: Values watched at once; the one not asked for longest is forgotten.
WATCHED = 10_000

#: Where a provider of exchange rates does not say when it updates.
RATES_LIFETIME = timedelta(hours=26)


class MarketHours(Protocol):
    """When the exchange trades."""

    def open_seconds(self, start: datetime, end: datetime) -> float:
        """Trading time between two moments, in seconds."""

    def last_session(self, before: datetime) -> date | None:
        """The last trading day that had closed at that moment."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Trading sessions as (open, close), in order."""

    spans: Sequence[tuple[datetime, datetime]]

    def open_seconds(self, start: datetime, end: datetime) -> float:
        first = max(0, bisect_right(self.spans, (start, start)) - 1)
        total = 0.0
        for opened, closed in self.spans[first:]:
            if opened >= end:
                break
            total += max(0.0, (min(end, closed) - max(start, opened)).total_seconds())
        return total

    def last_session(self, before: datetime) -> date | None:
        closes = [closed for _, closed in self.spans]
        index = bisect_right(closes, before)
        return self.spans[index - 1][0].date() if index else None


class AlwaysOpen:
    """For markets without a closing bell, and for demonstrations; daily bars end each weekday at midnight."""

    def open_seconds(self, start: datetime, end: datetime) -> float:
        return max(0.0, (end - start).total_seconds())

    def last_session(self, before: datetime) -> date | None:
        day = before.date() - timedelta(days=1)
        while day.weekday() >= 5:
            day -= timedelta(days=1)
        return day


@dataclass(frozen=True, slots=True)
class Freshness:
    """The rules, with the market's hours."""

    settings: FreshnessSettings
    hours: MarketHours

    def judge(self, record: Record, call: Call, now: datetime) -> Finding | None:
        """What is too old about `record`, or None."""
        match record:
            case Quote():
                return self._quote(record, now)
            case Bars() if call.kind is DataKind.INTRADAY:
                return self._intraday(record, call.params, now)
            case Bars():
                return self._daily(record, call.params, now)
            case Series() | Description() if speaks_of_the_past(record.published, call.params, now):
                return _stale(f"the publisher speaks of {record.published}")
            case Series():
                return _series(record, call.params, now)
            case Description():
                return None
            case Rates():
                return _rates(record, now)

    def _quote(self, quote: Quote, now: datetime) -> Finding | None:
        if quote.as_of is None:
            return None
        if quote.as_of_day:
            due = self.hours.last_session(now - timedelta(hours=24))
            late = due is not None and quote.as_of.date() < due
            return _stale(f"quote of {quote.as_of:%Y-%m-%d}, {due} was due") if late else None
        age = self.hours.open_seconds(quote.as_of, now)
        if age > self.settings.quote_seconds:
            return _stale(f"quote is {age:.0f}s of open market old")
        return None

    def _intraday(self, bars: Bars, params: Mapping[str, str], now: datetime) -> Finding | None:
        newest = max(row.t for row in bars.rows)
        if _asks_for_the_past(params, now) or bars.interval is None:
            return None
        age = self.hours.open_seconds(newest, now)
        if age > 2 * bars.interval + 900:
            return _stale(f"newest bar is {age:.0f}s of open market old")
        return None

    def _daily(self, bars: Bars, params: Mapping[str, str], now: datetime) -> Finding | None:
        newest = max(row.t for row in bars.rows).date()
        due = self.hours.last_session(now - timedelta(hours=24))
        if due is None or newest >= due or _asks_for_the_past(params, now):
            return None
        # A bar of a week or a month carries the day on which it begins.
        if (
            bars.interval is not None
            and bars.interval > 86400
            and (due - newest).days * 86400 <= bars.interval
        ):
            return None
        return _stale(f"newest bar is of {newest}, {due} was due")


def speaks_of_the_past(published: date | None, params: Mapping[str, str], now: datetime) -> bool:
    """FRED dates each answer by the day it is of, unless asked for an earlier one."""
    return (
        published is not None
        and "realtime_end" not in params
        and "vintage_dates" not in params
        and published < (now - timedelta(days=2)).date()
    )


def _series(series: Series, params: Mapping[str, str], now: datetime) -> Finding | None:
    days = sorted(day for day, _ in series.observations)
    newest_first = params.get("sort_order") == "desc"
    cut = "limit" in params and not newest_first
    if len(days) < 2 or cut or "observation_end" in params or params.get("offset", "0") != "0":
        return None
    gaps = sorted((later - earlier).days for earlier, later in pairwise(days))
    spacing = gaps[len(gaps) // 2]
    due = next((lifetime for longest, lifetime in DUE if spacing <= longest), None)
    if due is None:
        return None
    if (now.date() - days[-1]).days > due:
        return _stale(f"newest observation is of {days[-1]}")
    if spacing > 4.5 and dict(series.observations)[days[-1]] is None:
        return Finding(MISSING, f"no value for {days[-1]} although it was due")
    return None


def _rates(rates: Rates, now: datetime) -> Finding | None:
    if rates.next_update is not None:
        late = now - rates.next_update
        return (
            _stale(f"update was due {late.total_seconds():.0f}s ago") if late > timedelta(hours=1) else None
        )
    if rates.as_of is not None and now - rates.as_of > RATES_LIFETIME:
        return _stale(f"rates are of {rates.as_of:%Y-%m-%dT%H:%MZ}")
    return None


def _asks_for_the_past(params: Mapping[str, str], now: datetime) -> bool:
    """A range that ends before yesterday cannot be too old; nor can the oldest bars of a limited one."""
    if params.get("sort") == "asc" and "limit" in params:
        return True
    if end := params.get("period2"):
        return end.isascii() and end.isdigit() and float(end) < (now - timedelta(days=2)).timestamp()
    if end := params.get("to"):
        try:
            return date.fromisoformat(end) < (now - timedelta(days=2)).date()
        except ValueError:
            return True  # milliseconds: a caller who is that exact knows what it asks for
    return False


def _stale(message: str) -> Finding:
    return Finding(STALE, message)


@dataclass(slots=True)
class _Watched:
    value: object
    polls: int
    since: datetime


class FrozenWatch:
    """Notices a value that no longer changes while others of its source do."""

    def __init__(self, settings: FreshnessSettings, hours: MarketHours) -> None:
        self._settings = settings
        self._hours = hours
        self._watched: OrderedDict[tuple[str, str], _Watched] = OrderedDict()
        self._moved: dict[str, list[tuple[str, datetime]]] = {}  #: the last two by source, newest first

    def __len__(self) -> int:
        return len(self._watched)

    def judge(self, record: Record, call: Call, host: str, now: datetime) -> Finding | None:
        """Only prices that move within minutes are watched, per resource and host."""
        value = _moving_value(record, call.kind)
        if value is None:
            return None
        place = (call.resource, host)
        watched = self._watched.get(place)
        if watched is None or watched.value != value:
            if watched is not None:
                self._note_move(call, now)
            self._watch(place, _Watched(value, 1, now))
            return None
        self._watched.move_to_end(place)
        watched.polls += 1
        open_for = self._hours.open_seconds(watched.since, now)
        if watched.polls < self._settings.frozen_polls or open_for < self._patience(record):
            return None
        if not self._another_moved(call, watched.since):
            return None
        message = f"unchanged in {watched.polls} answers over {open_for:.0f}s of open market"
        return Finding(FROZEN, message, 0.85, true_at=watched.since)

    def _patience(self, record: Record) -> float:
        """A bar stands still until the next one comes."""
        interval = record.interval if isinstance(record, Bars) else None
        return max(self._settings.frozen_seconds, 2 * (interval or 0.0))

    def _watch(self, place: tuple[str, str], watched: _Watched) -> None:
        self._watched[place] = watched
        self._watched.move_to_end(place)
        if len(self._watched) > WATCHED:
            self._watched.popitem(last=False)

    def _note_move(self, call: Call, now: datetime) -> None:
        before = self._moved.get(call.endpoint.source.id, [])
        others = [one for one in before if one[0] != call.resource]
        self._moved[call.endpoint.source.id] = [(call.resource, now), *others[:1]]

    def _another_moved(self, call: Call, since: datetime) -> bool:
        moved = self._moved.get(call.endpoint.source.id, [])
        return any(at > since for resource, at in moved if resource != call.resource)


def _moving_value(record: Record, kind: DataKind) -> object:
    match record:
        case Quote(as_of_day=False):
            return record.price, record.volume
        case Bars() if kind is DataKind.INTRADAY:
            return record.rows[-1]
        case _:
            return None
