"""A request cannot be understood, or leads nowhere: the caller is told what would do."""

import pytest
from tests.world import World, json_of


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/api/yahoo/chart/..", "relative"),
        ("/api/yahoo/chart/a%2Fb", "forbidden character"),
        ("/api/yahoo/chart/a%00", "forbidden character"),
        ("/api/yahoo/chart/AAPL?range=1d&range=5d", "'range' is given twice"),
        ("/api/yahoo/chart/AAPL?range=1%0Ad", "'range' holds a control character"),
        ("/api/polygon/aggs?ticker=AAPL", "needs the parameter 'from'"),
        ("/api/yahoo/quote?symbols=SPY&symbols=AAPL", "'symbols' is given twice"),
        ("/api/healing/trails/7", "a trail id is a UUID"),
    ],
)
async def test_what_cannot_be_understood_is_a_400_that_says_where(path: str, detail: str) -> None:
    world = World()
    reply = await world.get(path)
    assert (reply.status, reply.content_type) == (400, "application/problem+json")
    problem = json_of(reply)
    assert (problem["title"], problem["status"]) == ("Bad request", 400)
    assert detail in problem["detail"]
    assert world.upstream.asked == []
    assert world.reports == []


@pytest.mark.parametrize(
    "path", ["/api/yahoo/nothing", "/api/nobody/x", "/", "/api", "/metrics", "/api/health"]
)
async def test_a_path_that_leads_nowhere_is_a_404_with_those_that_do(path: str) -> None:
    world = World()
    reply = await world.get(path)
    problem = json_of(reply)
    assert (reply.status, problem["title"], problem["detail"]) == (404, "Unknown route", f"no route {path}")
    assert "/api/yahoo/quote?symbols={symbols}" in problem["known"]
    assert "/api/yahoo/chart/{symbol}" in problem["known"]
    assert world.upstream.asked == []


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({"healing_allow": "perfect"}, "unknown fidelity level 'perfect'"),
        ({"healing_allow": ""}, "send `none` to turn healing off"),
        ({"healing_allow": "stale;max-age=soon"}, "try `stale;max-age=600`"),
        ({"healing_deadline": "soon"}, "give seconds above 0, for example 2.5"),
        ({"healing_deadline": "0"}, "give seconds above 0"),
        ({"healing_deadline": "-1"}, "give seconds above 0"),
        ({"healing_deadline": "nan"}, "give seconds above 0"),
        ({"healing_deadline": "inf"}, "give seconds above 0"),
    ],
)
async def test_a_header_that_cannot_be_read_is_a_400_that_says_what_would_do(
    headers: dict[str, str], detail: str
) -> None:
    world = World()
    reply = await world.get("/api/yahoo/chart/AAPL", **headers)
    assert reply.status == 400
    assert detail in json_of(reply)["detail"]
    assert world.upstream.asked == []


async def test_a_trail_that_nobody_left_is_a_404() -> None:
    world = World()
    trail = "019caf10-3180-7905-9eae-dc629529976f"
    reply = await world.get(f"/api/healing/trails/{trail}")
    assert (reply.status, json_of(reply)["title"]) == (404, "Unknown trail")
    assert trail in json_of(reply)["detail"]


async def test_a_lost_caller_is_shown_the_routes_of_the_source_it_meant() -> None:
    world = World()
    known = json_of(await world.get("/api/fred/serie"))["known"]
    assert known == ["/api/fred/series", "/api/fred/observations", "/api/fred/series/observations"]


async def test_a_symbol_with_odd_but_harmless_letters_arrives_as_it_is() -> None:
    world = World()
    await world.get("/api/yahoo/chart/%5EGSPC")
    assert world.upstream.asked[0].url.startswith(
        "https://query1.finance.yahoo.com/v8/finance/chart/%5EGSPC?"
    )


async def test_parameters_nobody_knows_go_on_to_the_source() -> None:
    world = World()
    await world.get("/api/yahoo/chart/AAPL?includePrePost=true")
    assert world.upstream.asked[0].query["includePrePost"] == "true"
