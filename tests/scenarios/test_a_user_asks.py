"""A user asks for data: the source is well, or it is not."""

from uuid import UUID

import pytest
from tests.world import TRUTH, World, json_of, no_answer, said, timed_out, tried

from autonomous_healing.drills.twins import FaultKind
from autonomous_healing.endpoint_healing.upstream import Answer

CHART = "/api/yahoo/chart/AAPL?range=5d"
PATHS = [
    CHART,
    "/api/fred/series?series_id=DGS10",
    "/api/fred/observations?series_id=DGS10&limit=20&sort_order=desc",
    "/api/polygon/aggs?ticker=AAPL&from=2026-02-16&to=2026-03-02",
    "/api/polygon/prev?ticker=AAPL",
    "/api/alpha-vantage/query?function=GLOBAL_QUOTE&symbol=IBM",
    "/api/exchange-rate/latest/USD",
    "/api/exchange-rate/pair/USD/EUR",
]


@pytest.mark.parametrize("path", PATHS)
async def test_gets_a_healthy_answer_byte_for_byte_and_unmarked(path: str) -> None:
    world = World()
    reply = await world.get(path)
    [asked] = world.upstream.asked
    truth = world.upstream.truth(asked.url)
    assert (reply.status, reply.body) == (200, truth.body)
    assert reply.content_type == truth.headers["content-type"]
    assert reply.headers == {}
    assert world.reports == []


async def test_gets_what_the_source_says_of_the_data_along() -> None:
    world = World()
    await world.get(CHART)
    truth = world.upstream.truth(world.upstream.asked[0].url)
    headers = {"cache-control": "max-age=60", "etag": '"1"', "x-request-id": "7"}
    world.upstream.says("https", Answer(200, {**truth.headers, **headers}, truth.body))
    reply = await world.get(CHART)
    assert reply.headers == {"cache-control": "max-age=60", "etag": '"1"'}


async def test_gets_the_last_good_copy_in_an_outage() -> None:
    world = World()
    good = await world.get(CHART)
    world.upstream.says("https", said(503, "down", cache_control="no-store"))
    world.clock.pass_time(1000.4)
    reply = await world.get(CHART)
    assert (reply.status, reply.body, reply.content_type) == (200, good.body, good.content_type)
    age = int(reply.headers["Age"])
    trail = reply.headers["Healing-Trail"]
    assert reply.headers == {
        "Healing-Status": "healed",
        "Healing-Strategy": "use_cached_data",
        "Healing-Source": "yahoo_finance",
        "Healing-Fidelity": f"stale;age={age + 1}",
        "Healing-Trail": trail,
        "Cache-Control": "max-age=0, must-revalidate",
        "Age": str(age),
        "Cache-Status": "autonomous_healing; fwd=stale; fwd-status=503",
    }
    assert 1000 <= age <= 1005
    assert UUID(trail).version == 7


async def test_a_copy_after_silence_has_no_status_to_tell() -> None:
    world = World()
    await world.get(CHART)
    world.upstream.says("https", no_answer())
    world.clock.pass_time(1000.0)
    reply = await world.get(CHART)
    assert reply.headers["Cache-Status"] == "autonomous_healing; fwd=stale"


async def test_a_healed_answer_does_not_go_out_under_the_source_s_cache_rules() -> None:
    world = World()
    await world.get(CHART)
    truth = world.upstream.truth(world.upstream.asked[0].url)
    cached = {
        **truth.headers,
        "cache-control": "public, max-age=86400",
        "expires": "Tue, 03 Mar 2026",
        "etag": '"1"',
    }
    world.upstream.says("https", said(503), Answer(200, cached, truth.body))
    reply = await world.get(CHART)
    assert reply.headers["Healing-Status"] == "healed"
    lower = [name.lower() for name in reply.headers]
    assert lower.count("cache-control") == 1
    assert "expires" not in lower
    assert reply.headers["Cache-Control"] == "max-age=0, must-revalidate"
    assert reply.headers["etag"] == '"1"'


async def test_gets_the_same_answer_from_a_second_host() -> None:
    world = World()
    world.upstream.says("query1", said(502, "<html>Bad Gateway</html>"))
    reply = await world.get(CHART)
    assert reply.body == world.upstream.truth(world.upstream.asked[0].url).body
    assert reply.headers["Healing-Fidelity"] == "exact"
    assert reply.headers["Healing-Strategy"] == "yahoo_alternate_endpoint"
    assert "Age" not in reply.headers
    [report] = world.reports
    assert report.healed
    assert report.diagnosis.cluster == "API.SERVER_ERROR:yahoo_finance"


async def test_gets_the_answer_with_a_second_key() -> None:
    world = World()
    world.upstream.says("polygon%2Bone", FaultKind.UNAUTHORIZED)
    reply = await world.get("/api/polygon/prev?ticker=AAPL")
    assert reply.headers["Healing-Strategy"] == "rotate_api_key"
    [second] = [asked for asked in world.upstream.asked if "two" in asked.url]
    assert reply.body == world.upstream.truth(second.url).body
    again = await world.get("/api/polygon/prev?ticker=AAPL")
    assert again.headers == {}


async def test_gets_the_source_s_own_error_where_nothing_heals() -> None:
    world = World()
    world.upstream.says("https", said(503, "<h1>down</h1>", retry_after="12"))
    reply = await world.get("/api/exchange-rate/latest/USD")
    assert (reply.status, reply.body, reply.content_type) == (503, b"<h1>down</h1>", "text/plain")
    assert reply.headers["Healing-Status"] == "failed"
    assert reply.headers["Retry-After"] == "12"
    assert set(tried(world.reports[0])) == {"exponential_backoff_retry", "use_cached_data"}


