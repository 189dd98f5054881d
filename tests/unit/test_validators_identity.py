"""An answer that is of something else than was asked for is no answer."""

from typing import Any

import pytest
from tests.world import TRUTH, World, said

from autonomous_healing.endpoint_healing.codes import INVALID
from autonomous_healing.endpoint_healing.validators.reading import Wrong, named

AV = "alpha_vantage/query"

#: Endpoint, and two questions to it whose answers must not be mixed up.
MIXED = [
    ("yahoo_finance/quote", {"symbol": "SPY"}, {"symbol": "AAPL"}),
    ("yahoo_finance/chart", {"symbol": "SPY"}, {"symbol": "AAPL"}),
    ("fred_api/series", {"series_id": "DGS10"}, {"series_id": "DGS2"}),
    ("polygon_io/v2/aggs", {"ticker": "AAPL"}, {"ticker": "MSFT"}),
    ("polygon_io/v2/prev", {"ticker": "AAPL"}, {"ticker": "MSFT"}),
    (AV, {"symbol": "IBM"}, {"symbol": "AAPL"}),
    (
        AV,
        {"function": "TIME_SERIES_DAILY", "symbol": "IBM"},
        {"function": "TIME_SERIES_DAILY", "symbol": "AAPL"},
    ),
    ("exchange_rate_api/latest", {"base": "USD"}, {"base": "EUR"}),
    ("exchange_rate_api/pair", {"base": "USD", "target": "EUR"}, {"base": "GBP", "target": "EUR"}),
    ("exchange_rate_api/pair", {"base": "USD", "target": "EUR"}, {"base": "USD", "target": "GBP"}),
]


@pytest.mark.parametrize(("place", "asked", "other"), MIXED)
async def test_a_truthful_answer_to_another_question_is_invalid(
    place: str, asked: dict[str, str], other: dict[str, str]
) -> None:
    world = World()
    mixed_up = world.upstream.truth(world.url_of(world.call(place, **other)))
    world.upstream.says("https", mixed_up, TRUTH)
    assert await world.code_of(world.call(place, **asked)) == INVALID
    assert await world.code_of(world.call(place, **asked)) == ""


def meta(**changes: str) -> dict[str, Any]:
    return {"Meta Data": changes, "Time Series FX (Daily)": {"2026-02-27": {"1. open": "1.1"}}}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (meta(**{"2. From Symbol": "EUR", "3. To Symbol": "USD"}), ""),
        (meta(**{"2. From Symbol": "GBP", "3. To Symbol": "USD"}), INVALID),
        (meta(**{"2. From Symbol": "EUR", "3. To Symbol": "JPY"}), INVALID),
        (meta(**{"1: Symbol": "GBP"}), ""),
        (meta(), ""),
    ],
)
async def test_alpha_vantage_names_a_pair_in_its_meta_data(content: object, code: str) -> None:
    world = World()
    world.upstream.says("https", said(200, content))
    asked = {"function": "FX_DAILY", "from_symbol": "EUR", "to_symbol": "USD", "symbol": ""}
    assert await world.code_of(world.call(AV, **asked)) == code


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("AAPL", "aapl"),
        ("BRK-B", "BRK.B"),
        ("BRK.B", "brk-b"),
        ("JPY=X", "USDJPY=X"),
        ("AAPL", ""),
        ("AAPL", None),
        ("^GSPC", "^gspc"),
    ],
)
def test_the_same_thing_may_be_spelled_in_more_ways_than_one(name: str, asked: str | None) -> None:
    assert named(name, asked, "symbol") == name


@pytest.mark.parametrize("nothing", [None, "", 5])
def test_an_answer_that_names_nothing_is_believed(nothing: object) -> None:
    assert named(nothing, "AAPL", "symbol") == ""


@pytest.mark.parametrize(("name", "asked"), [("SPY", "AAPL"), ("EUR=X", "USDJPY=X"), ("BRK-A", "BRK.B")])
def test_another_name_is_told_with_the_one_that_was_asked(name: str, asked: str) -> None:
    with pytest.raises(Wrong, match=r"symbol is .*, asked was "):
        named(name, asked, "symbol")


async def test_another_host_s_answer_to_another_question_heals_nothing() -> None:
    world = World()
    other = world.upstream.truth(world.url_of(world.call("yahoo_finance/chart", symbol="SPY")))
    world.upstream.says("query1", said(503))
    world.upstream.says("query2", other)
    reply = await world.get("/api/yahoo/chart/AAPL")
    assert (reply.status, reply.headers["Healing-Status"]) == (503, "failed")
