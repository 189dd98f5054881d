"""What Yahoo Finance says, and what it means by it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.world import fault, read

from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    CALLER_ERROR,
    CLIENT_BLOCKED,
    INVALID,
    MISSING,
    UNPARSABLE,
)
from autonomous_healing.endpoint_healing.records import Bar, Bars, Quote

CHART, QUOTE, SESSION = "yahoo_finance/chart", "yahoo_finance/quote", "yahoo_finance/session_quote"

META = {
    "currency": "USD",
    "symbol": "AAPL",
    "regularMarketPrice": 264.5,
    "regularMarketTime": 1772463600,
    "regularMarketVolume": 41000000,
    "chartPreviousClose": 256.0,
}
COLUMNS = {
    "open": [262.0, 263.0],
    "high": [265.0, 266.0],
    "low": [261.0, 262.0],
    "close": [263.0, 264.5],
    "volume": [50000000, 41000000],
}
TIMES = [1772202600, 1772461800]


def chart(result: object = None, **changes: Any) -> dict[str, Any]:
    """A healthy chart, or one with another result, or with changed parts of it."""
    whole = {"meta": META, "timestamp": TIMES, "indicators": {"quote": [COLUMNS]}, **changes}
    return {"chart": {"result": [whole] if result is None else result, "error": None}}


def columns(**changes: Any) -> dict[str, Any]:
    return chart(indicators={"quote": [{**COLUMNS, **changes}]})


def complaint(code: str, part: str = "chart") -> dict[str, Any]:
    return {part: {"result": None, "error": {"code": code, "description": "any words"}}}


def test_a_healthy_chart_is_read_into_bars() -> None:
    bars = read(CHART, chart(), interval="1d")
    assert bars == Bars(
        symbol="AAPL",
        interval=86400.0,
        rows=(
            Bar(datetime(2026, 2, 27, 14, 30, tzinfo=UTC), 262.0, 265.0, 261.0, 263.0, 5e7),
            Bar(datetime(2026, 3, 2, 14, 30, tzinfo=UTC), 263.0, 266.0, 262.0, 264.5, 4.1e7),
        ),
    )


def test_a_single_bar_may_hold_nothing() -> None:
    bars = read(CHART, columns(close=[None, 264.5], open=[None, 263.0], high=None, volume=None))
    assert isinstance(bars, Bars)
    assert bars.rows[0].c is None
    assert bars.rows[1] == Bar(bars.rows[1].t, 263.0, None, 262.0, 264.5, None)


@pytest.mark.parametrize(("interval", "seconds"), [("1m", 60.0), ("1h", 3600.0), ("7x", None), ("", None)])
def test_the_interval_is_the_one_that_was_asked_for(interval: str, seconds: float | None) -> None:
    bars = read(CHART, chart(), interval=interval)
    assert isinstance(bars, Bars)
    assert bars.interval == seconds


def test_a_quote_is_read_from_the_chart_s_meta() -> None:
    assert read(QUOTE, chart(), symbol="AAPL") == Quote(
        symbol="AAPL",
        price=264.5,
        change=8.5,
        change_pct=100 * 8.5 / 256,
        volume=4.1e7,
        currency="USD",
        as_of=datetime(2026, 3, 2, 15, 0, tzinfo=UTC),
    )


def test_what_the_provider_did_not_give_is_not_filled_in() -> None:
    meta = {"regularMarketPrice": 264.5, "regularMarketTime": 1772463600}
    quote = read(QUOTE, chart(meta=meta), symbol="AAPL")
    assert isinstance(quote, Quote)
    assert (quote.change, quote.change_pct, quote.volume, quote.currency) == (None, None, None, None)


CELLS = {
    "symbol": "SPY",
    "regularMarketPrice": 600.0,
    "regularMarketChange": -3.0,
    "regularMarketChangePercent": -0.5,
    "regularMarketVolume": 70000000,
    "regularMarketTime": 1772463600,
    "currency": "USD",
}


def session(*cells: object) -> dict[str, Any]:
    return {"quoteResponse": {"result": list(cells), "error": None}}


def test_a_session_quote_says_the_same_in_other_words() -> None:
    assert read(SESSION, session(CELLS)) == Quote(
        symbol="SPY",
        price=600.0,
        change=-3.0,
        change_pct=-0.5,
        volume=7e7,
        currency="USD",
        as_of=datetime(2026, 3, 2, 15, 0, tzinfo=UTC),
    )


BAD_CHARTS: list[tuple[int, object, str]] = [
    (404, complaint("Not Found"), CALLER_ERROR),
    (422, complaint("Unprocessable Entity"), CALLER_ERROR),
    (400, complaint("Bad Request"), CALLER_ERROR),
    (401, complaint("Unauthorized", "finance"), AUTH_REJECTED),
    (200, complaint("Unauthorized"), AUTH_REJECTED),
    (200, complaint("Not Found"), CALLER_ERROR),
    (200, complaint("Internal Server Error"), MISSING),
    (200, complaint(""), MISSING),
    (200, {"chart": None}, MISSING),
    (200, {"chart": {"result": None, "error": None}}, MISSING),
    (200, chart([]), MISSING),
    (200, {}, MISSING),
    (200, None, UNPARSABLE),
    (200, "null", MISSING),
    (200, [], INVALID),
    (200, chart(timestamp=[]), MISSING),
    (200, chart(timestamp=None), MISSING),
    (200, chart(meta=None), MISSING),
    (200, chart(indicators={}), MISSING),
    (200, columns(close=[None, None]), MISSING),
    (200, columns(close=None), MISSING),
    (200, columns(close=[264.5]), INVALID),
    (200, columns(high=[266.0]), INVALID),
    (200, columns(close=["263", 264.5]), INVALID),
    (200, columns(open=[True, 263.0]), INVALID),
    (200, chart(timestamp=[1772202600, "later"]), INVALID),
    (200, chart(timestamp=[1772202600, 1e15]), INVALID),
    (200, chart(timestamp=[-5, 1772202600]), INVALID),
    (200, {"chart": {"result": {"0": 1}}}, INVALID),
    (200, {"chart": {"result": [5]}}, INVALID),
    (200, "<html><body>Before you continue</body></html>", UNPARSABLE),
    (200, "Too Many Requests", UNPARSABLE),
    (429, "Too Many Requests\r\n", CLIENT_BLOCKED),
    (429, "Edge: Too Many Requests", CLIENT_BLOCKED),
    (999, "<html>", CLIENT_BLOCKED),
]


@pytest.mark.parametrize(("status", "content", "code"), BAD_CHARTS)
def test_what_is_wrong_with_a_chart(status: int, content: object, code: str) -> None:
    assert fault(CHART, content, status) == code


@pytest.mark.parametrize(
    ("meta", "code"),
    [
        ({"regularMarketPrice": None}, MISSING),
        ({"regularMarketPrice": "264.5"}, INVALID),
        ({"regularMarketTime": None}, MISSING),
        ({"regularMarketTime": "now"}, INVALID),
        ({"regularMarketVolume": "many"}, INVALID),
        ({"regularMarketPrice": 10**400}, INVALID),
    ],
)
def test_what_is_wrong_with_a_quote(meta: Mapping[str, object], code: str) -> None:
    assert fault(QUOTE, chart(meta={**META, **meta}), symbol="AAPL") == code


@pytest.mark.parametrize(
    ("status", "content", "code"),
    [
        (200, session(), MISSING),
        (200, {"quoteResponse": None}, MISSING),
        (200, session({**CELLS, "regularMarketPrice": None}), MISSING),
        (200, session({**CELLS, "regularMarketTime": "x"}), INVALID),
        (401, complaint("Unauthorized", "finance"), AUTH_REJECTED),
        (200, complaint("Unauthorized", "quoteResponse"), AUTH_REJECTED),
    ],
)
def test_what_is_wrong_with_a_session_quote(status: int, content: object, code: str) -> None:
    assert fault(SESSION, content, status) == code


@pytest.mark.parametrize("status", [403, 500, 502, 503, 429])
def test_a_bare_status_is_left_to_speak_for_itself(status: int) -> None:
    assert fault(CHART, {"message": "no"}, status) == ""
