"""Asking for the same in pages, or for less of it."""

from typing import Any

import pytest
from tests.world import TRUTH, Turn, World, json_of, said

from autonomous_healing.endpoint_healing.call import FailedCall, Response
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.endpoint_healing.records import Bars
from autonomous_healing.healing import CannotHeal

OBSERVATIONS, AGGS = "fred_api/observations", "polygon_io/v2/aggs"
CHART, QUERY = "yahoo_finance/chart", "alpha_vantage/query"
SMALLER = "reduce_request_size"
NOTHING_SMALLER = "needs a limit above 10 or a range to halve, and leave to do so"


async def case_of(world: World, place: str, allow: str, turns: tuple[Turn, ...], **params: str) -> FailedCall:
    world.upstream.says("https", *turns)
    return await world.failed(world.call(place, allow, **params))


async def heal(world: World, case: FailedCall) -> Response:
    strategy = world.strategy(SMALLER)
    assert strategy.obstacle(case) is None
    return await strategy.apply(case, world.deadline())


async def setback(world: World, case: FailedCall) -> str:
    with pytest.raises(CannotHeal) as failed:
        await world.strategy(SMALLER).apply(case, world.deadline())
    return str(failed.value)


#: Requests that can be made in two, with the question that tells each page.
WHOLES: list[tuple[str, dict[str, str], list[dict[str, str]]]] = [
    (
        OBSERVATIONS,
        {"limit": "21", "sort_order": "desc"},
        [{"limit": "11"}, {"limit": "10", "offset": "11"}],
    ),
    (
        OBSERVATIONS,
        {"limit": "12", "sort_order": "asc", "observation_start": "2025-06-01", "offset": "5"},
        [{"limit": "6", "offset": "5"}, {"limit": "6", "offset": "11"}],
    ),
    (AGGS, {}, [{}, {}]),
    (AGGS, {"sort": "desc"}, [{}, {}]),
    (AGGS, {"timespan": "hour", "from": "2026-02-26", "to": "2026-02-27"}, [{}, {}]),
]


@pytest.mark.parametrize(("place", "params", "pages"), WHOLES)
async def test_pages_put_together_are_the_whole(
    place: str, params: dict[str, str], pages: list[dict[str, str]]
) -> None:
    world = World()
    whole = json_of(world.upstream.truth(world.url_of(world.call(place, **params))))
    case = await case_of(world, place, "exact", (said(503), TRUTH), **params)
    answer = await heal(world, case)
    stitched = json_of(answer)
    stitched.pop("request_id", None)
    whole.pop("request_id", None)
    assert stitched == whole
    assert (answer.fidelity, answer.truncated) == (Fidelity.EXACT, False)
    assert answer.record is not None
    asked = world.upstream.asked[1:]
    assert len(asked) == 2
    for page, query in zip(pages, asked, strict=True):
        assert page.items() <= query.query.items()


async def test_halves_of_a_range_meet_without_overlap() -> None:
    world = World()
    case = await case_of(world, AGGS, "exact", (said(503), TRUTH))
    await heal(world, case)
    ranges = [asked.url.split("/day/")[1].split("?")[0] for asked in world.upstream.asked[1:]]
    assert ranges == ["2026-02-16/2026-02-23", "2026-02-24/2026-03-02"]


async def test_a_whole_of_several_pages_is_no_page_s_own() -> None:
    world = World()
    truth = world.upstream.truth(world.url_of(world.call(OBSERVATIONS, limit="10")))
    page = said(200, truth.body, etag='"page"', last_modified="today")
    case = await case_of(world, OBSERVATIONS, "exact", (said(503), page, TRUTH), limit="20")
    assert (await heal(world, case)).headers == {}


@pytest.mark.parametrize(
    ("place", "params", "smaller"),
    [
        (OBSERVATIONS, {"limit": "50"}, {"limit": "25"}),
        (OBSERVATIONS, {"limit": "11"}, {"limit": "10"}),
        (AGGS, {"limit": "99"}, {"limit": "49"}),
        (CHART, {"range": "1y"}, {"range": "6mo"}),
        (CHART, {"range": "max"}, {"range": "10y"}),
        (CHART, {"range": "1mo"}, {"range": "5d"}),
        (QUERY, {"function": "TIME_SERIES_DAILY", "outputsize": "full"}, {"outputsize": "compact"}),
    ],
)
async def test_less_is_marked_as_truncated(
    place: str, params: dict[str, str], smaller: dict[str, str]
) -> None:
    world = World()
    case = await case_of(world, place, "reduced", (said(503), TRUTH), **params)
    answer = await heal(world, case)
    assert (answer.fidelity, answer.truncated) == (Fidelity.REDUCED, True)
    [_, asked] = world.upstream.asked
    assert smaller.items() <= asked.query.items()
    assert world.cache.last_good(case.call) is None


