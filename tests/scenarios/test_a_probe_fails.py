"""A probe finds an endpoint sick before a user does."""

import pytest
from tests.world import TRUTH, World, said

from autonomous_healing.endpoint_healing.diagnosis import diagnose
from autonomous_healing.endpoint_healing.probe import Probe
from autonomous_healing.healing import Severity
from autonomous_healing.resilience import BreakerState

CHART = "yahoo_finance/chart"


def probe(world: World) -> Probe:
    return Probe(endpoint=world.endpoint(CHART), params={"symbol": "SPY"}, timeout=8.0)


def circuits(world: World) -> list[BreakerState]:
    return [breaker.state for breaker in world.admission.breakers()]


async def test_a_healthy_endpoint_leaves_nothing_to_do() -> None:
    world = World()
    assert await world.prober.probe(probe(world)) is None
    [asked] = world.upstream.asked
    assert asked.query == {"interval": "1d", "range": "5d"}
    assert asked.seconds == 8.0
    assert world.admission.window(world.endpoint(CHART)).read().total == 1


async def test_a_sick_one_is_handed_on_with_time_to_heal() -> None:
    world = World()
    world.upstream.says("https", said(503))
    failed = await world.prober.probe(probe(world))
    assert failed is not None
    assert (failed.call.origin, failed.failure.status) == ("probe", 503)
    assert failed.call.deadline.remaining() == world.settings.request_budget
    assert failed.call.params == {"interval": "1d", "range": "5d", "symbol": "SPY"}


async def test_its_healing_goes_the_way_of_a_user_s_and_leaves_a_report() -> None:
    world = World()
    world.upstream.says("query1", said(503))
    failed = await world.prober.probe(probe(world))
    assert failed is not None
    report = await world.healer.heal(failed, diagnose(failed.failure, world.healer.severity(failed.call)))
    assert report.healed
    assert (report.strategy, report.origin) == ("yahoo_alternate_endpoint", "probe")
    assert world.reports == [report]
    trail = world.healer.trails.find(failed.call.id)
    assert trail is not None
    assert trail.to_json()["request"]["origin"] == "probe"


async def test_a_probe_s_good_answer_is_the_next_user_s_last_good_copy() -> None:
    world = World()
    await world.prober.probe(probe(world))
    world.clock.pass_time(1000.0)
    world.upstream.says("https", said(503))
    reply = await world.get("/api/yahoo/chart/SPY")
    assert reply.headers["Healing-Strategy"] == "use_cached_data"


async def test_what_users_felt_is_not_counted_from_probes() -> None:
    world = World()
    world.upstream.says("https", said(503))
    failed = await world.prober.probe(probe(world))
    assert failed is not None
    await world.healer.heal(failed, diagnose(failed.failure))
    assert world.admission.window(world.endpoint(CHART)).read().felt == {}


async def test_a_probe_that_was_refused_here_tells_nothing() -> None:
    world = World(sources={"yahoo_finance": {"quota": ({"window": "minute", "limit": 20},)}})
    assert await world.prober.probe(probe(world)) is None
    world.upstream.says("https", said(503))
    assert await world.prober.probe(probe(world)) is None
    assert len(world.upstream.asked) == 1


async def test_probes_open_the_circuit_and_bring_it_back() -> None:
    world = World(sources={"yahoo_finance": {"hosts": ("https://query1.finance.yahoo.com",)}})
    world.upstream.says("https", *[said(503)] * 5, TRUTH)
    for _ in range(5):
        assert await world.prober.probe(probe(world)) is not None
    assert circuits(world) == [BreakerState.OPEN]
    assert (await world.get("/api/yahoo/chart/SPY")).status == 503
    assert len(world.upstream.asked) == 5
    world.clock.pass_time(33.0)
    for _ in range(2):
        assert await world.prober.probe(probe(world)) is None
    assert circuits(world) == [BreakerState.CLOSED]


@pytest.mark.parametrize(
    ("failures", "severity"),
    [(0, Severity.DEGRADED), (1, Severity.DEGRADED), (3, Severity.CRITICAL), (5, Severity.FAILED)],
)
async def test_severity_is_the_endpoint_s_present_status(failures: int, severity: Severity) -> None:
    world = World()
    for _ in range(failures):
        world.admission.window(world.endpoint(CHART)).record_failure()
    assert world.healer.severity(world.call(CHART)) is severity
