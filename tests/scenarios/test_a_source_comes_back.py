"""A source that was away is found again by single calls, without a rush, whatever the wall clock says."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from tests.clock import ManualClock
from tests.world import TRUTH, ScriptedUpstream, World, json_of, no_answer, said

from autonomous_healing.endpoint_healing.assembly import EndpointParts
from autonomous_healing.endpoint_healing.endpoints import Source
from autonomous_healing.endpoint_healing.freshness import MarketHours
from autonomous_healing.endpoint_healing.probe import Probe
from autonomous_healing.endpoint_healing.upstream import Answer
from autonomous_healing.resilience import BreakerState, CircuitBreaker, Force

LATEST, PLACE = "/api/exchange-rate/latest/USD", "exchange_rate_api/latest"
HOUR = timedelta(hours=1)

#: Of users and of probes, in seconds.
EVERY, PROBED = 0.25, 30.0


class WallClock(ManualClock):
    """Whose date may be set, as an operator or a time server sets it."""

    def set_by(self, jump: timedelta) -> None:
        self._start += jump


class SlowUpstream(ScriptedUpstream):
    """Each answer takes its time; writes down when it was asked, and by how many at once."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.clock = clock
        self.takes = 0.5  #: seconds
        self.asked_at: list[float] = []
        self.at_once = 0
        self.most_at_once = 0

    async def get(
        self, source: Source, host: str, path: str, headers: Mapping[str, str], seconds: float
    ) -> Answer:
        self.asked_at.append(self.clock.monotonic())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.clock.sleep(self.takes)
            return await super().get(source, host, path, headers, seconds)
        finally:
            self.at_once -= 1

    def most_in(self, seconds: float, begin: float, end: float) -> int:
        """Calls in any such span between two moments."""
        asked = [at for at in self.asked_at if begin <= at < end]
        return max((sum(at <= other < at + seconds for other in asked) for at in asked), default=0)


class SlowWorld(World):
    """Time passes only when a test lets it; users and probes go on asking meanwhile."""

    upstream: SlowUpstream

    def __init__(self, **how: Any) -> None:
        healing = {"in_request_retries": 0, **how.pop("healing", {})}
        super().__init__(healing=healing, clock=WallClock(), **how)
        self.tasks: list[asyncio.Task[object]] = []
        self.states: list[tuple[float, BreakerState]] = []

    def _parts(self, secrets: Any, hours: MarketHours) -> EndpointParts:
        self.upstream = SlowUpstream(self.clock)
        return super()._parts(secrets, hours)

    @property
    def circuit(self) -> CircuitBreaker:
        endpoint = self.endpoint(PLACE)
        return self.admission.breaker(endpoint, endpoint.source.hosts[0])

    def is_in(self, state: BreakerState) -> bool:
        return self.circuit.state is state

    async def live(self, seconds: float, **headers: str) -> None:
        """So long, with four users a second and a probe every half minute."""
        for _ in range(int(seconds / EVERY)):
            now = self.clock.monotonic()
            self.tasks.append(asyncio.create_task(self.get(LATEST, **headers)))
            if now % PROBED == 0:
                probe = Probe(endpoint=self.endpoint(PLACE), params={"base": "USD"}, timeout=10.0)
                self.tasks.append(asyncio.create_task(self.prober.probe(probe)))
            await self.clock.advance(EVERY)
            self.states.append((self.clock.monotonic(), self.circuit.state))

    def closed_at(self, after: float) -> float:
        return next(at for at, state in self.states if at >= after and state is BreakerState.CLOSED)


@pytest.mark.parametrize("allowed", ["exact", "exact, stale"])
async def test_after_an_outage_one_asks_at_a_time_and_nobody_rushes_back(allowed: str) -> None:
    world = SlowWorld()
    await world.live(30.0, healing_allow=allowed)
    world.upstream.says("https", said(503))
    await world.live(5.0, healing_allow=allowed)
    assert world.is_in(BreakerState.OPEN)
    world.upstream.most_at_once = 0
    await world.live(55.0, healing_allow=allowed)
    assert world.upstream.most_at_once <= 1
    assert world.upstream.most_in(10.0, 36.0, 90.0) <= 2
    world.upstream.says("https", TRUTH)
    await world.live(90.0, healing_allow=allowed)
    await asyncio.gather(*world.tasks)
    closed = world.closed_at(90.0)
    assert closed - 90.0 <= 2 * PROBED
    assert world.upstream.most_in(1.0, 36.0, closed) <= 1 / EVERY
    assert world.upstream.most_in(1.0, 90.0, 180.0) <= 2 / EVERY


async def test_probes_alone_bring_it_back_within_two_of_their_periods() -> None:
    world = SlowWorld()
    probe = Probe(endpoint=world.endpoint(PLACE), params={"base": "USD"}, timeout=10.0)
    world.upstream.says("https", said(503))
    for _ in range(8):  # by then it would stay open for two minutes
        await asyncio.gather(world.prober.probe(probe), world.clock.advance(PROBED))
    assert world.is_in(BreakerState.OPEN)
    world.upstream.says("https", TRUTH)
    for _ in range(2):
        assert not world.is_in(BreakerState.CLOSED)
        await asyncio.gather(world.prober.probe(probe), world.clock.advance(PROBED))
    assert world.is_in(BreakerState.CLOSED)


