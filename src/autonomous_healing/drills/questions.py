"""What the drill's clients ask: each question with the form in which a provider sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

#: Seconds in which a copy is as good as exact, by kind of data (spec: endpoint healing, section 12).
QUOTE, INTRADAY, DAY, HOUR = 5.0, 30.0, 900.0, 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One path on the proxy and what it stands for upstream."""

    source: str
    endpoint: str  #: as the twin names it
    ask: str  #: path and query on the proxy
    path: str  #: upstream, without a key
    query: Mapping[str, str]
    keeps_for: float  #: seconds in which a copy is as good as exact
    symbols: tuple[str, ...] = ()  #: of a quote board; such an answer has no upstream form of its own


def questions(now: datetime) -> list[Question]:
    """Three or more for each of the five sources."""
    return [*_yahoo(), *_fred(), *_polygon(now), *_alpha_vantage(), *_exchange_rate()]


def _yahoo() -> list[Question]:
    rows = (("SPY", "1d", "5d", DAY), ("AAPL", "1d", "1mo", DAY), ("MSFT", "5m", "1d", INTRADAY))
    charts = [
        Question(
            source="yahoo_finance",
            endpoint="/chart",
            ask=f"/api/yahoo/chart/{symbol}?interval={interval}&range={span}",
            path=f"/v8/finance/chart/{symbol}",
            query={"interval": interval, "range": span},
            keeps_for=keeps_for,
        )
        for symbol, interval, span, keeps_for in rows
    ]
    board = Question(
        source="yahoo_finance",
        endpoint="/chart",
        ask="/api/yahoo/quote?symbols=SPY,QQQ",
        path="/v8/finance/chart/SPY",
        query={"interval": "1d", "range": "1d"},
        keeps_for=QUOTE,
        symbols=("SPY", "QQQ"),
    )
    return [*charts, board]


def _fred() -> list[Question]:
    return [
        _fred_question("/observations", "/fred/series/observations", HOUR, series_id="DGS10", limit="40"),
        _fred_question("/observations", "/fred/series/observations", HOUR, series_id="UNRATE", limit="12"),
        _fred_question("/series", "/fred/series", DAY, series_id="DGS10"),
    ]


def _fred_question(endpoint: str, path: str, keeps_for: float, **query: str) -> Question:
    if endpoint == "/observations":
        query["sort_order"] = "desc"
    return Question(
        source="fred_api",
        endpoint=endpoint,
        ask=f"/api/fred{endpoint}?{urlencode(query)}",
        path=path,
        query={**query, "file_type": "json"},
        keeps_for=keeps_for,
    )


def _polygon(now: datetime) -> list[Question]:
    def bars(ticker: str, timespan: str, days: int, keeps_for: float) -> Question:
        start, end = (now - timedelta(days=days)).date(), now.date()
        path = f"/v2/aggs/ticker/{ticker}/range/1/{timespan}/{start}/{end}"
        return Question(
            source="polygon_io",
            endpoint="/v2/aggs",
            ask=f"/api/polygon{path}",
            path=path,
            query={},
            keeps_for=keeps_for,
        )

    before = Question(
        source="polygon_io",
        endpoint="/v2/prev",
        ask="/api/polygon/prev?ticker=MSFT",
        path="/v2/aggs/ticker/MSFT/prev",
        query={},
        keeps_for=DAY,
    )
    return [bars("AAPL", "day", 10, DAY), bars("AAPL", "hour", 3, INTRADAY), before]


def _alpha_vantage() -> list[Question]:
    rows: tuple[tuple[dict[str, str], float], ...] = (
        ({"function": "GLOBAL_QUOTE", "symbol": "IBM"}, QUOTE),
        ({"function": "TIME_SERIES_DAILY", "symbol": "AAPL"}, DAY),
        ({"function": "CURRENCY_EXCHANGE_RATE", "from_currency": "USD", "to_currency": "EUR"}, DAY),
    )
    return [
        Question(
            source="alpha_vantage",
            endpoint="/query",
            ask=f"/api/alpha-vantage/query?{urlencode(query)}",
            path="/query",
            query=query,
            keeps_for=keeps_for,
        )
        for query, keeps_for in rows
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
            keeps_for=DAY,
        )
        for endpoint, rest in rows
    ]
