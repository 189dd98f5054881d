"""Every way in which every source can fail ends in a cure that says what it is, or in an honest failure."""

import pytest
from tests.world import ALL_LEVELS, TRUTH, World, json_of

from autonomous_healing.drills.twins import FaultKind
from autonomous_healing.endpoint_healing.codes import ERROR_TYPE

PATHS = {
    "yahoo_finance": "/api/yahoo/chart/AAPL?range=1y",
    "fred_api": "/api/fred/observations?series_id=DGS10&limit=40&sort_order=desc",
    "polygon_io": "/api/polygon/aggs?ticker=AAPL&from=2026-02-16&to=2026-03-02&timespan=hour",
    "alpha_vantage": "/api/alpha-vantage/query?function=TIME_SERIES_DAILY&symbol=IBM",
    "exchange_rate_api": "/api/exchange-rate/latest/USD",
}
FAULTS = [kind for kind in FaultKind if kind not in (FaultKind.FROZEN, FaultKind.LATENCY)]


@pytest.mark.parametrize("source", PATHS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_with_a_copy_it_is_healed_and_marked(source: str, fault: FaultKind) -> None:
    world = World()
    good = await world.get(PATHS[source])
    assert (good.status, good.headers) == (200, {})
    world.clock.pass_time(40.0)
    world.upstream.says("https", fault)
    reply = await world.get(PATHS[source])
    [report] = world.reports
    assert ERROR_TYPE[report.diagnosis.code] == fault.error_type
    assert (reply.status, reply.body) == (200, good.body)
    assert reply.headers["Healing-Status"] == "healed"
    assert reply.headers["Healing-Strategy"] == "use_cached_data"
    assert reply.headers["Healing-Fidelity"].split(";")[0] in ("exact", "stale")
    assert int(reply.headers["Age"]) >= 40
    assert world.trail(reply)["status"] == "healed"


@pytest.mark.parametrize("source", PATHS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_with_nothing_left_it_fails_honestly(source: str, fault: FaultKind) -> None:
    world = World()
    world.upstream.says("https", fault)
    reply = await world.get(PATHS[source], healing_allow="exact, equivalent, reduced, substitute")
    [report] = world.reports
    assert ERROR_TYPE[report.diagnosis.code] == fault.error_type
    assert not report.healed
    assert report.attempts
    assert all(one.reason for one in report.attempts)
    assert reply.status >= 400
    assert reply.headers["Healing-Status"] == "failed"
    assert world.trail(reply)["status"] == "failed"
    if reply.content_type == "application/problem+json":
        assert json_of(reply)["error_type"] == fault.error_type
        assert 1 <= int(reply.headers["Retry-After"]) <= 86_400


@pytest.mark.parametrize("source", PATHS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_one_bad_moment_never_leads_to_a_crash_or_to_an_unmarked_answer(
    source: str, fault: FaultKind
) -> None:
    world = World()
    truth = (await World().get(PATHS[source])).body
    world.upstream.says("https", fault, TRUTH)
    reply = await world.get(PATHS[source], healing_allow=ALL_LEVELS)
    [report] = world.reports
    assert "crashed" not in {one.outcome for one in report.attempts}
    if reply.status == 200:
        assert reply.headers["Healing-Status"] == "healed"
        level = reply.headers["Healing-Fidelity"].split(";")[0]
        assert level != "exact" or reply.body == truth or report.strategy == "reduce_request_size"
    else:
        assert reply.headers["Healing-Status"] == "failed"


@pytest.mark.parametrize("source", PATHS)
async def test_a_single_failed_exchange_is_healed_wherever_another_can_be_made(source: str) -> None:
    world = World()
    world.upstream.says("https", FaultKind.SERVER_ERROR, TRUTH)
    reply = await world.get(PATHS[source])
    assert (reply.status, reply.headers["Healing-Fidelity"]) == (200, "exact")
