"""A late event loop is noticed by whoever waits for it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.clock import ManualClock

from autonomous_healing.resilience import Punctuality


class Stalling(ManualClock):
    """Whose loop stands still now and then."""

    def stall(self, seconds: float) -> None:
        """Time passes, and nobody is woken."""
        self.pass_time(seconds)


@pytest.fixture
async def watched() -> AsyncIterator[tuple[Stalling, Punctuality]]:
    clock = Stalling()
    punctuality = Punctuality(clock)
    running = asyncio.create_task(punctuality.run())
    await clock.advance(1.0)
    yield clock, punctuality
    running.cancel()
    await asyncio.wait({running})


@pytest.mark.parametrize(("stall", "late"), [(0.2, False), (1.2, False), (1.3, True), (9.0, True)])
async def test_more_than_a_second_is_late(
    watched: tuple[Stalling, Punctuality], stall: float, late: bool
) -> None:
    clock, punctuality = watched
    start = clock.monotonic()
    clock.stall(stall)
    await clock.advance(0.0)
    assert punctuality.was_late_since(start) is late


async def test_whoever_runs_before_the_late_waking_knows_it_too(
    watched: tuple[Stalling, Punctuality],
) -> None:
    clock, punctuality = watched
    start = clock.monotonic()
    clock.stall(5.0)
    assert punctuality.was_late_since(start)
    assert punctuality.worst == pytest.approx(4.75)


async def test_what_began_after_it_is_not_excused(watched: tuple[Stalling, Punctuality]) -> None:
    clock, punctuality = watched
    clock.stall(5.0)
    await clock.advance(0.5)
    assert not punctuality.was_late_since(clock.monotonic())
    assert punctuality.was_late_since(clock.monotonic() - 1.0)


def test_nothing_is_late_where_nobody_watches() -> None:
    clock = ManualClock()
    punctuality = Punctuality(clock)
    clock.pass_time(100.0)
    assert not punctuality.was_late_since(0.0)


async def test_nothing_is_late_once_the_watch_has_ended() -> None:
    clock = ManualClock()
    punctuality = Punctuality(clock)
    running = asyncio.create_task(punctuality.run())
    await clock.advance(1.0)
    running.cancel()
    await asyncio.wait({running})
    clock.pass_time(100.0)
    assert not punctuality.was_late_since(0.0)