async def test_what_cannot_be_paged_is_shrunk_where_that_is_allowed() -> None:
    world = World()
    case = await case_of(world, OBSERVATIONS, "exact, reduced", (said(503), said(500), TRUTH), limit="40")
    answer = await heal(world, case)
    assert (answer.fidelity, answer.truncated) == (Fidelity.REDUCED, True)


@pytest.mark.parametrize(
    ("place", "allow", "params"),
    [
        (OBSERVATIONS, "exact, reduced", {"limit": "10"}),
        (OBSERVATIONS, "exact, reduced", {"limit": ""}),
        (OBSERVATIONS, "exact, reduced", {"limit": "many"}),
        (OBSERVATIONS, "exact, reduced", {"limit": "²"}),
        (OBSERVATIONS, "stale", {"limit": "50"}),
        (OBSERVATIONS, "exact", {"limit": "50", "offset": "x"}),
        (AGGS, "exact, reduced", {"from": "2026-03-02"}),
        (AGGS, "exact", {"limit": "50"}),
        (AGGS, "exact", {"to": "1772409600000"}),
        (AGGS, "reduced", {}),
        (CHART, "exact", {"range": "1y"}),
        (CHART, "exact, reduced", {"range": "5d"}),
        (QUERY, "exact, reduced", {"function": "TIME_SERIES_DAILY"}),
        ("fred_api/series", "exact, reduced", {}),
    ],
)
async def test_what_is_small_already_cannot_be_made_smaller(
    place: str, allow: str, params: dict[str, str]
) -> None:
    world = World()
    case = await case_of(world, place, allow, (said(503),), **params)
    assert world.strategy(SMALLER).obstacle(case) == NOTHING_SMALLER
    assert await setback(world, case) == "no plan"


async def test_a_limit_of_thousands_of_digits_is_no_limit() -> None:
    world = World()
    case = await case_of(world, OBSERVATIONS, "exact, reduced", (said(503),), limit="9" * 5000)
    assert world.strategy(SMALLER).obstacle(case) == NOTHING_SMALLER


async def test_what_was_refused_here_is_not_asked_in_pages() -> None:
    world = World(secrets={})
    case = await world.failed(world.call(OBSERVATIONS, limit="50"))
    assert world.strategy(SMALLER).obstacle(case) == (
        "no call is made: no key for fred_api is set in the environment or stored"
    )


async def test_a_page_that_fails_fails_the_whole() -> None:
    world = World()
    case = await case_of(world, OBSERVATIONS, "exact", (said(503), TRUTH, said(500)), limit="50")
    assert await setback(world, case) == "smaller request: HTTP 500"


def bars_of(*rows: Any, **changes: Any) -> dict[str, Any]:
    return {"ticker": "AAPL", "status": "OK", "results": list(rows), "resultsCount": len(rows), **changes}


def row(day: int) -> dict[str, Any]:
    return {"t": 1771804800000 + 86_400_000 * day, "o": 1.0, "h": 1.0, "l": 1.0, "c": 1.0, "v": 1}


@pytest.mark.parametrize(
    "older",
    [
        bars_of(row(0), next_url="https://api.polygon.io/more"),
        bars_of(*[{**row(0), "t": row(0)["t"] - n} for n in range(4999, -1, -1)]),
    ],
    ids=["goes on", "full"],
)
async def test_pages_with_a_gap_between_are_not_the_whole(older: dict[str, Any]) -> None:
    world = World()
    newer = bars_of(row(5), row(6))
    case = await case_of(world, AGGS, "exact", (said(503), said(200, older), said(200, newer)))
    assert await setback(world, case) == "smaller request: a page does not hold all of its part"


async def test_pages_that_do_not_fit_together_are_refused() -> None:
    world = World()
    older, newer = bars_of(row(4), row(5)), bars_of(row(3), row(4))
    case = await case_of(world, AGGS, "exact", (said(503), said(200, older), said(200, newer)))
    assert "put together: times of the bars" in await setback(world, case)


async def test_counts_of_the_pages_add_up() -> None:
    world = World()
    older, newer = bars_of(row(0), count=1, queryCount=1), bars_of(row(5), row(6), count=2, queryCount=2)
    case = await case_of(world, AGGS, "exact", (said(503), said(200, older), said(200, newer)))
    answer = await heal(world, case)
    document = json_of(answer)
    assert [document[name] for name in ("count", "queryCount", "resultsCount")] == [3, 3, 3]
    assert isinstance(answer.record, Bars)
    assert len(answer.record.rows) == 3