async def test_no_probe_is_made_while_a_quota_is_spent() -> None:
    quota = {"exchange_rate_api": {"quota": ({"window": "hour", "limit": 20},)}}
    world = World(healing={"in_request_retries": 0}, sources=quota)
    probe = Probe(endpoint=world.endpoint(PLACE), params={"base": "USD"}, timeout=10.0)
    for _ in range(30):
        await world.get(LATEST)
    world.upstream.says("https", no_answer())
    endpoint = world.endpoint(PLACE)
    breaker = world.admission.breaker(endpoint, endpoint.source.hosts[0])
    for _ in range(5):
        breaker.record_failure("API.UNREACHABLE")
    asked = len(world.upstream.asked)
    assert await world.prober.probe(probe) is None
    assert len(world.upstream.asked) == asked
    assert breaker.would_allow_early()  # the trial is given back


async def test_a_little_latency_more_is_no_reason_for_anything() -> None:
    world = SlowWorld()
    for number in range(200):
        world.upstream.takes = 0.05 if number < 100 else 0.2 + 0.05 * (number % 3)
        await asyncio.gather(world.get(LATEST), world.clock.advance(1.0))
    assert len(world.upstream.asked) == 200
    assert world.reports == []
    assert [breaker.is_steady for breaker in world.admission.breakers()] == [True]
    assert world.admission.circuits.memories() == {}


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
async def test_a_wall_clock_that_is_set_moves_no_circuit(jump: timedelta) -> None:
    world = SlowWorld()
    clock = world.clock
    assert isinstance(clock, WallClock)
    await world.live(5.0)
    clock.set_by(jump)
    await world.live(5.0)
    assert world.circuit.is_steady
    world.upstream.says("https", no_answer())
    await world.live(5.0)
    wait = world.circuit.retry_after()
    assert world.is_in(BreakerState.OPEN)
    clock.set_by(jump)
    assert (world.circuit.retry_after(), world.circuit.would_allow()) == (wait, False)
    world.upstream.says("https", TRUTH)
    await world.live(wait + 5.0)
    await asyncio.gather(*world.tasks)
    assert world.circuit.is_steady


async def open_for_long(world: World) -> None:
    """Nothing was ever answered, and the circuit has been opened four times in a row."""
    world.upstream.says("https", said(503))
    for _ in range(5):
        await world.get(LATEST)
    endpoint = world.endpoint(PLACE)
    breaker = world.admission.breaker(endpoint, endpoint.source.hosts[0])
    for _ in range(3):
        world.clock.pass_time(breaker.retry_after())
        await world.get(LATEST)
    assert 108.0 <= breaker.retry_after() <= 132.0


async def test_where_nothing_else_helps_the_source_is_asked_before_its_time() -> None:
    world = World(healing={"in_request_retries": 0})
    await open_for_long(world)
    asked = len(world.upstream.asked)
    world.clock.pass_time(29.0)
    assert (await world.get(LATEST)).status == 503
    assert len(world.upstream.asked) == asked
    world.clock.pass_time(1.0)
    refused = [(await world.get(LATEST)).status for _ in range(3)]
    assert (refused, len(world.upstream.asked)) == ([503] * 3, asked + 1)
    world.clock.pass_time(30.0)
    world.upstream.says("https", TRUTH)
    reply = await world.get(LATEST)
    assert (reply.status, reply.headers) == (200, {})
    assert world.reports[-1].strategy == "last_resort"


async def test_where_a_copy_helps_it_is_left_alone() -> None:
    world = World(healing={"in_request_retries": 0})
    good = await world.get(LATEST)
    await open_for_long(world)
    asked = len(world.upstream.asked)
    world.clock.pass_time(60.0)
    reply = await world.get(LATEST)
    assert (reply.body, len(world.upstream.asked)) == (good.body, asked)


async def test_an_operator_s_word_is_told_to_who_asks_and_his_reason_is_not() -> None:
    world = World(healing={"in_request_retries": 0})
    endpoint = world.endpoint(PLACE)
    circuits = world.admission.circuits
    circuits.force(endpoint, Force.OPEN, seconds=90.0, reason="a matter of ours", by="ann")
    reply = await world.get(LATEST)
    assert (reply.status, reply.headers["Retry-After"], world.upstream.asked) == (503, "90", [])
    assert "circuit held open by an operator for 90s" in json_of(reply)["detail"]
    assert b"a matter of ours" not in reply.body
    circuits.force(endpoint, Force.CLOSED, seconds=90.0, reason="it works", by="ann")
    assert (await world.get(LATEST)).status == 200


async def test_who_wants_no_healing_gets_none_of_it() -> None:
    world = World(healing={"in_request_retries": 0})
    await open_for_long(world)
    asked = len(world.upstream.asked)
    world.clock.pass_time(60.0)
    assert (await world.get(LATEST, healing_allow="none")).status == 503
    assert len(world.upstream.asked) == asked
