"""What every agent is: one inbox, one verb, a measured state."""

import asyncio
import logging
from datetime import timedelta

import pytest
from tests.clock import ManualClock, let_others_run

from autonomous_healing.agents import Agent, AgentState, Background, Belt


class Reader(Agent[str]):
    """Notes what it gets, is slow on request and trips over "poison"."""

    def __init__(self, inbox: Belt[str], clock: ManualClock, feed: Belt[str], slots: int = 1) -> None:
        super().__init__("reader", inbox, clock, feeds=(feed,), slots=slots)
        self.got: list[str] = []
        self.at_once = self.most_at_once = 0
        self.go_on = asyncio.Event()

    async def handle(self, item: str) -> None:
        if item == "poison":
            raise KeyError(item)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if item == "slow":
            await self.go_on.wait()
        self.at_once -= 1
        self.got.append(item)


async def fed_with(*items: str, clock: ManualClock | None = None, slots: int = 1) -> Reader:
    inbox: Belt[str] = Belt("inbox")
    for item in items:
        await inbox.put(item)
    await inbox.close()
    return Reader(inbox, clock or ManualClock(), Belt("next"), slots)


async def test_works_through_its_inbox_and_ends_what_it_feeds() -> None:
    inbox: Belt[str] = Belt("inbox")
    feed: Belt[str] = Belt("next")
    reader = Reader(inbox, ManualClock(), feed)
    running = asyncio.create_task(reader.run())
    await inbox.put("one")
    await let_others_run()
    assert (reader.got, running.done()) == (["one"], False)
    await inbox.close()
    await running

    assert [item async for item in feed] == []


async def test_one_poisoned_item_does_not_end_it_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    reader = await fed_with("one", "poison", "two")

    with caplog.at_level(logging.ERROR):
        await reader.run()

    assert reader.got == ["one", "two"]
    assert (reader.processed, reader.last_error) == (2, "KeyError on one item")
    assert [record.message for record in caplog.records] == ["agent_item_failed"]


@pytest.mark.parametrize("slots", [1, 3])
async def test_does_as_many_at_once_as_it_has_slots(slots: int) -> None:
    reader = await fed_with(*["slow"] * 6, slots=slots)
    running = asyncio.create_task(reader.run())
    await let_others_run(60)
    assert reader.at_once == slots
    assert reader.inbox_depth == 6 - slots - 1  # the next one is in its hands
    reader.go_on.set()
    await running

    assert (reader.most_at_once, len(reader.got)) == (slots, 6)


async def test_feeds_are_not_ended_before_the_last_item_is_done() -> None:
    reader = await fed_with("slow")
    running = asyncio.create_task(reader.run())
    await let_others_run()
    assert not running.done()
    reader.go_on.set()
    await running
    assert reader.got == ["slow"]


async def test_its_status_is_measured() -> None:
    clock = ManualClock()
    reader = await fed_with("one", "poison", clock=clock)
    before = reader.status()
    clock.pass_time(7.0)
    await reader.run()

    assert (before.state, before.last_success, before.inbox_depth) == (AgentState.STARTING, None, 2)
    after = reader.status()
    assert (after.name, after.processed, after.inbox_depth, after.restarts) == ("reader", 1, 0, 0)
    assert after.last_success == clock.now()


@pytest.mark.parametrize(
    ("minutes", "health"),
    [
        (0, "HEALTHY"),
        (4.99, "HEALTHY"),
        (5, "WARNING"),
        (14.99, "WARNING"),
        (15, "CRITICAL"),
        (999, "CRITICAL"),
    ],
)
async def test_its_health_is_the_age_of_its_last_success(minutes: float, health: str) -> None:
    reader = await fed_with("one")
    await reader.run()
    status = reader.status()

    assert status.last_success is not None
    assert status.health(status.last_success + timedelta(minutes=minutes)) == health


async def test_who_never_succeeded_has_failed() -> None:
    clock = ManualClock()
    assert (await fed_with("one")).status().health(clock.now()) == "FAILED"


async def test_work_in_the_background_counts_as_alive_from_its_start() -> None:
    clock = ManualClock()
    done: list[bool] = []

    async def work() -> None:
        done.append(background.last_success == clock.now())

    background = Background("database", work, clock)
    await background.run()
    assert done == [True]
