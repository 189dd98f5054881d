"""What a worker asks by leave of its owner, and what it tells it of attempts that went otherwise."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.clock import FlowingClock
from tests.eventually import eventually
from tests.lanes import Held, Street, request, said, street
from tests.wire_origins import client, on_uvloop, serving

from autonomous_healing import wire
from autonomous_healing.proxy.crowd import Crowd
from autonomous_healing.proxy.lane import Asked
from autonomous_healing.workers.attempts import HandOver, Late, Waiting
from autonomous_healing.workers.leased_lane import LeasedLane, LeasedPath, OwnersDoors
from autonomous_healing.workers.leases import Leases
from autonomous_healing.workers.messages import UNLIMITED, Lease
from autonomous_healing.workers.seen import Copies, SharedObservations, Sightings

LATEST, PLACE = "/api/exchange-rate/latest/USD", "exchange_rate_api/latest"
UPSTREAM = b"/v6/key/latest/USD"

#: An answer is slow after a twentieth of a second.
IMPATIENT = {"soft_timeout": {"min": 0.05, "max": 0.05}}


class Owner:
    """Hears of attempts, and leaves callers waiting."""

    def __init__(self) -> None:
        self.handed: list[HandOver] = []
        self.late: list[Late] = []
        self.waiting: list[wire.Exchange] = []

    def __call__(self, exchange: wire.Exchange) -> None:
        message = msgspec.msgpack.decode(exchange.body, type=HandOver | Late)
        if isinstance(message, Late):
            self.late.append(message)
        else:
            self.handed.append(message)
        if isinstance(message, HandOver) and message.wanted:
            self.waiting.append(exchange)
        else:
            exchange.respond(wire.whole_head(wire.status_line(204), (), None))


class Worker:
    """A lane with a lease, between a source and an owner."""

    def __init__(self, here: Street, doors: OwnersDoors, owner: Owner) -> None:
        self.here = here
        self.owner = owner
        house, clock = here.house, here.clock
        parts, endpoint = house.parts, house.endpoint(PLACE)
        key = parts.admission.limits(endpoint.source).keys.keys[0]
        leases = Leases(lambda _: None, lambda *_: None, lambda _: None, clock)
        leases.granted(Lease(PLACE, 1, key.alias, UNLIMITED, clock.monotonic() + 60.0), key)
        path = LeasedPath(
            parts.fetcher,
            parts.upstream,
            parts.cache,
            SharedObservations(Sightings()),
            clock,
            leases,
            Copies(lambda _: None, clock),
        )
        self.lane = LeasedLane(house.proxy, path, parts.fetcher, house.limits.buffer_bytes, doors)
        self.asked = Asked(path.question(endpoint, {"base": "USD"}), {}, b"")

    def take(self, exchange: wire.Exchange) -> None:
        assert self.lane.take(exchange, self.asked)

    def ask_for_nobody(self, exchange: wire.Exchange) -> None:
        """As for a copy that is nearly too old."""
        crowd = Crowd(exchange)
        assert self.lane.begin(crowd.exchange, self.asked, None, crowd)
        exchange.respond(wire.whole_head(wire.status_line(204), (), None))


@asynccontextmanager
async def worker(folder: Path, **healing: Any) -> AsyncIterator[Worker]:
    owner, pool = Owner(), wire.Pool()
    listening = wire.Server(owner)
    await listening.listen_unix(str(folder / "attempts"))
    async with street("exchange_rate_api", FlowingClock(), healing={**IMPATIENT, **healing}) as here:
        door = pool.neighbour(str(folder / "attempts"))
        one = Worker(here, OwnersDoors(door, door, 1_000_000, 5.0), owner)
        try:
            yield one
        finally:
            await one.lane.stop()
            await pool.stop()
            await wire.drain([listening], 0.0)


@on_uvloop
async def test_an_attempt_ends_when_the_caller_could_not_use_its_answer_any_more(tmp_path: Path) -> None:
    async with (
        worker(tmp_path, request_deadline=0.3) as one,
        serving(one.take) as server,
        client(server.port) as line,
    ):
        one.here.provider.turns.append(Held(b""))
        await line.send(request(LATEST))
        await eventually(lambda: one.owner.late, seconds=2.0)
        [handed], [late] = one.owner.handed, one.owner.late
    assert isinstance(handed.outcome, Waiting)
    assert (late.number, getattr(late.outcome, "timed_out", None)) == (handed.number, True)


@on_uvloop
async def test_a_slow_answer_that_nobody_waits_for_is_told_of(tmp_path: Path) -> None:
    async with (
        worker(tmp_path) as one,
        serving(one.ask_for_nobody) as server,
        client(server.port) as line,
    ):
        good = one.here.provider.truth(UPSTREAM)
        held = Held(said(good))
        one.here.provider.turns.append(held)
        await line.send(request(LATEST))
        await eventually(lambda: one.owner.handed)
        held.let_go()
        await eventually(lambda: one.owner.late)
        [handed], [late] = one.owner.handed, one.owner.late
    assert (handed.wanted, handed.number) == (False, late.number)
    assert getattr(late.outcome, "body", None) == good


@pytest.mark.parametrize(
    ("turn", "left"),
    [
        (said(b"{}", status=b"500 Oops"), 5),
        (said(b"{}", status=b"429 Too Many Requests"), 5),
        (said(b"{}", status=b"404 Not Found"), 8),
        (Held(b""), 5),
    ],
)
@on_uvloop
async def test_it_takes_fewer_slots_of_a_host_that_has_too_much_to_do(
    turn: Any, left: int, tmp_path: Path
) -> None:
    async with (
        worker(tmp_path, request_deadline=0.3) as one,
        serving(one.take) as server,
        client(server.port) as line,
    ):
        slots = one.asked.question.target.flow.slots
        one.here.provider.turns.append(turn)
        await line.send(request(LATEST))
        await eventually(lambda: one.owner.handed and not slots.in_flight, seconds=2.0)
        assert slots.limit == left


@on_uvloop
async def test_without_a_slot_it_asks_nothing(tmp_path: Path) -> None:
    async with worker(tmp_path) as one:
        question = one.asked.question
        slots = question.target.flow.slots
        assert one.lane.path.admit(question) is not None
        slots.in_flight = slots.limit
        assert one.lane.path.admit(question) is None
