"""How many calls a host takes at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import ManualClock

from autonomous_healing.resilience import AdaptiveLimit


def limit(clock: ManualClock | None = None, start: int = 8, least: int = 1, most: int = 64) -> AdaptiveLimit:
    return AdaptiveLimit(clock or ManualClock(), start=start, least=least, most=most)


@pytest.mark.parametrize(
    ("answers", "after"), [(0, 8), (9, 8), (10, 9), (19, 9), (20, 10), (559, 63), (560, 64), (10_000, 64)]
)
def test_ten_good_answers_make_room_for_one_more(answers: int, after: int) -> None:
    one, batched = limit(), limit()
    for _ in range(answers):
        one.count_good()
    batched.count_good(answers)
    assert one.limit == batched.limit == after


@pytest.mark.parametrize(("before", "after"), [(64, 44), (10, 7), (8, 5), (3, 2), (2, 1), (1, 1)])
def test_trouble_leaves_seven_tenths_but_never_less_than_one(before: int, after: int) -> None:
    one = limit(start=before)
    one.cut()
    assert one.limit == after


def test_many_troubles_within_a_second_are_one() -> None:
    clock = ManualClock()
    one = limit(clock, start=64)
    for _ in range(40):
        one.cut()
        clock.pass_time(0.02)
    assert one.limit == 44
    clock.pass_time(0.2)
    one.cut()
    assert one.limit == 30


def test_growth_begins_anew_after_trouble() -> None:
    one = limit()
    one.count_good(9)
    one.cut()
    one.count_good(9)
    assert one.limit == 5
    one.count_good()
    assert one.limit == 6


def test_begins_inside_its_own_bounds() -> None:
    assert limit(start=100, most=20).limit == 20
    assert limit(start=1, least=4).limit == 4


@given(st.lists(st.one_of(st.integers(0, 200), st.just("cut"), st.floats(0.0, 3.0)), max_size=60))
def test_no_history_leaves_the_bounds(history: list[int | str | float]) -> None:
    clock = ManualClock()
    one = limit(clock, start=8, least=2, most=16)
    for event in history:
        match event:
            case float():
                clock.pass_time(event)
            case int():
                one.count_good(event)
            case _:
                one.cut()
        assert 2 <= one.limit <= 16
