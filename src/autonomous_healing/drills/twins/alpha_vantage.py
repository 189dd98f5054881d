"""Alpha Vantage, played from the model market: `/query`. Whatever goes wrong, the status is 200."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from autonomous_healing.drills.twins.listings import CURRENCIES, Kind
from autonomous_healing.drills.twins.market import Bar, Market
from autonomous_healing.drills.twins.rendered import FoundKey, Rendered, in_json, key_in_query

_COMPACT = 100  #: rows of the compact daily series
_COINS = {"BTC": "Bitcoin", "ETH": "Ethereum", "SOL": "Solana"}
_FUNCTIONS = ("GLOBAL_QUOTE", "TIME_SERIES_DAILY", "CURRENCY_EXCHANGE_RATE")


def render(market: Market, path: str, query: Mapping[str, str], at: datetime) -> Rendered:
    """The healthy answer, or Alpha Vantage's own complaint where the request is at fault."""
    if endpoint(path) == "/other":
        return Rendered(status=404, content_type="text/html; charset=utf-8", body=b"<h1>Not Found</h1>")
    match query.get("function"):
        case "GLOBAL_QUOTE":
            return _quote(market, _share(market, query), at)
        case "TIME_SERIES_DAILY":
            return _daily(market, _share(market, query), query, at)
        case "CURRENCY_EXCHANGE_RATE":
            return _exchange(market, query.get("from_currency", ""), query.get("to_currency", ""), at)
        case function:
            return invalid_call(function or "")


def endpoint(path: str) -> str:
    return path if path == "/query" else "/other"


def find_key(path: str, query: Mapping[str, str], bearer: str) -> FoundKey:
    return key_in_query("apikey", path, query)


def needs_key(path: str) -> bool:
    return True


def block(query: Mapping[str, str]) -> str:
    """Name of the data block that the function answers with."""
    match query.get("function"):
        case "TIME_SERIES_DAILY":
            return "Time Series (Daily)"
        case "CURRENCY_EXCHANGE_RATE":
            return "Realtime Currency Exchange Rate"
        case _:
            return "Global Quote"


def invalid_call(function: str) -> Rendered:
    if function not in _FUNCTIONS:
        return in_json({"Error Message": f"This API function ({function}) does not exist."})
    where = f"(https://www.alphavantage.co/documentation/) for {function}."
    return in_json({"Error Message": f"Invalid API call. Please retry or visit the documentation {where}"})


def _share(market: Market, query: Mapping[str, str]) -> str:
    """The symbol, if it is a stock or fund: Alpha Vantage quotes nothing else by symbol."""
    symbol = query.get("symbol", "").upper().replace(".", "-")
    if market.lists(symbol) and market.listing(symbol).kind in (Kind.STOCK, Kind.FUND):
        return symbol
    return ""


def _quote(market: Market, symbol: str, at: datetime) -> Rendered:
    if not symbol:
        return in_json({"Global Quote": {}})
    today, before = market.day_so_far(symbol, at), market.previous_close(symbol, at)
    change = today.close - before
    return in_json(
        {
            "Global Quote": {
                "01. symbol": symbol,
                "02. open": f"{today.open:.4f}",
                "03. high": f"{today.high:.4f}",
                "04. low": f"{today.low:.4f}",
                "05. price": f"{today.close:.4f}",
                "06. volume": str(today.volume),
                "07. latest trading day": _trading_day(at).isoformat(),
                "08. previous close": f"{before:.4f}",
                "09. change": f"{change:.4f}",
                "10. change percent": f"{100 * change / before:.4f}%",
            }
        }
    )


def _trading_day(at: datetime) -> date:
    day = at.astimezone(UTC).date()
    return day - timedelta(days=max(0, day.weekday() - 4))


def _daily(market: Market, symbol: str, query: Mapping[str, str], at: datetime) -> Rendered:
    if not symbol:
        return invalid_call("TIME_SERIES_DAILY")
    full = query.get("outputsize") == "full"
    days = (
        market.days(symbol, market.first_day, at.date(), at)
        if full
        else market.latest_days(symbol, _COMPACT, at)
    )
    meta = {
        "1. Information": "Daily Prices (open, high, low, close) and Volumes",
        "2. Symbol": symbol,
        "3. Last Refreshed": days[-1].isoformat(),
        "4. Output Size": "Full size" if full else "Compact",
        "5. Time Zone": "US/Eastern",
    }
    rows = {day.isoformat(): _row(market.day_bar(symbol, day)) for day in reversed(days)}
    return in_json({"Meta Data": meta, "Time Series (Daily)": rows})


def _row(bar: Bar) -> dict[str, str]:
    return {
        "1. open": f"{bar.open:.4f}",
        "2. high": f"{bar.high:.4f}",
        "3. low": f"{bar.low:.4f}",
        "4. close": f"{bar.close:.4f}",
        "5. volume": str(bar.volume),
    }


def _exchange(market: Market, base: str, quote: str, at: datetime) -> Rendered:
    if base in CURRENCIES and quote in CURRENCIES:
        rate, name = market.rate(base, quote, at), CURRENCIES[base][1]
    elif base in _COINS and quote == "USD":
        rate, name = market.price(f"{base}-USD", at), _COINS[base]
    else:
        return invalid_call("CURRENCY_EXCHANGE_RATE")
    return in_json(
        {
            "Realtime Currency Exchange Rate": {
                "1. From_Currency Code": base,
                "2. From_Currency Name": name,
                "3. To_Currency Code": quote,
                "4. To_Currency Name": CURRENCIES[quote][1],
                "5. Exchange Rate": f"{rate:.8f}",
                "6. Last Refreshed": f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                "7. Time Zone": "UTC",
                "8. Bid Price": f"{rate * 0.9999:.8f}",
                "9. Ask Price": f"{rate * 1.0001:.8f}",
            }
        }
    )
