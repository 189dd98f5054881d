"""When each target is probed, and what becomes of it."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from tests.clock import ManualClock
from tests.world import QUESTIONS, SECRETS, TRUTH, Held, World, no_answer, said

from autonomous_healing.agents import Belt, MonitoringAgent, MonitoringSettings, build_targets
from autonomous_healing.agents.monitoring import dated
from autonomous_healing.agents.options import TargetSettings
from autonomous_healing.endpoint_healing.call import FailedCall

SPY = "/chart/SPY"
FRED = "api.stlouisfed.org"


class Watch:
    """The monitoring agent over a world whose providers are scripted, on a clock that stands still."""

    def __init__(
        self,
        *targets: TargetSettings,
        jitter: float = 0.0,
        seed: int = 1,
        belt_size: int = 256,
        secrets: Mapping[str, Sequence[str]] | None = None,
        **changes: Any,
    ) -> None:
        self.clock = ManualClock()
        self.world = World(clock=self.clock, secrets=SECRETS if secrets is None else secrets)
        self.belt: Belt[FailedCall] = Belt("probed", belt_size)
        settings = MonitoringSettings(endpoints=targets, jitter=jitter, **changes)
        self.agent = MonitoringAgent(
            build_targets(settings, self.world.endpoints),
            self.world.prober,
            self.world.admission,
            self.belt,
            settings,
            self.clock,
            random.Random(seed),
        )
        self.probed_at: list[float] = []

    async def run(self, seconds: float, step: float = 1.0) -> None:
        """Let time pass, and note when a provider was asked."""
        running = asyncio.create_task(self.agent.run())
        for _ in range(int(seconds / step)):
            before = len(self.world.upstream.asked)
            await self.clock.advance(step)
            self.probed_at += [self.clock.monotonic()] * (len(self.world.upstream.asked) - before)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    @property
    def asked(self) -> list[str]:
        return [asked.url for asked in self.world.upstream.asked]


def target(place: str = "yahoo_finance/quote", **changes: Any) -> TargetSettings:
    source, _, name = place.partition("/")
    changes = {"check_interval": 100.0, **changes}
    return TargetSettings(source=source, endpoint=f"/{name}", params=dict(QUESTIONS[place]), **changes)


async def test_a_target_is_probed_once_each_interval_even_if_its_own_probes_are_good() -> None:
    watch = Watch(target())
    await watch.run(1000.0)

    first, *later = watch.probed_at
    assert first <= 101
    assert [b - a for a, b in pairwise([first, *later])] == [100.0] * len(later)
    assert len(later) >= 8


async def test_first_probes_are_spread_over_the_first_interval() -> None:
    firsts = []
    for seed in range(12):
        one = Watch(target(), seed=seed)
        await one.run(101.0)
        firsts.append(one.probed_at[0])
    assert min(firsts) < 25 < 75 < max(firsts) <= 101


async def test_intervals_vary_by_the_jitter_and_no_more() -> None:
    watch = Watch(target(), jitter=0.15)
    await watch.run(2000.0)

    waits = [b - a for a, b in pairwise(watch.probed_at)]
    assert all(84 <= wait <= 116 for wait in waits)
    assert max(waits) - min(waits) > 10


async def test_the_first_failure_is_looked_at_again_soon_and_later_ones_are_not() -> None:
    watch = Watch(target(), edge_reprobe=5.0)
    watch.world.upstream.says(SPY, TRUTH, no_answer(), no_answer(), no_answer(), TRUTH, no_answer())
    await watch.run(700.0)

    waits = [b - a for a, b in pairwise(watch.probed_at)]
    assert waits[:6] == [100.0, 5.0, 100.0, 100.0, 100.0, 5.0]


async def test_each_failed_probe_goes_down_the_line_with_time_left_to_heal_it() -> None:
    watch = Watch(target())
    watch.world.upstream.says(SPY, said(503))
    await watch.run(101.0)

    failed = await anext(watch.belt)
    assert (failed.call.origin, failed.call.endpoint.place) == ("probe", "yahoo_finance/quote")
    assert failed.failure.status == 503
    assert failed.call.deadline.remaining() <= watch.world.settings.request_budget


async def probes_beside_traffic(seconds: float, **changes: Any) -> list[float]:
    """When an endpoint was probed that answers a user well every ten seconds."""
    watch = Watch(target(**changes))
    window = watch.world.admission.window(watch.world.endpoint("yahoo_finance/quote"))

    async def traffic() -> None:
        while True:
            window.record_success(0.1)
            await watch.clock.sleep(10.0)

    users = asyncio.create_task(traffic())
    await watch.run(seconds, step=5.0)
    users.cancel()
    return watch.probed_at


async def test_live_traffic_that_goes_well_takes_the_place_of_probes_but_for_one_in_600_s() -> None:
    assert await probes_beside_traffic(500.0) == []

    probes = await probes_beside_traffic(2000.0)
    assert len(probes) >= 3
    assert all(500.0 <= later - earlier <= 600.0 for earlier, later in pairwise([0.0, *probes]))


async def test_a_passive_target_is_never_probed_while_traffic_goes_well() -> None:
    assert await probes_beside_traffic(1500.0, probe_mode="passive") == []
    assert await probes_beside_traffic(1500.0, probe_mode="passive", check_interval=600.0) == []


@pytest.mark.parametrize(("seconds_ago", "probes"), [(50.0, 0), (101.0, 1)])
async def test_only_a_success_within_the_interval_counts(seconds_ago: float, probes: int) -> None:
    watch = Watch(target(probe_mode="passive"))
    watch.world.admission.window(watch.world.endpoint("yahoo_finance/quote")).record_success(0.1)
    watch.clock.pass_time(seconds_ago)
    await watch.run(49.0)  # with this seed the first look comes after 13 s
    assert len(watch.asked) == probes


async def test_a_source_whose_key_is_not_set_is_not_probed() -> None:
    watch = Watch(target("fred_api/series"), target(), secrets={})
    await watch.run(300.0)

    assert [url for url in watch.asked if FRED in url] == []
    assert len(watch.asked) >= 2  # the one that needs none
    assert len(watch.belt) == 0


async def test_one_slow_probe_delays_no_other() -> None:
    watch = Watch(target("fred_api/series"), target())
    held = Held(TRUTH)
    watch.world.upstream.says(FRED, held)
    await watch.run(500.0)

    assert len([url for url in watch.asked if FRED in url]) == 1
    assert len([url for url in watch.asked if SPY in url]) >= 4


async def test_no_more_probes_are_in_flight_than_allowed() -> None:
    watch = Watch(target("fred_api/series"), target(), target("polygon_io/v2/prev"), concurrency=2)
    watch.world.upstream.says("", Held(TRUTH))
    await watch.run(400.0)
    assert len(watch.asked) == 2


async def test_a_full_line_holds_the_target_and_a_stop_still_ends_it() -> None:
    watch = Watch(target(), belt_size=1)
    watch.world.upstream.says(SPY, no_answer())
    running = asyncio.create_task(watch.agent.run())
    await watch.clock.advance(1000.0)
    assert (len(watch.belt), len(watch.asked)) == (1, 2)

    watch.agent.stop()
    await running
    assert [failed.call.endpoint.place async for failed in watch.belt] == ["yahoo_finance/quote"]


async def test_a_stop_ends_the_line_behind_it_and_sends_no_more_probes() -> None:
    watch = Watch(target())
    running = asyncio.create_task(watch.agent.run())
    await watch.clock.advance(250.0)
    asked = len(watch.asked)
    watch.agent.stop()
    await running
    await watch.clock.advance(1000.0)

    assert asked >= 2
    assert len(watch.asked) == asked
    assert [failed async for failed in watch.belt] == []


def test_targets_are_those_of_known_and_enabled_endpoints_with_the_interval_of_their_priority() -> None:
    world = World(sources={"fred_api": {"enabled": False}})
    settings = MonitoringSettings(
        endpoints=(
            target("fred_api/series"),
            target(check_interval=None, priority="critical"),
            target("yahoo_finance/chart", check_interval=None, priority="low"),
            target("polygon_io/v2/prev", check_interval=77.0, priority="low"),
        )
    )

    targets = build_targets(settings, world.endpoints)

    assert [(one.endpoint.place, one.interval) for one in targets] == [
        ("yahoo_finance/quote", 30.0),
        ("yahoo_finance/chart", 600.0),
        ("polygon_io/v2/prev", 77.0),
    ]


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("{today}", "2026-03-01"),
        ("{today-1}", "2026-02-28"),
        ("{today-5}", "2026-02-24"),
        ("{today+1}", "2026-03-02"),
        ("today", "today"),
        ("{yesterday}", "{yesterday}"),
        ("10", "10"),
    ],
)
def test_days_in_the_parameters_are_counted_from_the_probe(said: str, day: str) -> None:
    assert dated({"from": said}, datetime(2026, 3, 1, 12, tzinfo=UTC)) == {"from": day}
