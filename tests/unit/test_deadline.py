"""The moment by which something must be done, and identifiers that sort by birth."""

from uuid import UUID

import pytest
from tests.clock import ManualClock

from autonomous_healing.resilience import Deadline, uuid7_from


def test_a_deadline_comes_closer_and_passes() -> None:
    clock = ManualClock()
    deadline = Deadline.after(clock, 3.0)
    clock.pass_time(1.0)
    assert (deadline.remaining(), deadline.passed()) == (2.0, False)
    clock.pass_time(2.0)
    assert (deadline.remaining(), deadline.passed()) == (0.0, True)
    clock.pass_time(5.0)
    assert deadline.remaining() == 0.0


@pytest.mark.parametrize(("seconds", "left"), [(1.0, 1.0), (3.0, 3.0), (60.0, 3.0)])
def test_a_deadline_may_only_move_closer(seconds: float, left: float) -> None:
    assert Deadline.after(ManualClock(), 3.0).within(seconds).remaining() == left


def test_a_deadline_says_what_is_left() -> None:
    assert repr(Deadline.after(ManualClock(), 3.0)) == "<Deadline in 3.00s>"


def test_identifiers_sort_by_birth_and_carry_their_version() -> None:
    clock = ManualClock()
    new_id = uuid7_from(clock, lambda size: b"\xff" * size)
    born: list[UUID] = []
    for _ in range(3):
        born.append(new_id())
        clock.pass_time(0.001)
    assert born == sorted(born)
    assert len(set(born)) == 3
    assert {(one.version, one.variant) for one in born} == {(7, "specified in RFC 4122")}


def test_two_identifiers_of_one_moment_differ() -> None:
    new_id = uuid7_from(ManualClock())
    assert len({new_id() for _ in range(100)}) == 100


def test_an_identifier_tells_its_moment() -> None:
    clock = ManualClock()
    assert uuid7_from(clock)().int >> 80 == int(clock.now().timestamp() * 1000)
