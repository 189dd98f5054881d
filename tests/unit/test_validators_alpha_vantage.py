"""What Alpha Vantage says under status 200, and what it means by it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.world import fault, read

from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    CALLER_ERROR,
    INVALID,
    MISSING,
    PLAN_LIMITED,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
    UNPARSABLE,
)
from autonomous_healing.endpoint_healing.records import Bar, Bars, Quote, Rates

QUERY = "alpha_vantage/query"

CELLS = {
    "01. symbol": "IBM",
    "05. price": "264.5000",
    "06. volume": "4100000",
    "07. latest trading day": "2026-03-02",
    "08. previous close": "250.0000",
    "09. change": "14.5000",
    "10. change percent": "5.8000%",
}
DAY = {"1. open": "263.0", "2. high": "266.0", "3. low": "262.0", "4. close": "264.5", "5. volume": "41"}
RATE = {
    "1. From_Currency Code": "EUR",
    "3. To_Currency Code": "USD",
    "5. Exchange Rate": "1.08450000",
    "6. Last Refreshed": "2026-03-02 14:59:01",
}
FX = "Realtime Currency Exchange Rate"
DAILY = "TIME_SERIES_DAILY"


def quote(**changes: object) -> dict[str, Any]:
    return {"Global Quote": {**CELLS, **{name.replace("_", " "): value for name, value in changes.items()}}}


def with_cell(name: str, value: object) -> dict[str, Any]:
    return {"Global Quote": {**CELLS, name: value}}


def daily(*rows: object) -> dict[str, Any]:
    days = [f"2026-02-{27 - n}" for n in range(len(rows))]
    return {"Meta Data": {}, "Time Series (Daily)": dict(zip(days, rows, strict=True))}


def test_a_healthy_quote_is_read_from_its_texts() -> None:
    assert read(QUERY, quote()) == Quote(
        symbol="IBM",
        price=264.5,
        change=14.5,
        change_pct=5.8,
        volume=4.1e6,
        as_of=datetime(2026, 3, 2, tzinfo=UTC),
        as_of_day=True,
    )


def test_healthy_daily_bars_are_read_newest_first() -> None:
    bars = read(QUERY, daily(DAY, {**DAY, "4. close": "263.5"}), function=DAILY, symbol="IBM")
    assert isinstance(bars, Bars)
    assert bars.newest_first
    assert bars.rows[0] == Bar(datetime(2026, 2, 27, tzinfo=UTC), 263.0, 266.0, 262.0, 264.5, 41.0)
    assert bars.rows[1].c == 263.5


def test_a_healthy_rate_is_read() -> None:
    rates = read(QUERY, {FX: RATE}, function="CURRENCY_EXCHANGE_RATE")
    assert rates == Rates(
        base="EUR", as_of=datetime(2026, 3, 2, tzinfo=UTC), next_update=None, rates={"USD": 1.0845}
    )


@pytest.mark.parametrize(
    ("function", "content"),
    [
        ("TIME_SERIES_INTRADAY", {"Time Series (5min)": {"2026-03-02 09:35:00": DAY}}),
        ("TIME_SERIES_WEEKLY", {"Weekly Time Series": {"2026-02-27": DAY}}),
        ("RSI", {"Technical Analysis: RSI": {"2026-03-02": {"RSI": "55"}}}),
    ],
)
def test_what_has_no_rules_of_its_own_is_healthy_when_it_holds_something(
    function: str, content: object
) -> None:
    assert read(QUERY, content, function=function) is None


#: Notices of several years, none of which is looked at where there is data.
NOTICES = [
    ("Our standard API call frequency is 5 calls per minute and 500 calls per day.", RATE_LIMITED),
    ("Please consider spreading out your requests (1 request per second).", RATE_LIMITED),
    (
        "(1 request per second). Premium plans lift the limit of 25 requests per day.",
        RATE_LIMITED,
    ),
    ("our standard API rate limit is 25 requests per day. See the premium plans.", QUOTA_EXHAUSTED),
    ("to instantly remove all daily rate limits", QUOTA_EXHAUSTED),
    ("This is a premium endpoint. You may subscribe to any of the premium plans.", PLAN_LIMITED),
    ("the parameter apikey is invalid or missing.", AUTH_REJECTED),
    ("The **demo** API key is for demo purposes only.", QUOTA_EXHAUSTED),
    ("", QUOTA_EXHAUSTED),
]


@pytest.mark.parametrize("name", ["Note", "Information"])
@pytest.mark.parametrize(("words", "code"), NOTICES)
def test_a_notice_in_place_of_data(name: str, words: str, code: str) -> None:
    assert fault(QUERY, {name: words}) == code
    assert fault(QUERY, {name: words, **quote()}) == ""


BAD: list[tuple[object, str]] = [
    ({"Error Message": "Invalid API call. Please retry or visit the documentation."}, CALLER_ERROR),
    ({"Error Message": "the parameter apikey is invalid or missing."}, AUTH_REJECTED),
    ({"Hinweis": "please wait"}, QUOTA_EXHAUSTED),
    ({}, MISSING),
    ({"Meta Data": {}}, MISSING),
    ({"Global Quote": {}}, MISSING),
    ({"Global Quote": None}, MISSING),
    ({"Global Quote": []}, INVALID),
    (with_cell("05. price", None), MISSING),
    (with_cell("05. price", ""), MISSING),
    (with_cell("05. price", "n/a"), INVALID),
    (with_cell("06. volume", "many"), INVALID),
    (with_cell("07. latest trading day", "today"), INVALID),
    (with_cell("07. latest trading day", None), INVALID),
    ([], INVALID),
    ("null", MISSING),
    ("", UNPARSABLE),
    ("symbol,open\r\nIBM,263", UNPARSABLE),
]


@pytest.mark.parametrize(("content", "code"), BAD)
def test_what_is_wrong_with_a_quote(content: object, code: str) -> None:
    assert fault(QUERY, content) == code


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"Time Series (Daily)": {}}, MISSING),
        ({"Meta Data": {"2. Symbol": "IBM"}}, MISSING),
        (daily({**DAY, "4. close": None}), MISSING),
        (daily({**DAY, "4. close": "x"}), INVALID),
        (daily("row"), INVALID),
        ({"Time Series (Daily)": {"soon": DAY}}, INVALID),
    ],
)
def test_what_is_wrong_with_daily_bars(content: object, code: str) -> None:
    assert fault(QUERY, content, function=DAILY) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"5. Exchange Rate": None}, MISSING),
        ({"5. Exchange Rate": "-"}, INVALID),
        ({"6. Last Refreshed": 5}, INVALID),
    ],
)
def test_what_is_wrong_with_a_rate(change: dict[str, object], code: str) -> None:
    assert fault(QUERY, {FX: {**RATE, **change}}, function="CURRENCY_EXCHANGE_RATE") == code


def test_an_empty_block_without_rules_is_missing_too() -> None:
    assert fault(QUERY, {"Weekly Time Series": {}}, function="TIME_SERIES_WEEKLY") == MISSING
