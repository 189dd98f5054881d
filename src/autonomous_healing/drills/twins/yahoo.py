"""Yahoo Finance, played from the model market: `/v8/finance/chart/{symbol}` and `/v7/finance/quote`."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from autonomous_healing.drills.twins.listings import Kind, Listing
from autonomous_healing.drills.twins.market import DAY, Bar, Market
from autonomous_healing.drills.twins.rendered import FoundKey, Rendered, in_json

NEW_YORK = ZoneInfo("America/New_York")
_INTERVALS = {
    "1m": timedelta(minutes=1),
    "2m": timedelta(minutes=2),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "60m": timedelta(hours=1),
    "90m": timedelta(minutes=90),
    "1h": timedelta(hours=1),
    "1d": DAY,
}
_RANGES = {"1d": 1, "5d": 5, "1mo": 30, "3mo": 91, "6mo": 182, "1y": 365, "2y": 730, "5y": 1826, "10y": 3652}
_CHART, _QUOTE = "/v8/finance/chart/", "/v7/finance/quote"


class _Refused(Exception):
    """The request asks for what Yahoo does not give."""

    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(description)
        self.answer = complaint("chart", status, code, description)


def render(market: Market, path: str, query: Mapping[str, str], at: datetime) -> Rendered:
    """The healthy answer, or Yahoo's own error where the request is at fault."""
    match endpoint(path):
        case "/chart":
            try:
                return _chart(market, path.removeprefix(_CHART), query, at)
            except _Refused as refusal:
                return refusal.answer
        case "/quote":
            return _quotes(market, query, at)
        case _:
            return complaint("finance", 404, "Not Found", "HTTP 404 Not Found")


def endpoint(path: str) -> str:
    if path.startswith(_CHART) and path != _CHART:
        return "/chart"
    return "/quote" if path == _QUOTE else "/other"


def find_key(path: str, query: Mapping[str, str], bearer: str) -> FoundKey:
    return FoundKey(key="", path=path, query=query)


def needs_key(path: str) -> bool:
    return False


def complaint(root: str, status: int, code: str, description: str) -> Rendered:
    """Yahoo's error form; `root` is chart, quoteResponse or finance."""
    return in_json({root: {"result": None, "error": {"code": code, "description": description}}}, status)


def _chart(market: Market, symbol: str, query: Mapping[str, str], at: datetime) -> Rendered:
    if not market.lists(symbol):
        raise _Refused(404, "Not Found", "No data found, symbol may be delisted")
    listing = market.listing(symbol)
    interval = query.get("interval", "1d")
    if interval not in _INTERVALS:
        raise _Refused(400, "Bad Request", f"Invalid input - interval={interval} is not supported.")
    bars = _bars(market, listing, interval, query, at)
    if not bars:
        raise _Refused(400, "Bad Request", "Data doesn't exist for startDate, endDate of the request")
    columns = {
        "open": [bar.open for bar in bars],
        "high": [bar.high for bar in bars],
        "low": [bar.low for bar in bars],
        "close": [bar.close for bar in bars],
        "volume": [bar.volume for bar in bars],
    }
    indicators: dict[str, object] = {"quote": [columns]}
    if interval == "1d":
        indicators["adjclose"] = [{"adjclose": columns["close"]}]
    result = {
        "meta": _meta(market, listing, interval, query, bars[0], at),
        "timestamp": [_stamp(listing, bar) for bar in bars],
        "indicators": indicators,
    }
    return in_json({"chart": {"result": [result], "error": None}})


