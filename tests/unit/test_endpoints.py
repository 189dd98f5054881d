"""How each endpoint is asked, and what it is known by."""

from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.world import World

from autonomous_healing.endpoint_healing.assembly import secrets_of
from autonomous_healing.endpoint_healing.catalog import (
    SOURCE_IDS,
    build_endpoints,
    default_sources,
    endpoint_names,
)
from autonomous_healing.endpoint_healing.endpoints import DataKind

WORLD = World()

PATHS = [
    ("yahoo_finance/chart", None, "/v8/finance/chart/AAPL?interval=1d&range=5d"),
    ("fred_api/series", "k&y", "/fred/series?series_id=DGS10&file_type=json&api_key=k%26y"),
    (
        "polygon_io/v2/aggs",
        "k",
        "/v2/aggs/ticker/AAPL/range/1/day/2026-02-16/2026-03-02?apiKey=k",
    ),
    ("polygon_io/v2/prev", None, "/v2/aggs/ticker/AAPL/prev"),
    ("alpha_vantage/query", "k", "/query?function=GLOBAL_QUOTE&symbol=IBM&apikey=k"),
    ("exchange_rate_api/latest", "k/y", "/v6/k%2Fy/latest/USD"),
    ("exchange_rate_api/pair", "k", "/v6/k/pair/USD/EUR"),
]


@pytest.mark.parametrize(("place", "key", "path"), PATHS)
def test_is_asked_as_its_provider_wants(place: str, key: str | None, path: str) -> None:
    call = WORLD.call(place)
    assert call.endpoint.upstream_path(call.params, key) == path


@given(st.text(min_size=1))
def test_no_symbol_changes_the_path_around_it(symbol: str) -> None:
    endpoint = WORLD.endpoint("exchange_rate_api/latest")
    try:
        path = endpoint.upstream_path({"base": symbol}, "k")
    except UnicodeEncodeError:
        return  # half a character cannot be sent
    assert path.count("/") == 4
    assert unquote(urlsplit(f"http://host{path}").path) == f"/v6/k/latest/{symbol}"


@given(st.dictionaries(st.text(alphabet="abc=&", min_size=1), st.text(alphabet="xyz=&?/ü"), max_size=3))
def test_parameters_arrive_as_they_were_given(params: dict[str, str]) -> None:
    endpoint = WORLD.endpoint("alpha_vantage/query")
    sent = parse_qsl(urlsplit(endpoint.upstream_path(params, None)).query, keep_blank_values=True)
    assert dict(sent) == params


def test_the_key_of_a_copy_holds_no_key() -> None:
    call = WORLD.call("exchange_rate_api/latest")
    assert call.resource == "exchange_rate_api/latest?base=USD"


KINDS = [
    ("yahoo_finance/quote", {}, DataKind.QUOTE),
    ("yahoo_finance/chart", {"interval": "1d"}, DataKind.DAILY),
    ("yahoo_finance/chart", {"interval": "1wk"}, DataKind.DAILY),
    ("yahoo_finance/chart", {"interval": "1mo"}, DataKind.DAILY),
    ("yahoo_finance/chart", {"interval": "90m"}, DataKind.INTRADAY),
    ("yahoo_finance/chart", {"interval": "1h"}, DataKind.INTRADAY),
    ("polygon_io/v2/aggs", {"timespan": "second"}, DataKind.INTRADAY),
    ("polygon_io/v2/aggs", {"timespan": "hour"}, DataKind.INTRADAY),
    ("polygon_io/v2/aggs", {"timespan": "week"}, DataKind.DAILY),
    ("polygon_io/v2/prev", {}, DataKind.DAILY),
    ("fred_api/observations", {}, DataKind.MACRO),
    ("fred_api/series", {}, DataKind.REFERENCE),
    ("exchange_rate_api/latest", {}, DataKind.FX),
    ("alpha_vantage/query", {"function": "global_quote"}, DataKind.QUOTE),
    ("alpha_vantage/query", {"function": "TIME_SERIES_INTRADAY"}, DataKind.INTRADAY),
    ("alpha_vantage/query", {"function": "TIME_SERIES_WEEKLY"}, DataKind.DAILY),
    ("alpha_vantage/query", {"function": "FX_DAILY"}, DataKind.FX),
    ("alpha_vantage/query", {"function": "RSI"}, DataKind.OTHER),
    ("alpha_vantage/query", {"function": ""}, DataKind.OTHER),
]


@pytest.mark.parametrize(("place", "params", "kind"), KINDS)
def test_the_kind_of_data_goes_by_what_is_asked(place: str, params: dict[str, str], kind: DataKind) -> None:
    assert WORLD.call(place, **params).kind is kind


def test_a_disabled_source_is_not_offered() -> None:
    sources = default_sources()
    sources["polygon_io"] = sources["polygon_io"].model_copy(update={"enabled": False})
    assert {one.source.id for one in build_endpoints(sources)} == set(SOURCE_IDS) - {"polygon_io"}


def test_every_endpoint_has_a_name_that_settings_may_use() -> None:
    names = {(source, name) for source, known in endpoint_names().items() for name in known}
    assert names == {(one.source.id, one.name) for one in WORLD.endpoints}


def test_keys_come_from_the_environment_in_declared_order() -> None:
    environ = {"FRED_API_KEY_2": "second", "FRED_API_KEY": " first ", "POLYGON_IO_API_KEY": "  "}
    secrets = secrets_of(default_sources(), environ)
    assert secrets["fred_api"] == ["first", "second"]
    assert secrets["polygon_io"] == []
    assert secrets["yahoo_finance"] == []


def test_hosts_are_joined_without_a_second_slash() -> None:
    world = World(sources={"polygon_io": {"hosts": ("https://mirror.test/",)}})
    assert world.endpoint("polygon_io/v2/prev").source.hosts == ("https://mirror.test",)
