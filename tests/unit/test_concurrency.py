"""Slots for calls to a host: who waits for one, for how long, and who goes first."""

import asyncio
import random
from collections.abc import Coroutine

import pytest
from tests.clock import ManualClock, let_others_run

from autonomous_healing.endpoint_healing.concurrency import Crowded, Line, Slots
from autonomous_healing.endpoint_healing.flow_options import ConcurrencySettings
from autonomous_healing.endpoint_healing.priority import Priority

INTERACTIVE, BATCH, PROBE, SHADOW = Priority

#: Seconds that no test lasts.
LONG = 60.0


class Host:
    """One host with so many slots, and a line of so many places."""

    def __init__(self, slots: int = 2, places: int = 4, line: Line | None = None) -> None:
        self.line = line or Line(places)
        settings = ConcurrencySettings(start=slots, min=1, max=64)
        self.slots = Slots(ManualClock(), settings, 64, self.line)
        self.came: list[str] = []

    async def call(self, name: str, priority: Priority = INTERACTIVE, seconds: float = LONG) -> None:
        """Takes a slot and keeps it."""
        await self.slots.take(priority, seconds)
        self.came.append(name)

    async def begin(self, *calls: Coroutine[None, None, None]) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(call) for call in calls]
        await let_others_run()
        return tasks


def outcome(task: "asyncio.Task[None]") -> str:
    if not task.done():
        return "waits"
    return "gone" if task.cancelled() else str(task.exception() or "has a slot")


async def test_takes_a_slot_at_once_while_one_is_free() -> None:
    host = Host(slots=2)
    await host.call("one")
    await host.call("two")
    assert (host.came, host.slots.in_flight, host.line.length) == (["one", "two"], 2, 0)


async def test_whoever_finds_none_waits_until_one_is_given_back() -> None:
    host = Host(slots=1)
    await host.call("one")
    [waiting] = await host.begin(host.call("two"))
    assert (outcome(waiting), host.line.length) == ("waits", 1)
    host.slots.give_back()
    await waiting
    assert (host.came, host.slots.in_flight, host.line.length) == (["one", "two"], 1, 0)


async def test_the_most_urgent_go_first_and_among_equals_the_first() -> None:
    host = Host(slots=1)
    await host.call("first")
    await host.begin(
        host.call("shadow", SHADOW),
        host.call("probe", PROBE),
        host.call("batch", BATCH),
        host.call("caller", INTERACTIVE),
    )
    await host.begin()
    for _ in range(4):
        host.slots.give_back()
        await let_others_run()
    assert host.came == ["first", "caller", "batch", "probe", "shadow"]

    await host.begin(*(host.call(name) for name in "abc"))
    for _ in range(3):
        host.slots.give_back()
        await let_others_run()
    assert host.came[5:] == ["a", "b", "c"]


async def test_a_growing_limit_lets_those_in_who_wait() -> None:
    host = Host(slots=1)
    await host.call("one")
    await host.begin(host.call("two"), host.call("three"), host.call("four"))
    host.slots.count_good(20)
    await let_others_run()
    assert (host.came, host.slots.in_flight) == (["one", "two", "three"], 3)


async def test_a_slot_that_was_cut_away_is_given_to_nobody() -> None:
    host = Host(slots=2)
    await host.call("one")
    await host.call("two")
    [waiting] = await host.begin(host.call("three"))
    host.slots.cut()
    host.slots.give_back()
    await let_others_run()
    assert (outcome(waiting), host.slots.in_flight, host.slots.limit) == ("waits", 1, 1)
    host.slots.give_back()
    await waiting


async def test_waits_no_longer_than_it_may() -> None:
    host = Host(slots=1)
    await host.call("one")
    with pytest.raises(Crowded, match=r"no call to this host ended within 0\.0s"):
        await host.slots.take(INTERACTIVE, 0.01)
    assert (host.slots.in_flight, host.line.length) == (1, 0)
    host.slots.give_back()
    await host.call("two")
    assert host.slots.in_flight == 1


async def test_a_full_line_takes_no_more() -> None:
    host = Host(slots=1, places=2)
    await host.call("one")
    await host.begin(host.call("two"), host.call("three"))
    with pytest.raises(Crowded, match="too many calls to this source wait already"):
        await host.call("four")
    assert host.line.length == 2


async def test_without_places_nobody_waits() -> None:
    host = Host(slots=1, places=0)
    await host.call("one")
    with pytest.raises(Crowded):
        await host.call("two")