def _bars(
    market: Market, listing: Listing, interval: str, query: Mapping[str, str], at: datetime
) -> list[Bar]:
    span, symbol = _INTERVALS[interval], listing.symbol
    start, end = _window(market, query, at)
    if span < DAY:
        _check_window(interval, start, end, at)
        seconds = int(span.total_seconds())
        first = -(-int(start.timestamp()) // seconds) * seconds
        starts = range(first, int(end.timestamp()) - seconds + 1, seconds)
        return [market.bar(symbol, datetime.fromtimestamp(moment, UTC), span) for moment in starts]
    days = market.days(symbol, start.date() - DAY, end.date(), at)
    if "period1" in query:
        days = [day for day in days if start <= _opening(listing, day) < end]
    elif query.get("range", "1d") in ("1d", "5d"):
        days = market.latest_days(symbol, _RANGES[query.get("range", "1d")], at)
    return [market.day_bar(symbol, day) for day in days]


def _window(market: Market, query: Mapping[str, str], at: datetime) -> tuple[datetime, datetime]:
    if "period1" in query:
        try:
            start, end = int(query["period1"]), int(query.get("period2", at.timestamp()))
            return datetime.fromtimestamp(start, UTC), min(at, datetime.fromtimestamp(end, UTC))
        except (ValueError, OverflowError, OSError):
            raise _Refused(400, "Bad Request", "Invalid input - start date or end date") from None
    match query.get("range", "1d"):
        case "max":
            return datetime.combine(market.first_day, time(), UTC), at
        case "ytd":
            return datetime(at.astimezone(UTC).year, 1, 1, tzinfo=UTC), at
        case reach if reach in _RANGES:
            return at - _RANGES[reach] * DAY, at
        case unknown:
            raise _Refused(400, "Bad Request", f"Invalid input - range={unknown} is not supported.")


def _check_window(interval: str, start: datetime, end: datetime, at: datetime) -> None:
    """Raise where Yahoo keeps no such fine bars: one minute for 8 days, hours for 730, others for 60."""
    if interval == "1m":
        too_much = end - start > 8 * DAY
        rule = "Only 8 days worth of 1m granularity data are allowed to be fetched per request."
    else:
        days = 730 if interval in ("60m", "1h") else 60
        too_much = at - start > (days + 1) * DAY
        rule = f"The requested range must be within the last {days} days."
    if too_much:
        since, until = int(start.timestamp()), int(end.timestamp())
        what = f"{interval} data not available for startTime={since} and endTime={until}. {rule}"
        raise _Refused(422, "Unprocessable Entity", what)


def _opening(listing: Listing, day: date) -> datetime:
    """The moment by which Yahoo labels a daily bar."""
    if listing.kind in (Kind.CURRENCY, Kind.CRYPTO):
        return datetime.combine(day, time(), UTC)
    return datetime.combine(day, time(9, 30), NEW_YORK)


def _stamp(listing: Listing, bar: Bar) -> int:
    moment = _opening(listing, bar.start.date()) if bar.span == DAY else bar.start
    return int(moment.timestamp())


def _meta(
    market: Market, listing: Listing, interval: str, query: Mapping[str, str], first: Bar, at: datetime
) -> dict[str, object]:
    today, zone = market.day_so_far(listing.symbol, at), _zone(listing)
    # A chart of one day is of the running session, whose change counts from the close before it.
    one_day = query.get("range", "1d") == "1d" and "period1" not in query
    return {
        "currency": listing.currency,
        "symbol": listing.symbol,
        "exchangeName": listing.exchange,
        "instrumentType": listing.kind.value,
        "regularMarketTime": int(at.timestamp()),
        "gmtoffset": int((at.astimezone(zone).utcoffset() or timedelta(0)).total_seconds()),
        "timezone": at.astimezone(zone).tzname(),
        "exchangeTimezoneName": zone.key,
        "regularMarketPrice": today.close,
        "regularMarketDayHigh": today.high,
        "regularMarketDayLow": today.low,
        "regularMarketVolume": market.volume_today(listing.symbol, at),
        "longName": listing.name,
        "shortName": listing.name,
        "chartPreviousClose": market.previous_close(listing.symbol, at if one_day else first.start),
        "priceHint": listing.digits,
        "dataGranularity": interval,
        "range": "" if "period1" in query else query.get("range", "1d"),
        "validRanges": [*_RANGES, "ytd", "max"],
    }


def _quotes(market: Market, query: Mapping[str, str], at: datetime) -> Rendered:
    if not query.get("symbols"):
        return complaint("finance", 400, "Bad Request", 'Missing value for the "symbols" argument')
    symbols = [symbol for symbol in query["symbols"].split(",") if market.lists(symbol)]
    quotes = [_quote(market, market.listing(symbol), at) for symbol in symbols]
    return in_json({"quoteResponse": {"result": quotes, "error": None}})


def _quote(market: Market, listing: Listing, at: datetime) -> dict[str, object]:
    symbol, today = listing.symbol, market.day_so_far(listing.symbol, at)
    before = market.previous_close(symbol, at)
    change = today.close - before
    return {
        "language": "en-US",
        "region": "US",
        "quoteType": listing.kind.value,
        "symbol": symbol,
        "shortName": listing.name,
        "longName": listing.name,
        "currency": listing.currency,
        "exchange": listing.exchange,
        "exchangeTimezoneName": _zone(listing).key,
        "marketState": "REGULAR",
        "priceHint": listing.digits,
        "regularMarketPrice": today.close,
        "regularMarketChange": round(change, 6),
        "regularMarketChangePercent": round(100 * change / before, 6),
        "regularMarketTime": int(at.timestamp()),
        "regularMarketOpen": today.open,
        "regularMarketDayHigh": today.high,
        "regularMarketDayLow": today.low,
        "regularMarketVolume": market.volume_today(symbol, at),
        "regularMarketPreviousClose": before,
    }


def _zone(listing: Listing) -> ZoneInfo:
    match listing.kind:
        case Kind.CURRENCY:
            return ZoneInfo("Europe/London")
        case Kind.CRYPTO:
            return ZoneInfo("UTC")
        case _:
            return NEW_YORK
