"""From a path on the proxy to an endpoint and its parameters."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.world import World

from autonomous_healing.proxy.routes import BadRequest, NoRoute, RouteTable, single_values, split

TABLE = RouteTable(World().endpoints)

ROUTES = [
    (
        "/api/yahoo/chart/AAPL",
        {"interval": "5m"},
        "yahoo_finance/chart",
        {"symbol": "AAPL", "interval": "5m", "range": "5d"},
    ),
    (
        "/api/yahoo_finance/chart/AAPL",
        {},
        "yahoo_finance/chart",
        {"symbol": "AAPL", "interval": "1d", "range": "5d"},
    ),
    (
        "/api/yahoo/v8/finance/chart/%5EGSPC",
        {},
        "yahoo_finance/chart",
        {"symbol": "^GSPC", "interval": "1d", "range": "5d"},
    ),
    ("/api/fred/series", {"series_id": "GDP"}, "fred_api/series", {"series_id": "GDP", "file_type": "json"}),
    (
        "/api/fred/series",
        {"series_id": "GDP", "file_type": "xml"},
        "fred_api/series",
        {"series_id": "GDP", "file_type": "json"},
    ),
    (
        "/api/fred/observations",
        {"series_id": "GDP"},
        "fred_api/observations",
        {"series_id": "GDP", "file_type": "json"},
    ),
    (
        "/api/fred_api/series/observations",
        {"series_id": "GDP"},
        "fred_api/observations",
        {"series_id": "GDP", "file_type": "json"},
    ),
    ("/api/polygon/prev", {"ticker": "AAPL"}, "polygon_io/v2/prev", {"ticker": "AAPL"}),
    ("/api/polygon/v2/aggs/ticker/X%3ABTCUSD/prev", {}, "polygon_io/v2/prev", {"ticker": "X:BTCUSD"}),
    (
        "/api/polygon/v2/aggs/ticker/AAPL/range/5/minute/2026-03-01/2026-03-02",
        {"sort": "desc"},
        "polygon_io/v2/aggs",
        {
            "ticker": "AAPL",
            "multiplier": "5",
            "timespan": "minute",
            "from": "2026-03-01",
            "to": "2026-03-02",
            "sort": "desc",
        },
    ),
    (
        "/api/polygon/aggs",
        {"ticker": "AAPL", "from": "2026-03-01", "to": "2026-03-02"},
        "polygon_io/v2/aggs",
        {"ticker": "AAPL", "multiplier": "1", "timespan": "day", "from": "2026-03-01", "to": "2026-03-02"},
    ),
    (
        "/api/alpha-vantage/query",
        {"function": "RSI"},
        "alpha_vantage/query",
        {"function": "RSI"},
    ),
    ("/api/exchange-rate/latest/USD", {}, "exchange_rate_api/latest", {"base": "USD"}),
    ("/api/exchange-rate/pair/USD/EUR", {}, "exchange_rate_api/pair", {"base": "USD", "target": "EUR"}),
]


@pytest.mark.parametrize(("path", "query", "place", "params"), ROUTES)
def test_a_path_leads_to_its_endpoint(
    path: str, query: dict[str, str], place: str, params: dict[str, str]
) -> None:
    match = TABLE.match(path, list(query.items()))
    assert (match.endpoint.place, match.params) == (place, params)


@pytest.mark.parametrize(
    "path",
    [
        "/api/yahoo/nothing",
        "/api/yahoo",
        "/api/yahoo/chart",
        "/api/yahoo/chart/AAPL/more",
        "/api/nobody/chart/AAPL",
        "/api/health",
        "/api/polygon/v2/aggs/ticker/AAPL/range/5",
        "/other",
        "/",
        "",
    ],
)
def test_a_path_that_leads_nowhere_names_those_that_lead_somewhere(path: str) -> None:
    with pytest.raises(NoRoute) as lost:
        TABLE.match(path, [])
    assert str(lost.value) == f"no route {path}"
    assert lost.value.known


def test_a_lost_caller_is_told_of_the_source_it_meant() -> None:
    with pytest.raises(NoRoute) as lost:
        TABLE.match("/api/fred/serie", [])
    assert lost.value.known == (
        "/api/fred/series",
        "/api/fred/observations",
        "/api/fred/series/observations",
    )


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("/api/yahoo/chart/", [], "empty, relative or holds"),
        ("/api/yahoo//AAPL", [], "empty"),
        ("/api/yahoo/chart/..", [], "relative"),
        ("/api/yahoo/chart/%2e%2e", [], "relative"),
        ("/api/yahoo/chart/.", [], "relative"),
        ("/api/yahoo/chart/a%2Fb", [], "forbidden character"),
        ("/api/yahoo/chart/a%5Cb", [], "forbidden character"),
        ("/api/yahoo/chart/a%3Fb", [], "forbidden character"),
        ("/api/yahoo/chart/a%00b", [], "forbidden character"),
        ("/api/yahoo/chart/a%0d%0ab", [], "forbidden character"),
        ("/api/yahoo/chart/a%7f", [], "forbidden character"),
        ("/api/yahoo/chart/%ff", [], "forbidden character"),
        ("/api/yahoo/chart/AAPL", [("range", "1d"), ("range", "5d")], "the parameter 'range' is given twice"),
        ("/api/yahoo/chart/AAPL", [("range", "1\nd")], "the parameter 'range' holds a control character"),
        ("/api/yahoo/chart/AAPL", [("ra\x7fnge", "")], "holds a control character"),
        ("/api/polygon/prev", [], "/v2/prev of polygon_io needs the parameter 'ticker'"),
        ("/api/polygon/prev", [("ticker", "")], "needs the parameter 'ticker'"),
        ("/api/polygon/aggs", [("ticker", "AAPL")], "needs the parameter 'from'"),
        ("/api/polygon/prev", [("ticker", "..")], "'..' of 'ticker' is empty, relative or holds"),
        ("/api/polygon/prev", [("ticker", ".")], "'.' of 'ticker'"),
        ("/api/polygon/prev", [("ticker", "a/b")], "'a/b' of 'ticker'"),
    ],
)
def test_a_path_that_would_mean_something_else_is_refused(
    path: str, query: list[tuple[str, str]], words: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        TABLE.match(path, query)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/fred/series", "api_key"),
        ("/api/fred/series", "API_KEY"),
        ("/api/polygon/prev", "apiKey"),
        ("/api/alpha-vantage/query", "apikey"),
        ("/api/exchange-rate/latest/USD", "apikey"),
        ("/api/yahoo/chart/AAPL", "crumb"),
        # a key of one source, sent to another by mistake
        ("/api/yahoo/chart/AAPL", "apiKey"),
        ("/api/fred/series", "token"),
        ("/api/polygon/prev", "api-key"),
        ("/api/alpha-vantage/query", "Access_Key"),
        ("/api/exchange-rate/latest/USD", "key"),
    ],
)
def test_a_caller_s_own_key_is_dropped(path: str, name: str) -> None:
    match = TABLE.match(path, [("ticker", "AAPL"), (name, "the caller's secret")])
    assert "the caller's secret" not in match.params.values()


def test_a_path_parameter_cannot_be_overruled_by_the_query() -> None:
    match = TABLE.match("/api/exchange-rate/latest/USD", [("base", "EUR")])
    assert match.params == {"base": "USD"}


@given(st.text())
@example("/api/yahoo/chart/%")
@example("/api/yahoo/chart/%zz")
@example("/api/" + "/" * 1000)
def test_any_path_is_understood_or_refused(path: str) -> None:
    for tail in (path, f"/api/{path}", f"/api/yahoo/chart/{path}"):
        try:
            match = TABLE.match(tail, [])
        except (BadRequest, NoRoute):
            continue
        assert match.endpoint.place == "yahoo_finance/chart"


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), max_size=5))
def test_any_query_is_read_once_or_refused(query: list[tuple[str, str]]) -> None:
    try:
        values = single_values(query)
    except BadRequest:
        return
    assert list(values.items()) == query


def test_segments_are_decoded_one_by_one() -> None:
    assert split("/api/a/b%20c/d+e") == ["a", "b c", "d+e"]


def test_a_path_answered_elsewhere_is_told_too() -> None:
    table = RouteTable(World().endpoints)
    table.add_known("yahoo", "/api/yahoo/quote?symbols={symbols}")
    with pytest.raises(NoRoute) as lost:
        table.match("/api/yahoo/nothing", [])
    assert "/api/yahoo/quote?symbols={symbols}" in lost.value.known
