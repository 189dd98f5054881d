"""What each fault looks like at each provider, and when a script lets it strike."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from autonomous_healing.drills.twins import Exchange, Fault, FaultKind, FaultScript, Market, render
from autonomous_healing.drills.twins.breakage import SILENT, broken
from autonomous_healing.drills.twins.providers import PROVIDERS, Ask
from autonomous_healing.drills.twins.rendered import Rendered

MARKET = Market(7, datetime(2026, 1, 1, tzinfo=UTC))
NOON = datetime(2026, 3, 11, 12, 0, 7, tzinfo=UTC)
DAY = timedelta(days=1)

Target = tuple[str, str, Mapping[str, str]]
QUOTE: Target = ("yahoo_finance", "/v7/finance/quote", {"symbols": "SPY"})
CHART: Target = ("yahoo_finance", "/v8/finance/chart/SPY", {"interval": "1d", "range": "5d"})
OBSERVATIONS: Target = (
    "fred_api",
    "/fred/series/observations",
    {"series_id": "DGS10", "file_type": "json", "limit": "10", "sort_order": "desc"},
)
SERIES: Target = ("fred_api", "/fred/series", {"series_id": "DGS10", "file_type": "json"})
AGGS: Target = ("polygon_io", "/v2/aggs/ticker/AAPL/range/1/day/2026-03-05/2026-03-11", {})
PREV: Target = ("polygon_io", "/v2/aggs/ticker/AAPL/prev", {})
GLOBAL_QUOTE: Target = ("alpha_vantage", "/query", {"function": "GLOBAL_QUOTE", "symbol": "IBM"})
DAILY: Target = ("alpha_vantage", "/query", {"function": "TIME_SERIES_DAILY", "symbol": "IBM"})
EXCHANGE: Target = (
    "alpha_vantage",
    "/query",
    {"function": "CURRENCY_EXCHANGE_RATE", "from_currency": "EUR", "to_currency": "USD"},
)
LATEST: Target = ("exchange_rate_api", "/v6/-/latest/USD", {})
OPEN_LATEST: Target = ("exchange_rate_api", "/v6/latest/USD", {})
TARGETS = [
    QUOTE,
    CHART,
    OBSERVATIONS,
    SERIES,
    AGGS,
    PREV,
    GLOBAL_QUOTE,
    DAILY,
    EXCHANGE,
    LATEST,
    OPEN_LATEST,
]

#: What provider-facts says of each refusal: status, and words of the body.
REFUSALS = [
    (QUOTE, FaultKind.THROTTLE, 429, "Too Many Requests"),
    (QUOTE, FaultKind.THROTTLE_BARE, 429, "Edge: Too Many Requests"),
    (QUOTE, FaultKind.QUOTA, 402, '{"error":'),
    (QUOTE, FaultKind.UNAUTHORIZED, 401, '"code":"Unauthorized","description":"Invalid Crumb"'),
    (QUOTE, FaultKind.FORBIDDEN, 403, '{"finance":{"result":null,"error":'),
    (QUOTE, FaultKind.PLAN, 403, "plan"),
    (OBSERVATIONS, FaultKind.THROTTLE, 429, '"error_code":429'),
    (OBSERVATIONS, FaultKind.THROTTLE_BARE, 429, '"error_code":429'),
    (OBSERVATIONS, FaultKind.QUOTA, 402, '{"error":'),
    (OBSERVATIONS, FaultKind.UNAUTHORIZED, 400, "api_key"),
    (OBSERVATIONS, FaultKind.FORBIDDEN, 403, "Access Denied"),
    (OBSERVATIONS, FaultKind.PLAN, 423, "Locked"),
    (AGGS, FaultKind.THROTTLE, 429, "You've exceeded the maximum requests per minute"),
    (AGGS, FaultKind.THROTTLE_BARE, 429, "You've exceeded the maximum requests per minute"),
    (AGGS, FaultKind.QUOTA, 402, '{"error":'),
    (AGGS, FaultKind.UNAUTHORIZED, 401, '"error":"Unknown API Key"'),
    (AGGS, FaultKind.FORBIDDEN, 403, '"status":"ERROR"'),
    (AGGS, FaultKind.PLAN, 403, '"status":"NOT_AUTHORIZED"'),
    (GLOBAL_QUOTE, FaultKind.THROTTLE, 200, "5 calls per minute"),
    (GLOBAL_QUOTE, FaultKind.THROTTLE_BARE, 200, "1 request per second"),
    (
        GLOBAL_QUOTE,
        FaultKind.QUOTA,
        200,
        "your API key as SECRET and our standard API rate limit is 25 requests per",
    ),
    (GLOBAL_QUOTE, FaultKind.UNAUTHORIZED, 200, '{"Error Message":"the parameter apikey is invalid'),
    (GLOBAL_QUOTE, FaultKind.FORBIDDEN, 403, "403 Forbidden"),
    (GLOBAL_QUOTE, FaultKind.PLAN, 200, "premium endpoint"),
    (LATEST, FaultKind.THROTTLE, 429, "Too Many Requests"),
    (LATEST, FaultKind.THROTTLE_BARE, 429, "Too Many Requests"),
    (LATEST, FaultKind.QUOTA, 200, '"error-type":"quota-reached"'),
    (LATEST, FaultKind.UNAUTHORIZED, 403, '"error-type":"invalid-key"'),
    (LATEST, FaultKind.FORBIDDEN, 403, '"error-type":"inactive-account"'),
    (LATEST, FaultKind.PLAN, 403, '"error-type":"plan-upgrade-required"'),
]


def under(target: Target, kind: FaultKind, at: datetime = NOON) -> Rendered:
    source, path, query = target
    fault = Fault(kind=kind, source=source, starts_at=NOON, seconds=6.2)
    return broken(fault, Ask(source=source, market=MARKET, path=path, query=query, at=at, key="SECRET"))


def content(target: Target, kind: FaultKind) -> Any:
    return json.loads(under(target, kind).body)


def healthy(target: Target, at: datetime = NOON) -> Rendered:
    source, path, query = target
    return render(source, MARKET, path, query, at)


@pytest.mark.parametrize(("target", "kind", "status", "words"), REFUSALS)
def test_a_refusal_is_in_the_providers_own_form(
    target: Target, kind: FaultKind, status: int, words: str
) -> None:
    answer = under(target, kind)

    assert answer.status == status
    assert words in answer.body.decode()
    assert answer.headers == ({"Retry-After": "7"} if kind is FaultKind.THROTTLE else {})


def test_the_table_of_refusals_is_whole() -> None:
    kinds = {kind for _, kind, _, _ in REFUSALS}

    assert {(target[0], kind) for target, kind, _, _ in REFUSALS} == {
        (source, kind) for source in PROVIDERS for kind in kinds
    }
    assert {FaultKind.THROTTLE, FaultKind.QUOTA, FaultKind.PLAN} <= kinds
    assert len(kinds) == 6


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (QUOTE, '"quoteResponse":{"result":[]'),
        (CHART, '"chart":{"result":[]'),
        (OBSERVATIONS, '"observations":[]'),
        (SERIES, '"seriess":[]'),
        (AGGS, '"resultsCount":0'),
        (PREV, '"resultsCount":0'),
        (GLOBAL_QUOTE, '{"Global Quote":{}}'),
        (DAILY, '{"Time Series (Daily)":{}}'),
        (EXCHANGE, '{"Realtime Currency Exchange Rate":{}}'),
        (LATEST, '"error-type":"no-data-available"'),
        (OPEN_LATEST, '"error-type":"no-data-available"'),
    ],
)
def test_missing_data_are_missing_in_the_providers_own_form(target: Target, words: str) -> None:
    answer = under(target, FaultKind.MISSING)

    assert answer.status == 200
    assert words in answer.body.decode()
    assert '"results":' not in answer.body.decode()


@pytest.mark.parametrize("target", TARGETS)
def test_a_wrong_shape_keeps_the_top_level_and_loses_the_types_below(target: Target) -> None:
    spoiled, good = content(target, FaultKind.WRONG_SHAPE), json.loads(healthy(target).body)

    assert spoiled.keys() == good.keys()
    assert _types(spoiled) != _types(good) or '"n/a"' in json.dumps(spoiled)


def _types(value: Any) -> Any:
    match value:
        case dict():
            return {name: _types(inner) for name, inner in value.items()}
        case list():
            return [_types(inner) for inner in value]
        case _:
            return type(value)


@pytest.mark.parametrize("target", TARGETS)
def test_implausible_values_keep_the_shape(target: Target) -> None:
    spoiled, good = content(target, FaultKind.IMPLAUSIBLE), json.loads(healthy(target).body)

    assert str(_types(spoiled)).replace("int", "float") == str(_types(good)).replace("int", "float")
    assert spoiled != good


def test_implausible_values_are_impossible_ones() -> None:
    quote = content(QUOTE, FaultKind.IMPLAUSIBLE)["quoteResponse"]["result"][0]
    columns = content(CHART, FaultKind.IMPLAUSIBLE)["chart"]["result"][0]["indicators"]["quote"][0]
    rows = content(AGGS, FaultKind.IMPLAUSIBLE)["results"]
    share = content(GLOBAL_QUOTE, FaultKind.IMPLAUSIBLE)["Global Quote"]
    rates = content(OPEN_LATEST, FaultKind.IMPLAUSIBLE)["rates"]

    assert quote["regularMarketPrice"] < 0
    assert all(high < low for high, low in zip(columns["high"], columns["low"], strict=True))
    assert all(row["h"] < row["l"] for row in rows)
    assert float(share["05. price"]) < 0
    assert {rate for code, rate in rates.items() if code != "USD"} == {0}


@pytest.mark.parametrize("target", TARGETS)
def test_frozen_answers_stay_as_they_were_at_the_start(target: Target) -> None:
    later = under(target, FaultKind.FROZEN, NOON + timedelta(minutes=45))

    assert later.body == healthy(target).body
    assert later.body != healthy(target, NOON + 2 * DAY).body


@pytest.mark.parametrize("target", TARGETS)
def test_slow_and_cut_answers_are_good_in_themselves(target: Target) -> None:
    assert under(target, FaultKind.LATENCY) == under(target, FaultKind.CUT) == healthy(target)


@pytest.mark.parametrize("target", TARGETS)
def test_pages_empty_bodies_and_server_errors_look_alike_everywhere(target: Target) -> None:
    page, nothing, error = (
        under(target, kind) for kind in (FaultKind.HTML, FaultKind.EMPTY, FaultKind.SERVER_ERROR)
    )

    assert (page.status, page.body[:9], page.content_type[:9]) == (200, b"<!DOCTYPE", "text/html")
    assert (nothing.status, nothing.body) == (200, b"")
    assert error.status in (500, 502, 503)
    assert error == under(target, FaultKind.SERVER_ERROR)


def test_server_errors_are_of_several_kinds() -> None:
    errors = [
        under(("polygon_io", f"/v2/aggs/ticker/{n}/prev", {}), FaultKind.SERVER_ERROR) for n in range(40)
    ]

    assert {error.status for error in errors} == {500, 502, 503}
    assert len({error.content_type for error in errors}) == 2


def test_stale_answers_are_too_old_by_their_own_time_stamps() -> None:
    now = NOON.timestamp()
    quote = content(QUOTE, FaultKind.STALE)["quoteResponse"]["result"][0]
    chart = content(CHART, FaultKind.STALE)["chart"]["result"][0]
    rates = content(LATEST, FaultKind.STALE)
    share = content(GLOBAL_QUOTE, FaultKind.STALE)["Global Quote"]

    assert 4 * 86_400 < now - quote["regularMarketTime"] < 7 * 86_400
    assert now - chart["timestamp"][-1] > 10 * 86_400
    assert len(chart["timestamp"]) == 5
    assert now - rates["time_next_update_unix"] > 26 * 3600
    assert share["07. latest trading day"] == "2026-03-06"
    assert quote["regularMarketPrice"] == MARKET.price("SPY", NOON - 5 * DAY)


@pytest.mark.parametrize(("series", "days"), [("DGS10", 30), ("GS10", 180), ("GDP", 450)])
def test_stale_series_end_long_before_they_are_due(series: str, days: int) -> None:
    query = {"series_id": series, "file_type": "json", "sort_order": "desc"}
    target: Target = ("fred_api", "/fred/series/observations", query)

    newest = content(target, FaultKind.STALE)["observations"][0]["date"]

    assert NOON - datetime.fromisoformat(newest).replace(tzinfo=UTC) > days * DAY


def test_a_stale_answer_fills_the_window_that_was_asked_for() -> None:
    fresh, stale = json.loads(healthy(AGGS).body)["results"], content(AGGS, FaultKind.STALE)["results"]
    start = int(NOON.timestamp()) - 3 * 86_400
    window: Target = ("yahoo_finance", "/v8/finance/chart/SPY", {"period1": str(start), "interval": "1h"})
    bars = content(window, FaultKind.STALE)["chart"]["result"][0]["timestamp"]

    assert len(stale) == len(fresh) > 0
    assert stale[-1]["t"] < fresh[0]["t"]
    assert len(bars) == 71
    assert bars[-1] < start - 10 * 86_400


def test_a_callers_own_mistake_is_not_spoiled() -> None:
    unknown: Target = ("yahoo_finance", "/v8/finance/chart/NOPE", {})

    assert under(unknown, FaultKind.WRONG_SHAPE) == healthy(unknown)


@pytest.mark.parametrize(
    ("key", "words"),
    [("", "api_key is not set"), ("SHORT", "32 character"), ("a" * 32, "is not registered")],
)
def test_fred_says_what_is_wrong_with_a_key(key: str, words: str) -> None:
    source, path, query = SERIES
    ask = Ask(source=source, market=MARKET, path=path, query=query, at=NOON, key=key)

    answer = broken(Fault(kind=FaultKind.UNAUTHORIZED, source=source), ask)

    assert words in json.loads(answer.body)["error_message"]


def test_every_kind_has_one_of_the_ten_wire_types() -> None:
    assert {kind.error_type for kind in FaultKind} == {
        "timeout",
        "rate_limit_429",
        "auth_error_403",
        "server_error_5xx",
        "network_error",
        "quota_exceeded",
        "parsing_error",
        "missing_data",
        "invalid_data",
        "stale_data",
    }
    assert {kind.error_type for kind in SILENT} == {"timeout", "network_error"}


# Script matching.


def seen(**changes: Any) -> Exchange:
    facts: dict[str, Any] = {
        "at": NOON,
        "source": "fred_api",
        "host": 0,
        "endpoint": "/series",
        "query": {},
        "key": "a" * 32,
        "request_id": "r1",
    }
    return Exchange(**(facts | changes))


@pytest.mark.parametrize(
    ("only", "changes", "strikes"),
    [
        ({}, {}, True),
        ({}, {"source": "polygon_io"}, False),
        ({"endpoint": "/series"}, {}, True),
        ({"endpoint": "/observations"}, {}, False),
        ({"host": 0}, {}, True),
        ({"host": 1}, {}, False),
        ({"key": "a" * 32}, {}, True),
        ({"key": "b" * 32}, {}, False),
        ({"request_ids": frozenset({"r1", "r2"})}, {}, True),
        ({"request_ids": frozenset({"r2"})}, {}, False),
        ({"request_ids": frozenset({"r2"})}, {"request_id": ""}, False),
        ({"starts_at": NOON}, {}, True),
        ({"starts_at": NOON + DAY}, {}, False),
        ({"ends_at": NOON}, {}, False),
        ({"ends_at": NOON + DAY}, {}, True),
        ({"exchanges": 0}, {}, False),
    ],
)
def test_a_fault_strikes_only_what_it_names(
    only: dict[str, Any], changes: dict[str, Any], strikes: bool
) -> None:
    fault = Fault(kind=FaultKind.EMPTY, source="fred_api", **only)

    assert FaultScript([fault]).fault_for(seen(**changes)) == (fault if strikes else None)


def test_the_first_matching_fault_wins() -> None:
    narrow = Fault(kind=FaultKind.EMPTY, source="fred_api", endpoint="/observations")
    first, second = (Fault(kind=kind, source="fred_api") for kind in (FaultKind.HTML, FaultKind.RESET))

    assert FaultScript([narrow, first, second]).fault_for(seen()) == first


def test_the_first_exchanges_of_each_request_are_struck_and_then_the_next_fault_has_its_turn() -> None:
    twice = Fault(kind=FaultKind.EMPTY, source="fred_api", exchanges=2)
    once = Fault(kind=FaultKind.HTML, source="fred_api", exchanges=1)
    script = FaultScript([twice, once])

    struck = [script.fault_for(seen(request_id=name)) for name in ("r1", "r2", "r1", "r1", "r1", "r2")]

    assert struck == [twice, twice, twice, once, None, twice]


def test_a_frozen_fault_must_say_which_moment_it_repeats() -> None:
    with pytest.raises(ValueError, match="starts_at"):
        Fault(kind=FaultKind.FROZEN, source="fred_api")


@pytest.mark.parametrize(
    ("only", "refuses"),
    [
        ({}, True),
        ({"host": 1}, False),
        ({"endpoint": "/series"}, False),
        ({"request_ids": frozenset({"r1"})}, False),
        ({"ends_at": NOON}, False),
    ],
)
def test_an_outage_of_everything_strikes_before_the_request_is_known(
    only: dict[str, Any], refuses: bool
) -> None:
    script = FaultScript([Fault(kind=FaultKind.OUTAGE, source="fred_api", **only)])

    assert (script.outage_for("fred_api", 0, NOON) is not None) == refuses
