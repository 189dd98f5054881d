"""Supervision one for one: restarts that wait longer each time, an end to patience, and the others go on."""

import asyncio
import logging
from collections.abc import Iterator
from itertools import pairwise

import pytest
from tests.clock import ManualClock, let_others_run

from autonomous_healing.agents import AgentState, AgentStatus, Orchestrator, SupervisionSettings, Worker


class Unsteady(Worker):
    """Crashes at each run for which it is told to, and notes when it was started."""

    def __init__(self, name: str, clock: ManualClock, crashes: Iterator[bool]) -> None:
        super().__init__(name, clock)
        self.started_at: list[float] = []
        self.end = asyncio.Event()
        self._crashes = crashes

    async def run(self) -> None:
        self.started_at.append(self._clock.monotonic())
        if next(self._crashes):
            raise ValueError("tripped")
        await self.end.wait()


class Crew:
    """An orchestrator with its workers, and what it told."""

    def __init__(self, *crashes: list[bool], max_restarts: int = 5) -> None:
        self.clock = ManualClock()
        self.told: list[AgentStatus] = []
        self.workers = [
            Unsteady(f"worker{n}", self.clock, iter([*script, *[False] * 100]))
            for n, script in enumerate(crashes)
        ]
        settings = SupervisionSettings(max_restarts=max_restarts)
        self.orchestrator = Orchestrator(self.workers, settings, self.clock, self.told.append)

    @property
    def states(self) -> list[AgentState]:
        return [status.state for status in self.orchestrator.statuses()]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


async def test_a_crashed_worker_is_started_again_after_1_2_4_and_more_seconds() -> None:
    crew = Crew([True] * 8, max_restarts=20)
    crew.orchestrator.start()
    await crew.clock.advance(300.0)

    starts = crew.workers[0].started_at
    waits = [later - earlier for earlier, later in pairwise(starts)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert (crew.states, crew.told) == ([AgentState.RUNNING], [])
    assert crew.orchestrator.statuses()[0].restarts == 8
    await crew.orchestrator.cancel()


async def test_while_it_waits_it_is_restarting_and_says_why() -> None:
    crew = Crew([True])
    crew.orchestrator.start()
    await crew.clock.advance(0.5)

    [status] = crew.orchestrator.statuses()
    assert (status.state, status.last_error) == (AgentState.RESTARTING, "ValueError: tripped")
    await crew.orchestrator.cancel()


async def test_after_too_many_crashes_it_is_given_up_and_told_of_once() -> None:
    crew = Crew([True] * 9, [])
    crew.orchestrator.start()
    await crew.clock.advance(1000.0)

    assert crew.states == [AgentState.FAILED, AgentState.RUNNING]
    assert len(crew.workers[0].started_at) == 6  # the first start and five restarts
    [told] = crew.told
    assert (told.name, told.state, told.restarts) == ("worker0", AgentState.FAILED, 5)
    await crew.orchestrator.cancel()


async def test_one_that_crashes_now_and_then_is_never_given_up() -> None:
    clock = ManualClock()
    crashed_at: list[float] = []

    class Sporadic(Worker):
        async def run(self) -> None:
            await clock.sleep(400.0)
            crashed_at.append(clock.monotonic())
            raise ValueError("again")

    told: list[AgentStatus] = []
    worker = Sporadic("sporadic", clock)
    orchestrator = Orchestrator([worker], SupervisionSettings(max_restarts=2), clock, told.append)
    orchestrator.start()
    await clock.advance(10_000.0)

    assert len(crashed_at) > 20
    assert (told, worker.state) == ([], AgentState.RUNNING)
    waits = {round(b - a - 400.0) for a, b in pairwise(crashed_at)}
    assert waits == {1, 2}
    await orchestrator.cancel()


async def test_a_worker_whose_work_ends_has_stopped_and_is_not_started_again() -> None:
    crew = Crew([], [])
    crew.orchestrator.start()
    await let_others_run()
    crew.workers[0].end.set()
    await crew.clock.advance(100.0)

    assert crew.states == [AgentState.STOPPED, AgentState.RUNNING]
    assert len(crew.workers[0].started_at) == 1
    await crew.orchestrator.cancel()


async def test_a_stop_waits_for_those_that_end_and_cancels_those_that_do_not() -> None:
    crew = Crew([], [])
    crew.orchestrator.start()
    await let_others_run()
    crew.workers[0].end.set()

    await crew.orchestrator.wait(0.05)

    assert crew.states[0] is AgentState.STOPPED
    others = [task for task in asyncio.all_tasks() if task.get_name().startswith("worker")]
    assert others == []


async def test_a_crew_that_was_never_started_can_be_stopped() -> None:
    crew = Crew([True])
    await crew.orchestrator.wait(1.0)
    await crew.orchestrator.cancel()
    assert crew.states == [AgentState.STARTING]
