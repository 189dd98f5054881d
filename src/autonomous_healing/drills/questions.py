"""What the drill's clients ask: each question with the form in which a provider sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One path on the proxy and what it stands for upstream."""

    source: str
    endpoint: str  #: as the twin names it
    ask: str  #: path and query on the proxy
    path: str  #: upstream, without a key
    query: Mapping[str, str]
    symbols: tuple[str, ...] = ()  #: of a quote board; such an answer has no upstream form of its own


def questions(now: datetime) -> list[Question]:
    """Three or more for each of the five sources."""
    return [*_yahoo(), *_fred(), *_polygon(now), *_alpha_vantage(), *_exchange_rate()]


def _yahoo() -> list[Question]:
    rows = (("SPY", "1d", "5d"), ("AAPL", "1d", "1mo"), ("MSFT", "5m", "1d"))
    charts = [
        Question(
            source="yahoo_finance",
            endpoint="/chart",
            ask=f"/api/yahoo/chart/{symbol}?interval={interval}&range={span}",
            path=f"/v8/finance/chart/{symbol}",
            query={"interval": interval, "range": span},
        )
        for symbol, interval, span in rows
    ]
    board = Question(
        source="yahoo_finance",
        endpoint="/chart",
        ask="/api/yahoo/quote?symbols=SPY,QQQ",
        path="/v8/finance/chart/SPY",
        query={"interval": "1d", "range": "1d"},
        symbols=("SPY", "QQQ"),
    )
    return [*charts, board]


def _fred() -> list[Question]:
    return [
        _fred_question("/observations", "/fred/series/observations", series_id="DGS10", limit="40"),
        _fred_question("/observations", "/fred/series/observations", series_id="UNRATE", limit="12"),
        _fred_question("/series", "/fred/series", series_id="DGS10"),
    ]


def _fred_question(endpoint: str, path: str, **query: str) -> Question:
    if endpoint == "/observations":
        query["sort_order"] = "desc"
    return Question(
        source="fred_api",
        endpoint=endpoint,
        ask=f"/api/fred{endpoint}?{urlencode(query)}",
        path=path,
        query={**query, "file_type": "json"},
    )


def _polygon(now: datetime) -> list[Question]:
    def bars(ticker: str, timespan: str, days: int) -> Question:
        start, end = (now - timedelta(days=days)).date(), now.date()
        path = f"/v2/aggs/ticker/{ticker}/range/1/{timespan}/{start}/{end}"
        return Question(
            source="polygon_io",
            endpoint="/v2/aggs",
            ask=f"/api/polygon{path}",
            path=path,
            query={},
        )

    before = Question(
        source="polygon_io",
        endpoint="/v2/prev",
        ask="/api/polygon/prev?ticker=MSFT",
        path="/v2/aggs/ticker/MSFT/prev",
        query={},
    )
    return [bars("AAPL", "day", 10), bars("AAPL", "hour", 3), before]


def _alpha_vantage() -> list[Question]:
    rows: tuple[dict[str, str], ...] = (
        {"function": "GLOBAL_QUOTE", "symbol": "IBM"},
        {"function": "TIME_SERIES_DAILY", "symbol": "AAPL"},
        {"function": "CURRENCY_EXCHANGE_RATE", "from_currency": "USD", "to_currency": "EUR"},
    )
    return [
        Question(
            source="alpha_vantage",
            endpoint="/query",
            ask=f"/api/alpha-vantage/query?{urlencode(query)}",
            path="/query",
            query=query,
        )
        for query in rows
    ]


def _exchange_rate() -> list[Question]:
    rows = (("/latest", "latest/USD"), ("/latest", "latest/EUR"), ("/pair", "pair/USD/EUR"))
    return [
        Question(
            source="exchange_rate_api",
            endpoint=endpoint,
            ask=f"/api/exchange-rate/{rest}",
            path=f"/v6/-/{rest}",  # the twin notes a dash where the key stood
            query={},
        )
        for endpoint, rest in rows
    ]
