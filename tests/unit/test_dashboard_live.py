"""What open dashboards hear, and what a slow one hears instead."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.clock import ManualClock, let_others_run
from tests.dashboards import World
from tests.troubles import NOT_HEALED

from autonomous_healing.dashboard.live import AT_LEAST, Client, Hub
from autonomous_healing.dashboard.tally import Tally
from autonomous_healing.dashboard.views import Views


class Live(World):
    """A world with a hub."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.tally = Tally()
        views = Views(self.rooms, self.tally)
        self.follower = self.journal.follow("dashboard", size=4)
        self.hub = Hub(views, self.tally, self.follower, self.web, self.clock)

    async def advance(self, seconds: float) -> None:
        assert isinstance(self.clock, ManualClock)
        await self.clock.advance(seconds)


@asynccontextmanager
async def running() -> AsyncIterator[Live]:
    world = Live()
    task = asyncio.create_task(world.hub.run())
    await let_others_run()
    yield world
    world.journal.close()
    async with asyncio.timeout(5):
        await task


async def heard(client: Client) -> list[dict[str, Any]]:
    """What waits for the client now."""
    messages: list[dict[str, Any]] = []

    async def read() -> None:
        async for text in client:
            messages.append(json.loads(text))

    reading = asyncio.create_task(read())
    await let_others_run()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return messages


async def kinds(client: Client) -> list[str]:
    return [message["type"] for message in await heard(client)]


async def test_a_new_client_is_told_how_everything_is() -> None:
    async with running() as world:
        world.agent("monitoring")
        health, agents = await heard(world.hub.join())
    assert (health["type"], health["seq"], health["timestamp"]) == (
        "health_update",
        0,
        "2026-03-02T15:00:00.000Z",
    )
    assert len(health["endpoints"]) == len(world.endpoints)
    assert [agent["id"] for agent in agents["agents"]] == ["monitoring"]


async def test_a_healing_is_told_at_once_and_counted() -> None:
    async with running() as world:
        client = world.hub.join()
        await heard(client)
        report = world.heal()
        [message] = await heard(client)
    assert (message["type"], message["seq"]) == ("healing", 1)
    assert message["report"]["id"] == str(report.id)
    assert (message["report"]["strategy"], message["report"]["fidelity"]) == ("use_cached_data", "stale")
    assert world.tally.total().healed == 1


async def test_healings_are_counted_when_nobody_looks() -> None:
    async with running() as world:
        world.heal()
        await let_others_run()
        assert world.tally.total().healed == 1


async def test_an_alert_and_its_end_are_told() -> None:
    async with running() as world:
        client = world.hub.join()
        await heard(client)
        world.alerts.see(NOT_HEALED)
        await world.advance(0.5)
        [fired] = await heard(client)
        assert fired["alert"]["title"] == "Yahoo Finance - Degraded"
        await world.advance(301)
        await heard(client)
        world.alerts.sweep()
        [resolved] = [one for one in await heard(client) if one["type"] == "alert_resolved"]
    assert resolved["alert_id"] == fired["alert"]["id"]
    assert resolved["resolved_at"] == "2026-03-02T15:05:01.500Z"


async def test_a_change_of_health_is_told_once_within_a_second() -> None:
    async with running() as world:
        client = world.hub.join()
        await world.advance(1)
        await heard(client)
        world.admission.window(world.endpoint("fred_api/series")).record_failure()
        await world.advance(0.5)
        assert await kinds(client) == []
        await world.advance(1)
        assert await kinds(client) == ["health_update"]
        await world.advance(3)
        assert await kinds(client) == []


async def test_health_is_told_without_a_change_every_half_minute() -> None:
    async with running() as world:
        client = world.hub.join()
        await world.advance(1)
        await heard(client)
        await world.advance(AT_LEAST - 1)
        assert await kinds(client) == []
        await world.advance(1)
        assert await kinds(client) == ["health_update"]


async def test_agents_are_told_when_they_change() -> None:
    async with running() as world:
        client = world.hub.join()
        await world.advance(1)
        await heard(client)
        world.agent("diagnosis", processed=3)
        await world.advance(1)
        [message] = await heard(client)
    assert (message["type"], message["agents"][0]["processed"]) == ("agents", 3)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ('{"type": "ping"}', "pong"),
        ('{"type": "get_health"}', "health_update"),
        ('{"type": "dance"}', "error"),
        ('{"type": 1}', "error"),
        ("[1, 2]", "error"),
        ("{", "error"),
        ("[" * 60_000, "error"),
        (None, "error"),
    ],
)
async def test_a_client_gets_an_answer_whatever_it_says(said: str | None, answer: str) -> None:
    world = Live()
    client = world.hub.join()
    await heard(client)
    world.hub.hear(client, said)
    assert await kinds(client) == [answer]


async def test_messages_are_numbered_without_holes() -> None:
    async with running() as world:
        client = world.hub.join()
        await heard(client)
        for _ in range(3):
            world.heal()
        assert [message["seq"] for message in await heard(client)] == [1, 2, 3]


async def test_what_a_client_was_too_slow_for_is_told_as_a_gap() -> None:
    client = Client(size=3)
    for seq in range(1, 6):
        client.give(seq, json.dumps({"type": "healing", "seq": seq}))
    messages = await heard(client)
    assert messages[0] == {"type": "gap", "seq": 2, "from": 1, "to": 2}
    assert [message["seq"] for message in messages[1:]] == [3, 4, 5]
    assert not client.too_slow.is_set()


async def test_a_client_that_loses_a_whole_line_is_too_slow() -> None:
    client = Client(size=3)
    for seq in range(6):
        client.give(seq, "")
    assert not client.too_slow.is_set()
    client.give(6, "")
    assert client.too_slow.is_set()


async def test_a_client_that_catches_up_is_forgiven() -> None:
    client = Client(size=3)
    for _ in range(4):
        for seq in range(5):
            client.give(seq, "{}")
        await heard(client)
    assert not client.too_slow.is_set()


async def test_reports_that_the_journal_let_go_are_told_as_a_gap() -> None:
    world = Live()
    client = world.hub.join()
    await heard(client)
    for _ in range(7):
        world.heal()
    task = asyncio.create_task(world.hub.run())
    messages = await heard(client)
    world.journal.close()
    await task
    assert messages[0] == {"type": "gap", "seq": 3, "from": 1, "to": 3}
    assert [message["seq"] for message in messages[1:]] == [4, 5, 6, 7]


async def test_who_has_left_is_told_nothing() -> None:
    async with running() as world:
        client = world.hub.join()
        await heard(client)
        world.hub.leave(client)
        world.heal()
        assert await heard(client) == []


async def test_it_ends_with_the_journal_and_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    async with running() as world:
        pass
    assert asyncio.all_tasks() == before
    assert world.web.subscribers == 0
