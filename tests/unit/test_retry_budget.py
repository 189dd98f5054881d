"""The bound on extra calls."""

import asyncio
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import ManualClock

from autonomous_healing.resilience import RetryBudget, RetryBudgetSettings


def budget_after(first_calls: int, clock: ManualClock | None = None) -> RetryBudget:
    budget = RetryBudget(clock=clock or ManualClock())
    for _ in range(first_calls):
        budget.count_first()
    return budget


@pytest.mark.parametrize(
    ("first_calls", "extra"),
    [(0, 2), (1, 2), (30, 2), (31, 3), (40, 3), (41, 4), (70, 6), (200, 19), (205, 20)],
)
def test_extra_calls_stay_below_a_tenth_of_first_calls_or_below_three(first_calls: int, extra: int) -> None:
    budget = budget_after(first_calls)
    assert [budget.spend() for _ in range(extra)] == [True] * extra
    assert budget.spend() is False


def test_what_was_spent_comes_back_after_ten_seconds() -> None:
    clock = ManualClock()
    budget = budget_after(0, clock)
    for _ in range(2):
        assert budget.spend()
        clock.pass_time(1.0)
    clock.pass_time(7.9)
    assert budget.left() == 0
    clock.pass_time(0.1)
    assert budget.left() == 1


def test_first_calls_count_for_ten_seconds_only() -> None:
    clock = ManualClock()
    budget = budget_after(100, clock)
    assert (budget.left(), budget.first_calls) == (9, 100)
    clock.pass_time(10.0)
    assert (budget.left(), budget.first_calls) == (2, 0)


def test_first_calls_are_counted_in_batches_too() -> None:
    budget = budget_after(0)
    budget.count_first(205)
    budget.count_first(0)
    assert budget.left() == 20


@given(st.lists(st.tuples(st.floats(0.0, 4.0), st.integers(0, 90), st.integers(0, 9)), max_size=60))
def test_no_history_passes_the_bound(history: list[tuple[float, int, int]]) -> None:
    clock = ManualClock()
    budget = RetryBudget(clock=clock)
    first, extra = list[tuple[float, int]](), list[tuple[float, int]]()
    for pause, calls, retries in history:
        clock.pass_time(pause)
        now = clock.monotonic()
        budget.count_first(calls)
        first.append((now, calls))
        spent = sum(budget.spend() for _ in range(retries))
        extra.append((now, spent))
        # First calls are forgotten late by at most a sixtieth of the window.
        lately = sum(n for at, n in first if at > now - 10.0 * 61 / 60)
        if spent:
            assert sum(n for at, n in extra if at > now - 10.0) < max(3, 0.1 * lately)


def test_a_million_calls_leave_no_more_than_a_window_of_slices() -> None:
    clock = ManualClock()
    budget = budget_after(0, clock)
    tracemalloc.start()
    for _ in range(10_000):
        clock.pass_time(0.002)
        budget.count_first(100)
        budget.spend()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert budget.left() >= 45_000
    assert held < 64_000  # bytes; 2 x 61 slices take about 20 000


def test_a_floor_of_nothing_allows_nothing() -> None:
    settings = RetryBudgetSettings(floor=0, ratio=0.0)
    assert RetryBudget(clock=ManualClock(), settings=settings).spend() is False


async def test_five_hundred_sleeping_retries_cannot_fire_together() -> None:
    clock = ManualClock()
    budget = budget_after(50, clock)
    fired: list[float] = []

    async def retry() -> None:
        await clock.sleep(1.0)
        if budget.spend():
            fired.append(clock.monotonic())

    async with asyncio.TaskGroup() as crowd:
        for _ in range(500):
            crowd.create_task(retry())
        await clock.advance(1.0)
    assert len(fired) == 4