async def test_gets_a_problem_document_where_the_source_said_nothing() -> None:
    world = World()
    world.upstream.says("https", timed_out())
    reply = await world.get("/api/exchange-rate/latest/USD")
    assert (reply.status, reply.content_type) == (503, "application/problem+json")
    problem = json_of(reply)
    assert problem["type"] == "urn:autonomous-healing:problem:no-truthful-answer"
    assert problem["instance"] == f"/api/healing/trails/{reply.headers['Healing-Trail']}"
    assert problem["detail"].startswith("Exchange Rate API: the upstream did not answer in time")
    assert (problem["source"], problem["endpoint"]) == ("exchange_rate_api", "/latest")
    assert (problem["code"], problem["error_type"], problem["status"]) == ("API.TIMEOUT", "timeout", 503)
    assert problem["upstream_status"] is None
    assert problem["allowed"] == ["exact", "equivalent", "stale"]
    assert [one["strategy"] for one in problem["attempts"]] == [
        "use_cached_data",
        "exponential_backoff_retry",
    ]
    assert all(one["outcome"] in ("failed", "skipped") and one["reason"] for one in problem["attempts"])
    assert reply.headers["Retry-After"] == "30"


async def test_gets_a_problem_document_for_an_error_inside_a_200() -> None:
    world = World()
    world.upstream.says("https", FaultKind.MISSING)
    reply = await world.get("/api/alpha-vantage/query?function=GLOBAL_QUOTE&symbol=IBM")
    assert (reply.status, json_of(reply)["upstream_status"]) == (503, 200)
    assert json_of(reply)["error_type"] == "missing_data"


async def test_gets_a_problem_document_always_where_the_operator_wants_that() -> None:
    world = World(healing={"on_exhausted": "problem"})
    world.upstream.says("https", said(500, "<h1>oh</h1>"))
    reply = await world.get(CHART)
    assert (reply.status, reply.content_type) == (503, "application/problem+json")
    assert json_of(reply)["upstream_status"] == 500


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_gets_its_own_mistake_back_unchanged(status: int) -> None:
    world = World()
    await world.get(CHART)
    world.upstream.says("https", said(status, {"chart": {"error": {"code": "Not Found"}}}))
    reply = await world.get(CHART)
    assert (reply.status, reply.headers) == (status, {})
    assert reply.body == b'{"chart":{"error":{"code":"Not Found"}}}'
    assert world.reports == []
    assert world.admission.window(world.endpoint("yahoo_finance/chart")).read().felt == {"fresh": 1}


async def test_gets_a_mistake_told_under_status_200_back_unchanged() -> None:
    world = World()
    reply = await world.get("/api/alpha-vantage/query?function=NONSENSE&symbol=IBM")
    assert (reply.status, reply.headers) == (200, {})
    assert "does not exist" in json_of(reply)["Error Message"]


async def test_gets_a_redirect_to_follow_by_itself() -> None:
    world = World()
    world.upstream.says("https", said(302, "", location="https://consent.yahoo.test/"))
    reply = await world.get(CHART)
    assert (reply.status, reply.headers) == (302, {"location": "https://consent.yahoo.test/"})
    world.upstream.says("https", said(503))
    assert (await world.get(CHART)).status == 503


async def test_finds_the_trail_of_its_healing_by_its_id() -> None:
    world = World()
    world.upstream.says("https", said(503), said(503), TRUTH)
    healed = await world.get(CHART)
    reply = await world.get(f"/api/healing/trails/{healed.headers['Healing-Trail']}")
    assert (reply.status, reply.content_type) == (200, "application/json")
    trail = json_of(reply)
    assert trail == world.trail(healed)
    assert trail["status"] == "healed"
    assert trail["request"] == {
        "params": {"symbol": "AAPL", "interval": "1d", "range": "5d"},
        "origin": "live",
    }
    assert trail["policy"] == {"allow": ["exact", "equivalent", "stale"], "max_age": None}
    assert trail["failure"]["code"] == "API.SERVER_ERROR"
    assert [(one["strategy"], one["outcome"]) for one in trail["attempts"]] == [
        ("yahoo_alternate_endpoint", "failed"),
        ("exponential_backoff_retry", "healed"),
    ]
    assert {one["strategy"]: one["outcome"] for one in trail["rejected"]} == {
        "use_cached_data": "skipped",
        "reduce_request_size": "skipped",
    }
    assert trail["cure"]["strategy"] == "exponential_backoff_retry"
    assert trail["cure"]["fidelity"] == "exact"


async def test_finds_the_trail_of_what_was_not_healed() -> None:
    world = World()
    world.upstream.says("https", said(503))
    trail = world.trail(await world.get(CHART))
    assert (trail["status"], trail["cure"]) == ("failed", None)
    assert trail["failure"]["upstream_status"] == 503
    assert trail["at"] == "2026-03-02T15:00:00.000Z"


async def test_health_as_users_feel_it_is_counted() -> None:
    world = World()
    await world.get(CHART)
    world.upstream.says("query1", said(503))
    await world.get(CHART)
    world.upstream.says("https", said(503))
    await world.get(CHART)
    world.clock.pass_time(200_000.0)
    await world.get(CHART)
    window = world.admission.window(world.endpoint("yahoo_finance/chart"))
    assert sum(window.read().felt.values()) == 1
    assert window.read().felt == {"error": 1}
