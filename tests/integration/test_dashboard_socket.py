"""The live socket over a real connection."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.clock import ManualClock, let_others_run
from tests.dashboards import World, served
from tests.troubles import NOT_HEALED
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from autonomous_healing.dashboard import Dashboard
from autonomous_healing.resilience import SystemClock


def line_to(dashboard: Dashboard, **how: Any) -> connect:
    """As a page of the dashboard opens it."""
    own = f"127.0.0.1:{dashboard.port}"
    return connect(f"ws://{own}/ws/health", proxy=None, origin=Origin(f"http://{own}"), **how)


@asynccontextmanager
async def listening(world: World, **how: Any) -> AsyncIterator[ClientConnection]:
    async with served(world) as dashboard, line_to(dashboard, **how) as line:
        yield line


async def hear(line: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of that kind; others are passed over."""
    async with asyncio.timeout(10):
        while (message := json.loads(await line.recv()))["type"] != kind:
            pass
    found: dict[str, Any] = message
    return found


async def test_hears_health_a_healing_and_an_alert_as_they_come() -> None:
    world = World()
    async with listening(world) as line:
        health = await hear(line, "health_update")
        report = world.heal()
        healing = await hear(line, "healing")
        world.alerts.see(NOT_HEALED)
        alert = await hear(line, "alert")
    assert len(health["endpoints"]) == len(world.endpoints)
    assert (healing["report"]["id"], healing["report"]["status"]) == (str(report.id), "healed")
    assert alert["alert"]["title"] == "Yahoo Finance - Degraded"
    assert (healing["seq"], alert["seq"]) == (1, 2)


async def test_hears_the_end_of_an_alert() -> None:
    world = World()
    async with listening(world) as line:
        world.alerts.see(NOT_HEALED)
        fired = await hear(line, "alert")
        assert isinstance(world.clock, ManualClock)
        world.clock.pass_time(301)
        world.alerts.sweep()
        resolved = await hear(line, "alert_resolved")
    assert resolved["alert_id"] == fired["alert"]["id"]


async def test_hears_a_change_of_health_after_a_second() -> None:
    world = World()
    async with listening(world) as line:
        await hear(line, "health_update")
        world.admission.window(world.endpoint("fred_api/series")).record_failure()
        assert isinstance(world.clock, ManualClock)
        await world.clock.advance(1)
        health = await hear(line, "health_update")
    [series] = [row for row in health["endpoints"] if row["endpoint"] == "/series"]
    assert series["failed_requests"] == 1


async def test_gets_answers_to_what_it_says() -> None:
    async with listening(World()) as line:
        for said, kind in (('{"type":"ping"}', "pong"), ("{", "error"), (b"\x00", "error")):
            await line.send(said)
            assert (await hear(line, kind))["type"] == kind
        await line.send('{"type":"get_health"}')
        assert await hear(line, "health_update")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_lets_its_own_page_listen(host: str) -> None:
    async with served(World()) as dashboard:
        own = f"{host}:{dashboard.port}"
        origin = Origin(f"http://{own}")
        async with connect(f"ws://{own}/ws/health", proxy=None, origin=origin, host="127.0.0.1") as line:
            assert await hear(line, "health_update")


@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:1", "null", "http://["])
async def test_lets_no_other_page_listen(origin: str) -> None:
    async with served(World()) as dashboard:
        address = f"ws://127.0.0.1:{dashboard.port}/ws/health"
        with pytest.raises(InvalidStatus) as refusal:
            await connect(address, proxy=None, origin=Origin(origin))
    response = refusal.value.response
    assert (response.status_code, response.headers["content-type"]) == (403, "application/problem+json")


async def test_is_not_there_under_another_name() -> None:
    async with served(World()) as dashboard:
        address = f"ws://rebound.example:{dashboard.port}/ws/health"
        with pytest.raises(InvalidStatus) as refusal:
            await connect(address, proxy=None, host="127.0.0.1")
    assert refusal.value.response.status_code == 421


async def test_a_burst_beyond_the_queue_is_told_as_a_gap_and_then_goes_on() -> None:
    world = World()
    async with listening(world, max_queue=None) as line:
        await hear(line, "agents")
        for _ in range(300):
            world.heal()
        gap = await hear(line, "gap")
        following = await hear(line, "healing")
    assert gap == {"type": "gap", "seq": 44, "from": 1, "to": 44}
    assert following["seq"] == 45


async def test_one_who_does_not_read_is_let_go() -> None:
    world = World(clock=SystemClock())
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    async with served(world) as dashboard:
        small.connect(("127.0.0.1", dashboard.port))
        async with line_to(dashboard, sock=small, max_queue=1) as slow:
            await flood(world, 20_000)
            with pytest.raises(ConnectionClosed) as end:
                await hear(slow, "never")
    assert end.value.rcvd is not None
    assert (end.value.rcvd.code, end.value.rcvd.reason) == (1013, "too slow")


async def test_one_who_does_not_read_costs_the_others_nothing() -> None:
    world = World(clock=SystemClock())
    async with served(world) as dashboard:
        deaf = await line_to(dashboard, max_queue=1, close_timeout=0.1)
        async with line_to(dashboard) as quick:
            await hear(quick, "agents")
            for _ in range(300):
                report = world.heal()
                assert (await hear(quick, "healing"))["report"]["id"] == str(report.id)
        await deaf.close()


async def flood(world: World, reports: int) -> None:
    """Record as fast as the hub takes them."""
    for n in range(reports):
        world.heal()
        if n % 100 == 0:
            await let_others_run(250)


async def test_is_let_go_when_the_server_stops() -> None:
    world = World()
    async with served(world) as dashboard:
        line = await line_to(dashboard)
        await hear(line, "agents")
        world.journal.close()
        await dashboard.stop()
        with pytest.raises(ConnectionClosed):
            await hear(line, "never")
    await line.close()
