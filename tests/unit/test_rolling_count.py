"""A count over a sliding window, in slices of time."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autonomous_healing.resilience.rolling_count import LONGEST_SLICE, SLICES, RollingCount

WINDOW = 60.0

#: Pauses in seconds, and how many are counted after each.
HISTORY = st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(0, 5)), max_size=60)


def test_counts_what_came_within_the_window() -> None:
    lately = RollingCount(WINDOW)
    lately.add(0.0, 3)
    lately.add(30.0)
    assert lately.total == 4
    lately.forget(59.9)
    assert lately.total == 4
    lately.forget(60.0)
    assert lately.total == 1
    lately.add(90.0, 2)
    assert lately.total == 2


def test_a_slice_is_forgotten_with_its_newest_moment() -> None:
    lately = RollingCount(WINDOW)
    lately.add(0.0)
    lately.add(0.5)
    lately.forget(60.4)
    assert lately.total == 2
    lately.forget(60.5)
    assert lately.total == 0


def test_starts_over_with_nothing() -> None:
    lately = RollingCount(WINDOW)
    lately.add(1.0, 5)
    lately.clear()
    lately.forget(100.0)
    assert (lately.total, len(lately)) == (0, 0)


@given(HISTORY, st.sampled_from([0.5, 10.0, WINDOW, 600.0]))
def test_forgets_nothing_too_early_and_nothing_much_too_late(
    history: list[tuple[float, int]], window: float
) -> None:
    lately, now, seen = RollingCount(window), 0.0, list[tuple[float, int]]()
    slice_ = min(LONGEST_SLICE, window / SLICES)
    for pause, count in history:
        now += pause
        lately.add(now, count)
        seen.append((now, count))
        within = sum(n for at, n in seen if at > now - window)
        and_late = sum(n for at, n in seen if at > now - window - 1.001 * slice_)
        assert within <= lately.total <= and_late


@given(HISTORY, st.randoms(use_true_random=False))
def test_a_part_never_counts_more_than_its_whole(
    history: list[tuple[float, int]], chance: random.Random
) -> None:
    whole, part, now = RollingCount(WINDOW), RollingCount(WINDOW), 0.0
    for pause, count in history:
        now += pause / 10
        whole.add(now, count)
        part.add(now, round(count * chance.random()))
        assert part.total <= whole.total


@pytest.mark.parametrize(("window", "most"), [(0.5, 62), (10.0, 62), (60.0, 62), (3600.0, 3602)])
def test_a_million_take_no_more_room_than_the_slices_of_the_window(window: float, most: int) -> None:
    lately = RollingCount(window)
    for n in range(20_000):
        lately.add(n * window / 5_000, 50)
    assert 250_000 <= lately.total <= 250_000 * (1 + 1 / SLICES)
    assert SLICES <= len(lately) <= most


def test_says_how_many_there_were() -> None:
    lately = RollingCount(WINDOW)
    lately.add(1.0, 12)
    assert repr(lately) == "<RollingCount 12 in 60s>"
