"""Safety takes freedom away: then nothing acts, and users are told the truth."""

import pytest
from tests.world import ALL_LEVELS, TRUTH, Turn, World, said, tried

from autonomous_healing.drills.twins import FaultKind
from autonomous_healing.safety import Mode, SafetySettings

CHART = "/api/yahoo/chart/AAPL?range=1y"

OBSERVATIONS = "/api/fred/observations?series_id=DGS10"
AGGS = "/api/polygon/aggs?ticker=AAPL&from=2026-02-16&to=2026-03-02"

#: For every strategy a request and a failure that it heals when it may.
CURES: dict[str, tuple[str, str, Turn]] = {
    "exponential_backoff_retry": ("/api/exchange-rate/latest/USD", "https", said(503)),
    "use_cached_data": (CHART, "https", said(503)),
    "reduce_request_size": (AGGS, "/2026-02-16/2026-03-02", said(503)),
    "yahoo_alternate_endpoint": (CHART, "query1", said(503)),
    "fred_rotate_api_key": ("/api/fred/series?series_id=DGS10", "fredone", said(429)),
    "fred_use_alternate_series": (OBSERVATIONS, "series_id=DGS10&", FaultKind.MISSING),
    "polygon_use_daily": (f"{AGGS}&timespan=hour", "/hour/", FaultKind.MISSING),
    "rotate_api_key": ("/api/polygon/prev?ticker=AAPL", "polygon%2Bone", said(401)),
}


async def sick_world(name: str, safety: SafetySettings | None = None) -> tuple[World, str]:
    """A world in which this strategy, and no other, heals this path."""
    others = {other: {"enabled": False} for other in CURES if other != name}
    world = World(safety=safety, healing={"strategies": others})
    path, where, fault = CURES[name]
    if name == "use_cached_data":
        await world.get(path)
        world.clock.pass_time(1000.0)
    world.upstream.says(where, *([fault, TRUTH] if name == "exponential_backoff_retry" else [fault]))
    world.upstream.asked.clear()
    return world, path


def test_no_strategy_is_left_out() -> None:
    assert set(World().healer.cascade.strategies) == set(CURES)


@pytest.mark.parametrize("name", CURES)
@pytest.mark.parametrize("mode", [Mode.NORMAL, Mode.RULES_ONLY, Mode.ANSWERS_ONLY])
async def test_each_strategy_heals_where_it_may(name: str, mode: Mode) -> None:
    world, path = await sick_world(name, SafetySettings(mode=mode))
    reply = await world.get(path, healing_allow=ALL_LEVELS)
    assert (reply.status, reply.headers.get("Healing-Strategy")) == (200, name)


@pytest.mark.parametrize("name", CURES)
@pytest.mark.parametrize(
    "safety",
    [
        SafetySettings(deny=tuple(CURES)),
        SafetySettings(allowed_domains=()),
        SafetySettings(allowed_domains=("code", "system")),
    ],
    ids=["deny_list", "no_domain", "other_domains"],
)
async def test_no_strategy_acts_without_a_yes(name: str, safety: SafetySettings) -> None:
    world, path = await sick_world(name, safety)
    reply = await world.get(path, healing_allow=ALL_LEVELS)
    assert len(world.upstream.asked) == 1
    assert reply.status >= 400
    assert reply.headers["Healing-Status"] == "failed"
    assert tried(world.reports[-1]) == {name: "denied"}


@pytest.mark.parametrize("name", CURES)
async def test_who_only_observes_passes_errors_through_and_notes_what_could_be_done(name: str) -> None:
    world, path = await sick_world(name, SafetySettings(mode=Mode.OBSERVE_ONLY))
    reply = await world.get(path, healing_allow=ALL_LEVELS)
    assert len(world.upstream.asked) == 1
    assert reply.headers["Healing-Status"] == "bypassed"
    assert tried(world.reports[-1]) == {name: "denied"}


async def test_who_only_observes_passes_bad_data_through_as_it_came() -> None:
    world = World(safety=SafetySettings(mode=Mode.OBSERVE_ONLY))
    world.upstream.says("https", said(200, "<html>"))
    reply = await world.get(CHART)
    assert (reply.status, reply.body, reply.headers["Healing-Status"]) == (200, b"<html>", "bypassed")
    assert world.admission.window(world.endpoint("yahoo_finance/chart")).read().felt == {}


async def test_a_mode_entered_while_running_holds_from_the_next_request_on() -> None:
    world = World()
    world.upstream.says("query1", said(503))
    assert (await world.get(CHART)).status == 200
    world.fail_safe.enter(Mode.OBSERVE_ONLY, "by hand")
    assert (await world.get(CHART)).status == 503
    world.fail_safe.enter(Mode.NORMAL, "by hand")
    assert (await world.get(CHART)).status == 200


async def test_healthy_answers_go_through_in_every_mode() -> None:
    for mode in Mode:
        world = World(safety=SafetySettings(mode=mode))
        reply = await world.get(CHART)
        assert (reply.status, reply.headers) == (200, {})


async def test_what_was_learned_is_set_aside_where_only_rules_count() -> None:
    world = World()
    for _ in range(40):
        world.learner.learn(
            "API.SERVER_ERROR", "API.SERVER_ERROR:yahoo_finance", "yahoo_alternate_endpoint", False, 0.3, 0.0
        )
        world.learner.learn(
            "API.SERVER_ERROR", "API.SERVER_ERROR:yahoo_finance", "exponential_backoff_retry", True, 0.1, 0.0
        )
    world.upstream.says("https", said(503), TRUTH)
    assert (await world.get(CHART)).headers["Healing-Strategy"] == "exponential_backoff_retry"
    assert world.reports[0].predicted is not None
    world.fail_safe.enter(Mode.RULES_ONLY, "by hand")
    world.upstream.says("https", said(503), TRUTH)
    assert (await world.get(CHART)).headers["Healing-Strategy"] == "yahoo_alternate_endpoint"
    assert world.reports[1].predicted is None
