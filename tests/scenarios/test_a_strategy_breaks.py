"""One strategy has a bug: it costs only itself."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest
from tests.world import World, json_of, said, tried

from autonomous_healing.endpoint_healing.assembly import build_strategies
from autonomous_healing.endpoint_healing.call import FailedCall, Response
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.endpoint_healing.healer import EndpointHealer
from autonomous_healing.endpoint_healing.strategies import Cascade, EndpointStrategy
from autonomous_healing.healing import Diagnosis, HealingLoop, Rank, Ranking
from autonomous_healing.proxy import HealingProxy
from autonomous_healing.resilience import Deadline
from autonomous_healing.safety import Guard

CHART = "/api/yahoo/chart/AAPL"
HOST, COPY = "yahoo_alternate_endpoint", "use_cached_data"


@dataclass
class Broken:
    """Has a bug in one of its two questions."""

    levels: ClassVar[frozenset[Fidelity]] = frozenset(Fidelity)
    cost: ClassVar[float] = 0.1

    name: str
    early: bool = False

    def obstacle(self, case: FailedCall) -> str | None:
        if self.early:
            raise KeyError("symbol")
        return None

    async def apply(self, case: FailedCall, deadline: Deadline) -> Response:
        raise RuntimeError("a bug")


def as_declared(diagnosis: Diagnosis, names: Sequence[str], seconds_left: float) -> Ranking:
    return Ranking(tuple(names))


def strangers(diagnosis: Diagnosis, names: Sequence[str], seconds_left: float) -> Ranking:
    return Ranking(("nobody", "somebody"), predicted=0.99)


def world_with(*broken: Broken, rank: Rank = as_declared) -> World:
    """The usual world in which these strategies have taken the place of those with their names."""
    world = World()
    usual: list[EndpointStrategy] = build_strategies(
        world.parts, world.settings, world.clock, random.Random(1)
    )
    strategies = {one.name: one for one in (*usual, *broken)}
    cascade = Cascade(list(strategies.values()), frozenset())
    loop: HealingLoop[FailedCall, Response] = HealingLoop(rank=rank, guard=Guard(), clock=world.clock)
    world.healer = EndpointHealer(world.fetcher, cascade, loop, world.journal, world.clock, world.settings)
    world.proxy = HealingProxy(world.endpoints, world.healer, world.settings, world.clock, world.new_id)
    return world


@pytest.mark.parametrize("early", [False, True])
async def test_the_next_one_heals(early: bool) -> None:
    world = world_with(Broken(HOST, early))
    good = await world.get(CHART)
    world.clock.pass_time(1000.0)
    world.upstream.says("https", said(503))
    reply = await world.get(CHART)
    assert (reply.status, reply.body) == (200, good.body)
    assert reply.headers["Healing-Strategy"] == COPY
    assert tried(world.reports[0])[HOST] == "crashed"


async def test_the_bug_is_in_the_trail_and_its_words_are_not() -> None:
    world = world_with(Broken(HOST))
    world.upstream.says("https", said(503))
    trail = world.trail(await world.get(CHART))
    [crash] = [one for one in trail["attempts"] if one["strategy"] == HOST]
    assert (crash["outcome"], crash["reason"]) == ("crashed", "crashed: RuntimeError")


@pytest.mark.parametrize("early", [False, True])
async def test_with_nothing_but_bugs_the_source_s_own_error_goes_out(early: bool) -> None:
    names = (HOST, COPY, "exponential_backoff_retry", "reduce_request_size")
    world = world_with(*[Broken(name, early) for name in names])
    world.upstream.says("https", said(500, "oh"))
    reply = await world.get(CHART)
    assert (reply.status, reply.body, reply.headers["Healing-Status"]) == (500, b"oh", "failed")
    assert set(tried(world.reports[0]).values()) == {"crashed"}


async def test_a_rank_that_names_strangers_leaves_the_declared_order() -> None:
    world = world_with(rank=strangers)
    world.upstream.says("query1", said(503))
    reply = await world.get(CHART)
    assert reply.headers["Healing-Strategy"] == HOST
    assert world.reports[0].predicted is None
    assert json_of(reply)["chart"]["error"] is None
