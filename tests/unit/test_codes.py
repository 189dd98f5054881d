"""Every fault there is, made by what a provider really sends."""

from typing import Any

import pytest
from tests.world import QUESTIONS, Turn, World, json_of, no_answer, said, timed_out, too_large

from autonomous_healing.drills.twins import FaultKind
from autonomous_healing.endpoint_healing.call import Response
from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    CALLER_ERROR,
    CLIENT_BLOCKED,
    ERROR_TYPE,
    FROZEN,
    IMPLAUSIBLE,
    INVALID,
    MEANING,
    MISSING,
    PLAN_LIMITED,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
    SERVER_ERROR,
    STALE,
    TIMEOUT,
    TOO_LARGE,
    UNPARSABLE,
    UNREACHABLE,
)

PLACES = [place for place in QUESTIONS if place != "yahoo_finance/session_quote"]
KINDS = [kind for kind in FaultKind if kind not in (FaultKind.LATENCY, FaultKind.FROZEN, FaultKind.STALE)]
CHART, AGGS = "yahoo_finance/chart", "polygon_io/v2/aggs"


@pytest.mark.parametrize("place", PLACES)
async def test_what_a_provider_truthfully_says_is_good(place: str) -> None:
    world = World()
    answer = await world.fetch(world.call(place))
    assert isinstance(answer, Response)
    assert answer.record is not None
    assert (answer.status, answer.suspect, answer.age) == (200, False, None)
    assert len(world.cache) == 1


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
async def test_each_provider_s_own_way_of_failing_is_recognised(place: str, kind: FaultKind) -> None:
    world = World()
    world.upstream.says("https", kind)
    code = await world.code_of(world.call(place))
    assert ERROR_TYPE[code] == kind.error_type
    assert len(world.cache) == 0


@pytest.mark.parametrize("place", [place for place in PLACES if place != "yahoo_finance/quote"])
async def test_an_answer_of_long_ago_is_stale(place: str) -> None:
    world = World()
    world.upstream.says("https", FaultKind.STALE)
    assert await world.code_of(world.call(place)) == STALE


def quoted(price: object = 600.0, seconds_ago: int = 0, **meta: object) -> Any:
    now = int(World().clock.now().timestamp())
    whole = {"symbol": "SPY", "regularMarketPrice": price, "regularMarketTime": now - seconds_ago, **meta}
    return {"chart": {"result": [{"meta": whole}], "error": None}}


#: A real answer, or none, for every code there is; frozen data needs a story of its own.
EVERY_CODE: list[tuple[str, Turn, str]] = [
    ("yahoo_finance/quote", timed_out(), TIMEOUT),
    ("yahoo_finance/quote", said(408), TIMEOUT),
    ("yahoo_finance/quote", no_answer(), UNREACHABLE),
    ("yahoo_finance/quote", too_large(), TOO_LARGE),
    ("polygon_io/v2/aggs", said(429, {"status": "ERROR", "error": "slow down"}), RATE_LIMITED),
    ("yahoo_finance/quote", said(429, "Too Many Requests"), CLIENT_BLOCKED),
    ("yahoo_finance/quote", said(999, "<html>"), CLIENT_BLOCKED),
    ("polygon_io/v2/aggs", said(401, {"status": "ERROR", "error": "Unknown API Key"}), AUTH_REJECTED),
    ("fred_api/series", said(400, {"error_code": 400, "error_message": "api_key?"}), AUTH_REJECTED),
    ("yahoo_finance/quote", said(403, "Forbidden"), AUTH_REJECTED),
    ("polygon_io/v2/aggs", said(403, {"status": "NOT_AUTHORIZED"}), PLAN_LIMITED),
    ("yahoo_finance/quote", said(500), SERVER_ERROR),
    ("yahoo_finance/quote", said(503, "<html>"), SERVER_ERROR),
    ("fred_api/series", said(402), QUOTA_EXHAUSTED),
    ("alpha_vantage/query", said(200, {"Information": "25 requests per day"}), QUOTA_EXHAUSTED),
    ("yahoo_finance/quote", said(404, "no such thing"), CALLER_ERROR),
    ("yahoo_finance/quote", said(200), UNPARSABLE),
    ("yahoo_finance/quote", said(200, "<html>"), UNPARSABLE),
    ("yahoo_finance/quote", said(200, {"chart": {"result": [], "error": None}}), MISSING),
    ("yahoo_finance/quote", said(200, quoted("600")), INVALID),
    ("yahoo_finance/quote", said(200, quoted(-600.0)), IMPLAUSIBLE),
    ("yahoo_finance/quote", said(200, quoted(600.0, 3700)), STALE),
]  # fmt: skip


@pytest.mark.parametrize(("place", "turn", "code"), EVERY_CODE)
async def test_every_code_comes_of_a_real_answer(place: str, turn: Turn, code: str) -> None:
    world = World()
    world.upstream.says("https", turn)
    assert await world.code_of(world.call(place)) == code


def test_no_code_is_left_out() -> None:
    assert {code for _, _, code in EVERY_CODE} | {FROZEN} == set(MEANING)


async def test_a_price_that_stands_still_while_others_move_is_frozen() -> None:
    world = World()
    still = quoted(600.0)
    codes = []
    for _ in range(21):
        world.clock.pass_time(120.0)
        still["chart"]["result"][0]["meta"]["regularMarketTime"] = int(world.clock.now().timestamp())
        world.upstream.says("/SPY", said(200, still))
        await world.code_of(world.call("yahoo_finance/quote", symbol="QQQ"))
        codes.append(await world.code_of(world.call("yahoo_finance/quote")))
    assert codes == [""] * 19 + [FROZEN] * 2


async def test_a_frozen_price_dates_its_copy_back_to_when_it_was_first_seen() -> None:
    world = World(healing={"freshness": {"frozen_polls": 3, "frozen_seconds": 40.0}})
    call = world.call("yahoo_finance/quote")
    still = said(200, quoted(600.0))
    world.upstream.says("/SPY", still)
    for _ in range(3):
        await world.fetch(call)
        world.clock.pass_time(20.0)
        await world.fetch(world.call("yahoo_finance/quote", symbol="QQQ"))
    copy = world.cache.last_good(call)
    assert copy is not None
    assert copy.age == 60.0


async def test_a_great_change_is_delivered_as_suspect_and_not_kept() -> None:
    world = World()
    world.upstream.says("https", said(200, quoted(600.0, chartPreviousClose=300.0)))
    answer = await world.fetch(world.call("yahoo_finance/quote"))
    assert isinstance(answer, Response)
    assert answer.suspect
    assert len(world.cache) == 0


async def test_a_delayed_answer_says_so() -> None:
    world = World()
    call = world.call(AGGS)
    truth = json_of(world.upstream.truth(world.url_of(call)))
    world.upstream.says("https", said(200, {**truth, "status": "DELAYED"}))
    answer = await world.fetch(call)
    assert isinstance(answer, Response)
    assert answer.delayed