async def test_in_a_full_line_the_last_of_the_least_urgent_makes_room() -> None:
    host = Host(slots=1, places=3)
    await host.call("one")
    batch, probe, later = await host.begin(
        host.call("batch", BATCH), host.call("probe", PROBE), host.call("later", PROBE)
    )
    [caller] = await host.begin(host.call("caller"))
    assert [outcome(one) for one in (batch, probe, later, caller)] == [
        "waits",
        "waits",
        "more urgent calls to this source wait",
        "waits",
    ]
    with pytest.raises(Crowded):
        await host.call("one more probe", PROBE)
    assert host.line.length == 3


async def test_there_are_never_more_slots_than_connections() -> None:
    slots = Slots(ManualClock(), ConcurrencySettings(start=8, min=4, max=64), 2, Line(1))
    slots.count_good(1000)
    assert slots.limit == 2
    slots.cut()
    assert slots.limit == 2


async def test_hosts_of_a_source_share_the_line_and_not_the_slots() -> None:
    line = Line(2)
    one, two = Host(slots=1, line=line), Host(slots=1, line=line)
    await one.call("a")
    await two.call("b")
    probe, waiting = await one.begin(one.call("probe", PROBE), two.call("c"))
    with pytest.raises(Crowded):
        await two.call("d", PROBE)
    [caller] = await two.begin(two.call("e"))
    assert outcome(probe) == "more urgent calls to this source wait"
    one.slots.give_back()
    await let_others_run()
    assert (outcome(waiting), outcome(caller)) == ("waits", "waits")
    two.slots.give_back()
    await let_others_run()
    assert (two.came, line.length) == (["b", "c"], 1)
    caller.cancel()
    await asyncio.wait({caller})
    assert line.length == 0


async def test_who_leaves_the_line_leaves_nothing_behind() -> None:
    host = Host(slots=1)
    await host.call("one")
    leaving, staying = await host.begin(host.call("two"), host.call("three"))
    leaving.cancel()
    await let_others_run()
    assert (outcome(leaving), host.line.length) == ("gone", 1)
    host.slots.give_back()
    await staying
    assert (host.came, host.slots.in_flight) == (["one", "three"], 1)


async def test_who_leaves_as_its_turn_comes_hands_the_slot_on() -> None:
    host = Host(slots=1)
    await host.call("one")
    leaving, staying = await host.begin(host.call("two"), host.call("three"))
    host.slots.give_back()
    leaving.cancel()
    await let_others_run()
    assert (outcome(leaving), outcome(staying)) == ("gone", "has a slot")
    assert (host.came, host.slots.in_flight, host.line.length) == (["one", "three"], 1, 0)


async def test_who_leaves_as_it_is_sent_away_gives_back_no_slot() -> None:
    host = Host(slots=1, places=1)
    await host.call("one")
    [probe] = await host.begin(host.call("probe", PROBE))
    host.line.make_room(INTERACTIVE)
    probe.cancel()
    await let_others_run()
    assert (outcome(probe), host.slots.in_flight, host.line.length) == ("gone", 1, 0)


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_no_slot_is_lost_and_none_is_made_up(seed: int) -> None:
    rng = random.Random(seed)
    line = Line(6)
    hosts = [Host(slots=3, line=line), Host(slots=2, line=line)]
    tasks: list[tuple[Host, asyncio.Task[None]]] = []
    for _ in range(400):
        host = rng.choice(hosts)
        match rng.randrange(5):
            case 0 | 1:
                tasks += [(host, one) for one in await host.begin(host.call("x", rng.choice(list(Priority))))]
            case 2 if host.slots.in_flight:
                host.slots.give_back()
            case 3 if tasks:
                tasks.pop(rng.randrange(len(tasks)))[1].cancel()
            case _:
                host.slots.cut() if rng.random() < 0.3 else host.slots.count_good(4)
        if rng.random() < 0.7:
            await let_others_run(3)
        assert 0 <= line.length <= 6
        assert all(one.slots.in_flight >= 0 for one in hosts)
    await let_others_run()
    for host in hosts:
        while host.slots.in_flight:
            host.slots.give_back()
            await let_others_run(3)
    assert [outcome(one) for _, one in tasks if outcome(one) == "waits"] == []
    assert (line.length, [one.slots.in_flight for one in hosts]) == (0, [0, 0])
    for _, one in tasks:
        one.cancelled() or one.exception()
