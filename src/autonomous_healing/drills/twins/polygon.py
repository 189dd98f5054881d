"""Polygon.io, played from the model market: `/v2/aggs/ticker/{t}/range/...` and `.../prev`."""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from zoneinfo import ZoneInfo

from autonomous_healing.drills.twins.listings import Kind, from_polygon
from autonomous_healing.drills.twins.market import DAY, Bar, Market, midnight
from autonomous_healing.drills.twins.rendered import FoundKey, Rendered, in_json, key_in_query

_NEW_YORK = ZoneInfo("America/New_York")
_TIMESPANS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": DAY}
_DEFAULT_LIMIT, _MOST = 5000, 50_000


class _Refused(Exception):
    """The request is malformed."""


def render(market: Market, path: str, query: Mapping[str, str], at: datetime) -> Rendered:
    """The healthy answer, or Polygon's own error where the request is at fault."""
    request = request_id(market, path, query, at)
    try:
        match path.split("/")[1:]:
            case ["v2", "aggs", "ticker", ticker, "range", multiplier, timespan, since, until]:
                bars = _range(market, ticker, multiplier, timespan, (since, until), query, at)
            case ["v2", "aggs", "ticker", ticker, "prev"]:
                bars = _previous(market, ticker, at)
            case _:
                return complaint(404, "ERROR", request, "404 page not found")
    except _Refused as refusal:
        return complaint(400, "ERROR", request, str(refusal))
    return _answer(ticker, bars, query, request, crypto=ticker.startswith("X:"))


def endpoint(path: str) -> str:
    match path.split("/")[1:]:
        case ["v2", "aggs", "ticker", _, "range", *_]:
            return "/v2/aggs"
        case ["v2", "aggs", "ticker", _, "prev"]:
            return "/v2/prev"
        case _:
            return "/other"


def find_key(path: str, query: Mapping[str, str], bearer: str) -> FoundKey:
    found = key_in_query("apiKey", path, query)
    return FoundKey(key=found.key or bearer, path=path, query=found.query)


def needs_key(path: str) -> bool:
    return True


def request_id(market: Market, path: str, query: Mapping[str, str], at: datetime) -> str:
    """32 hex digits from what is asked, without the key, and when."""
    asked = sorted((name, value) for name, value in query.items() if name != "apiKey")
    inputs = f"{market.seed} {path} {asked} {math.floor(at.timestamp())}"
    return blake2b(inputs.encode(), digest_size=16).hexdigest()


def complaint(status: int, word: str, request: str, text: str, *, under: str = "error") -> Rendered:
    """Polygon's error form; the text stands under `error` or `message`."""
    return in_json({"status": word, "request_id": request, under: text}, status)


def no_bars(ticker: str, request: str) -> Rendered:
    """What Polygon says where it has no data: healthy but for the missing `results`."""
    return in_json(
        {
            "ticker": ticker,
            "queryCount": 0,
            "resultsCount": 0,
            "adjusted": True,
            "status": "OK",
            "request_id": request,
            "count": 0,
        }
    )


def _answer(
    ticker: str, bars: list[Bar], query: Mapping[str, str], request: str, *, crypto: bool
) -> Rendered:
    if not bars:
        return no_bars(ticker, request)
    return in_json(
        {
            "ticker": ticker,
            "queryCount": len(bars),
            "resultsCount": len(bars),
            "adjusted": query.get("adjusted", "true") == "true",
            "results": [_row(bar, crypto=crypto) for bar in bars],
            "status": "OK",
            "request_id": request,
            "count": len(bars),
        }
    )


def _row(bar: Bar, *, crypto: bool) -> dict[str, float | int]:
    opens = bar.start
    if bar.span == DAY and not crypto:
        opens = datetime.combine(bar.start.date(), time(), _NEW_YORK)
    return {
        "v": bar.volume,
        "vw": round((bar.high + bar.low + bar.close) / 3, 4),
        "o": bar.open,
        "c": bar.close,
        "h": bar.high,
        "l": bar.low,
        "t": int(opens.timestamp()) * 1000,
        "n": bar.volume // 90 + 1,
    }


def _previous(market: Market, ticker: str, at: datetime) -> list[Bar]:
    symbol = from_polygon(ticker)
    if not market.lists(symbol):
        return []
    return [market.day_bar(symbol, day) for day in market.latest_days(symbol, 1, at)]


def _range(
    market: Market,
    ticker: str,
    multiplier: str,
    timespan: str,
    window: tuple[str, str],
    query: Mapping[str, str],
    at: datetime,
) -> list[Bar]:
    symbol = from_polygon(ticker)
    times = multiplier.isdecimal() and int(multiplier)
    if not times or timespan not in _TIMESPANS or (timespan == "day" and times != 1):
        raise _Refused(f"Could not parse the aggregate size '{multiplier} {timespan}'.")
    since, until = _moment(window[0]), _moment(window[1], ends=True)
    if until < since:
        raise _Refused("The 'to' date must be after the 'from' date.")
    limit = query.get("limit", str(_DEFAULT_LIMIT))
    if not limit.isdecimal() or not 0 < int(limit) <= _MOST:
        raise _Refused(f"The limit must be a whole number from 1 to {_MOST}.")
    if not market.lists(symbol):
        return []
    span = times * _TIMESPANS[timespan]
    starts = _starts(market, symbol, span, since, until, at)
    wanted = (starts[::-1] if query.get("sort") == "desc" else starts)[: int(limit)]
    return [market.bar(symbol, start, span) for start in wanted]


def _starts(
    market: Market, symbol: str, span: timedelta, since: datetime, until: datetime, at: datetime
) -> list[datetime]:
    if span == DAY:
        kind = market.listing(symbol).kind
        labelled = {
            day: datetime.combine(day, time(), UTC if kind is Kind.CRYPTO else _NEW_YORK)
            for day in market.days(symbol, since.date() - DAY, until.date(), at)
        }
        return [midnight(day) for day, label in labelled.items() if since <= label <= until]
    seconds = int(span.total_seconds())
    earliest = max(since, midnight(market.first_day)).timestamp()
    first = -(-int(earliest) // seconds) * seconds
    last = min(int(until.timestamp()), int(at.timestamp()) - seconds)
    return [datetime.fromtimestamp(moment, UTC) for moment in range(first, last + 1, seconds)]


def _moment(given: str, *, ends: bool = False) -> datetime:
    """A day (its first or last moment) or milliseconds since 1970; raises _Refused."""
    try:
        if given.isdecimal():
            return datetime.fromtimestamp(int(given) / 1000, UTC)
        day = datetime.combine(date.fromisoformat(given), time(), UTC)
        return day + DAY - timedelta(seconds=1) if ends else day
    except (ValueError, OverflowError, OSError):
        raise _Refused(f"Could not parse the time '{given}'. Use YYYY-MM-DD or Unix MS.") from None
