"""The model market is consistent with itself, and every provider shows the same truth."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from autonomous_healing.drills.twins import Market, render
from autonomous_healing.drills.twins.economy import SERIES, is_holiday
from autonomous_healing.drills.twins.market import Bar, NotListed

MARKET = Market(7, datetime(2026, 1, 1, tzinfo=UTC))
NOON = datetime(2026, 3, 11, 12, 0, 7, tzinfo=UTC)  #: a Wednesday
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
SYMBOLS = ["SPY", "AAPL", "IBM", "^GSPC", "^VIX", "^TNX", "BTC-USD", "NG=F", "EURUSD=X", "JPY=X", "JPYUSD=X"]


def answered(source: str, path: str, query: Mapping[str, str], at: datetime = NOON) -> Any:
    return json.loads(render(source, MARKET, path, query, at).body)


def ask(source: str, path: str, at: datetime = NOON, **query: str) -> Any:
    return answered(source, path, query, at)


def yahoo_quote(symbol: str, at: datetime = NOON) -> Any:
    return ask("yahoo_finance", "/v7/finance/quote", at, symbols=symbol)["quoteResponse"]["result"][0]


def chart(symbol: str, **query: str) -> Any:
    return answered("yahoo_finance", f"/v8/finance/chart/{symbol}", query)["chart"]["result"][0]


def fred(series: str, **query: str) -> dict[str, str]:
    asked = {"series_id": series, "file_type": "json", **query}
    rows = answered("fred_api", "/fred/series/observations", asked)["observations"]
    return {row["date"]: row["value"] for row in rows}


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_two_ticks_in_a_row_never_agree(symbol: str) -> None:
    prices = [MARKET.price(symbol, NOON + number * SECOND) for number in range(200)]

    assert all(one != next_one for one, next_one in pairwise(prices))
    assert all(0 < price < 1e8 for price in prices)


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("span", [MINUTE, timedelta(minutes=5), DAY])
def test_every_tick_lies_inside_its_bar(symbol: str, span: timedelta) -> None:
    start = datetime(2026, 3, 10, tzinfo=UTC)
    bar = MARKET.bar(symbol, start, span)

    ticks = [MARKET.price(symbol, start + number * span / 240) for number in range(240)]

    assert bar.low <= min(ticks)
    assert bar.high >= max(ticks)
    assert bar.low < min(bar.open, bar.close)
    assert bar.high > max(bar.open, bar.close)
    assert (bar.open, bar.close) == (ticks[0], MARKET.price(symbol, start + span - SECOND))


def test_the_parts_of_a_day_trade_as_much_as_the_whole() -> None:
    start = datetime(2026, 3, 10, tzinfo=UTC)
    hours = [MARKET.bar("SPY", start + timedelta(hours=number), timedelta(hours=1)) for number in range(24)]

    assert sum(bar.volume for bar in hours) == MARKET.day_bar("SPY", start.date()).volume > 0
    assert all(bar.volume > 0 for bar in hours)


def test_bars_exist_only_for_whole_past_days_and_stocks_rest_at_weekends() -> None:
    sunday = datetime(2026, 3, 15, 9, tzinfo=UTC)

    stock = MARKET.days("AAPL", date(2026, 3, 11), date(2026, 3, 31), sunday)
    coin = MARKET.days("BTC-USD", date(2026, 3, 11), date(2026, 3, 31), sunday)

    assert [day.day for day in stock] == [11, 12, 13]
    assert [day.day for day in coin] == [11, 12, 13, 14]


@pytest.mark.parametrize("symbol", ["NOPE", "USDUSD=X", "EURXXX=X", "=X", ""])
def test_what_is_not_listed_does_not_exist(symbol: str) -> None:
    assert not MARKET.lists(symbol)
    with pytest.raises(NotListed):
        MARKET.price(symbol, NOON)


def test_the_seed_makes_the_market() -> None:
    again, other = Market(7, MARKET.epoch), Market(8, MARKET.epoch)

    assert again.price("AAPL", NOON) == MARKET.price("AAPL", NOON)
    assert other.price("AAPL", NOON) != MARKET.price("AAPL", NOON)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        MARKET.price("AAPL", NOON.replace(tzinfo=None))


def test_pairs_and_rates_are_the_same_truth() -> None:
    assert MARKET.rate("EUR", "USD", NOON) == MARKET.price("EURUSD=X", NOON)
    assert MARKET.rate("USD", "JPY", NOON) == MARKET.price("JPY=X", NOON)
    assert MARKET.rate("USD", "JPY", NOON) * MARKET.rate("JPY", "USD", NOON) == pytest.approx(1, rel=2e-3)
    assert MARKET.rate("GBP", "GBP", NOON) == 1.0


def test_monthly_yields_are_the_average_of_the_daily_ones() -> None:
    daily = fred("DGS10", observation_start="2026-01-01", observation_end="2026-01-31")
    values = [float(value) for value in daily.values() if value != "."]

    assert daily["2026-01-01"] == "."
    assert len(values) == 21
    assert fred("GS10")["2026-01-01"] == f"{sum(values) / len(values):.2f}"


@pytest.mark.parametrize("series", sorted(SERIES))
def test_the_newest_published_observation_has_a_value(series: str) -> None:
    for number in range(0, 400, 9):
        now = NOON + number * DAY
        newest = MARKET.observations(series, now, since=now.date() - 220 * DAY)[-1]
        assert newest.value is not None
        assert newest.value == MARKET.observation(series, newest.day)
        assert SERIES[series].due_at(newest.day) <= now


def test_history_has_points_only_on_holidays() -> None:
    observations = MARKET.observations("DGS10", NOON)

    assert {seen.day for seen in observations if seen.value is None} == {
        seen.day for seen in observations if is_holiday(seen.day)
    }
    assert all(seen.day.weekday() < 5 for seen in observations)
    assert date(2025, 11, 27) in {seen.day for seen in observations if seen.value is None}


def test_all_providers_quote_the_same_share_price() -> None:
    price = MARKET.price("AAPL", NOON)

    quote = ask("alpha_vantage", "/query", function="GLOBAL_QUOTE", symbol="AAPL")["Global Quote"]

    assert yahoo_quote("AAPL")["regularMarketPrice"] == price
    assert chart("AAPL")["meta"]["regularMarketPrice"] == price
    assert float(quote["05. price"]) == price
    assert int(quote["06. volume"]) == yahoo_quote("AAPL")["regularMarketVolume"]


def test_all_providers_give_the_same_daily_bar() -> None:
    bar = MARKET.day_bar("AAPL", date(2026, 3, 10))
    expected = (bar.open, bar.high, bar.low, bar.close, bar.volume)

    [prev] = ask("polygon_io", "/v2/aggs/ticker/AAPL/prev")["results"]
    path = "/v2/aggs/ticker/AAPL/range/1/day/2026-03-02/2026-03-11"
    newest = ask("polygon_io", path, sort="desc", limit="1")["results"][0]
    daily = ask("alpha_vantage", "/query", function="TIME_SERIES_DAILY", symbol="AAPL")["Time Series (Daily)"]
    columns = chart("AAPL", interval="1d", range="5d")["indicators"]["quote"][0]

    assert tuple(prev[name] for name in "ohlcv") == expected
    assert newest == prev
    assert tuple(float(value) for value in daily["2026-03-10"].values()) == expected
    assert tuple(columns[name][-1] for name in ("open", "high", "low", "close", "volume")) == expected
    assert yahoo_quote("AAPL")["regularMarketPreviousClose"] == bar.close


def test_all_providers_give_the_same_minute_and_the_same_exchange_rate() -> None:
    top = NOON.replace(second=0)
    path = "/v2/aggs/ticker/C:EURUSD/range/1/minute/2026-03-11/2026-03-11"
    row = ask("polygon_io", path, top + MINUTE, sort="desc", limit="1")["results"][0]
    query = {"function": "CURRENCY_EXCHANGE_RATE", "from_currency": "EUR", "to_currency": "USD"}
    block = ask("alpha_vantage", "/query", top, **query)["Realtime Currency Exchange Rate"]
    rate = MARKET.rate("EUR", "USD", top)

    assert row["t"] == int(top.timestamp()) * 1000
    assert row["o"] == rate
    assert float(block["5. Exchange Rate"]) == rate
    assert ask("exchange_rate_api", "/v6/-/latest/EUR")["conversion_rates"]["USD"] == rate
    assert ask("exchange_rate_api", "/v6/latest/EUR")["rates"]["USD"] == rate
    assert ask("exchange_rate_api", "/v6/-/pair/EUR/USD")["conversion_rate"] == rate
    assert yahoo_quote("EURUSD=X", top)["regularMarketPrice"] == rate


def test_exchange_rates_change_with_every_minute() -> None:
    tables = [ask("exchange_rate_api", "/v6/latest/USD", NOON + number * MINUTE) for number in range(5)]

    for one, following in pairwise(tables):
        assert one["time_next_update_unix"] == following["time_last_update_unix"]
        assert all(one["rates"][code] != following["rates"][code] for code in one["rates"].keys() - {"USD"})


def test_indices_and_yields_agree_between_yahoo_and_fred() -> None:
    columns = chart("^GSPC", interval="1d", range="5d")["indicators"]["quote"][0]

    assert fred("SP500", sort_order="desc", limit="1") == {"2026-03-10": f"{columns['close'][-1]:.2f}"}
    evening = datetime(2026, 3, 10, 20, tzinfo=UTC)
    assert MARKET.price("^TNX", evening) == pytest.approx(float(fred("DGS10")["2026-03-10"]), abs=0.01)


def test_an_answer_is_the_same_byte_for_byte_within_its_second() -> None:
    path = "/v2/aggs/ticker/AAPL/prev"
    keyed = render("polygon_io", MARKET, path, {"apiKey": "secret"}, NOON)
    same = render("polygon_io", MARKET, path, {}, NOON + timedelta(milliseconds=999))

    assert keyed == same
    assert render("polygon_io", MARKET, path, {}, NOON + SECOND).body != same.body


def test_a_chart_window_in_seconds_is_respected() -> None:
    start = datetime(2026, 3, 9, tzinfo=UTC)
    seconds = {"period1": str(int(start.timestamp())), "period2": str(int((start + 2 * DAY).timestamp()))}

    days, hours = chart("SPY", interval="1d", **seconds), chart("SPY", interval="1h", **seconds)

    assert [datetime.fromtimestamp(stamp, UTC).day for stamp in days["timestamp"]] == [9, 10]
    assert len(hours["timestamp"]) == 48
    assert hours["indicators"]["quote"][0]["open"][0] == MARKET.price("SPY", start)


def test_fred_pages_orders_and_cuts_windows() -> None:
    window = {"observation_start": "2026-03-02", "observation_end": "2026-03-06"}
    whole = list(fred("DGS10", **window))

    assert whole == [f"2026-03-0{number}" for number in range(2, 7)]
    assert list(fred("DGS10", sort_order="desc", limit="2", offset="1", **window)) == whole[-2:-4:-1]


def test_fred_speaks_xml_unless_asked_for_json() -> None:
    answer = render("fred_api", MARKET, "/fred/series/observations", {"series_id": "GDP"}, NOON)

    assert answer.content_type.startswith("text/xml")
    assert b'<observation realtime_start="2026-03-11"' in answer.body


JSON = {"file_type": "json"}
MALFORMED = [
    ("yahoo_finance", "/v8/finance/chart/NOPE", {}, 404, "symbol may be delisted"),
    (
        "yahoo_finance",
        "/v8/finance/chart/SPY",
        {"interval": "1m", "range": "1mo"},
        422,
        "Unprocessable Entity",
    ),
    ("yahoo_finance", "/v8/finance/chart/SPY", {"interval": "15m", "range": "1y"}, 422, "last 60 days"),
    ("yahoo_finance", "/v8/finance/chart/SPY", {"interval": "7m"}, 400, "interval=7m is not supported"),
    ("yahoo_finance", "/v8/finance/chart/SPY", {"period1": "soon"}, 400, "Bad Request"),
    ("yahoo_finance", "/v7/finance/quote", {}, 400, "Missing value"),
    ("yahoo_finance", "/v7/finance/quote", {"symbols": "NOPE"}, 200, '"result":[]'),
    ("fred_api", "/fred/series", {"series_id": "NOPE", **JSON}, 400, "The series does not exist."),
    ("fred_api", "/fred/series", {"series_id": "NOPE"}, 400, '<error code="400"'),
    ("fred_api", "/fred/series", JSON, 400, "series_id is not set"),
    ("fred_api", "/fred/series/observations", {"series_id": "GDP", "limit": "0", **JSON}, 400, "limit"),
    ("fred_api", "/fred/releases", JSON, 404, "Not Found"),
    ("polygon_io", "/v2/aggs/ticker/NOPE/prev", {}, 200, '"resultsCount":0'),
    ("polygon_io", "/v2/aggs/ticker/AAPL/range/1/day/soon/2026-03-11", {}, 400, "Could not parse the time"),
    ("polygon_io", "/v2/aggs/ticker/AAPL/range/0/day/2026-03-01/2026-03-11", {}, 400, "aggregate size"),
    ("polygon_io", "/v2/aggs/ticker/EURUSD=X/prev", {}, 200, '"resultsCount":0'),
    ("alpha_vantage", "/query", {"function": "GLOBAL_QUOTE", "symbol": "NOPE"}, 200, '{"Global Quote":{}}'),
    ("alpha_vantage", "/query", {"function": "TIME_SERIES_DAILY", "symbol": "NOPE"}, 200, "Invalid API call"),
    ("alpha_vantage", "/query", {"function": "NOPE"}, 200, "Error Message"),
    ("exchange_rate_api", "/v6/-/latest/NOPE", {}, 404, "unsupported-code"),
    ("exchange_rate_api", "/v6/nope", {}, 404, "malformed-request"),
]


@pytest.mark.parametrize(("source", "path", "query", "status", "words"), MALFORMED)
def test_a_wrong_request_gets_the_providers_own_error(
    source: str, path: str, query: dict[str, str], status: int, words: str
) -> None:
    answer = render(source, MARKET, path, query, NOON)

    assert answer.status == status
    assert words in answer.body.decode()


def test_polygon_without_data_has_no_results_at_all() -> None:
    assert "results" not in ask("polygon_io", "/v2/aggs/ticker/NOPE/prev")


def test_alpha_vantage_is_compact_with_a_hundred_rows() -> None:
    rows = ask("alpha_vantage", "/query", function="TIME_SERIES_DAILY", symbol="IBM")["Time Series (Daily)"]

    assert len(rows) == 100
    assert list(rows) == sorted(rows, reverse=True)


def test_a_bar_says_where_it_starts_and_how_long_it_is() -> None:
    bar = MARKET.bar("SPY", NOON, MINUTE)

    assert isinstance(bar, Bar)
    assert (bar.start, bar.span) == (NOON, MINUTE)
