"""What a provider has lost is told from what never was."""

import pytest

from autonomous_healing.endpoint_healing.missing_resources import MOST, MissingResources

HOUR = 3600.0


def had(count: int, at: float = 0.0) -> MissingResources:
    known = MissingResources()
    for number in range(count):
        known.found(f"r{number}", at)
    return known


def lost(known: MissingResources, count: int, at: float = 1.0) -> bool:
    """Whether the last of so many 404s is the provider's fault."""
    return [known.not_found(f"r{number}", at) for number in range(count)][-1]


#: So many that answered well a moment ago, so many of them that now do not, and whose fault that is.
LOSSES = [
    (9, 9, False),  # too few to tell
    (10, 5, False),  # half is not more than half
    (10, 6, True),
    (10, 10, True),
    (20, 10, False),
    (20, 11, True),
    (500, 250, False),
    (500, 251, True),
]


@pytest.mark.parametrize(("found", "missed", "is_lost"), LOSSES)
def test_more_than_half_of_ten_that_were_there_are_the_provider_s_fault(
    found: int, missed: int, is_lost: bool
) -> None:
    assert lost(had(found), missed) is is_lost


def test_what_never_was_is_the_caller_s_fault_however_often() -> None:
    known = had(10)
    assert not any(known.not_found(f"never{number}", 1.0) for number in range(1000))
    assert len(known) == 10


def test_the_same_one_again_and_again_is_one() -> None:
    known = had(10)
    assert not any(known.not_found("r0", 1.0) for _ in range(100))


@pytest.mark.parametrize(("age", "is_lost"), [(24 * HOUR, True), (24 * HOUR + 1, False)])
def test_what_answered_more_than_a_day_ago_is_forgotten(age: float, is_lost: bool) -> None:
    assert lost(had(10), 10, at=age) is is_lost


@pytest.mark.parametrize(("later", "is_lost"), [(600.0, True), (601.0, False)])
def test_only_losses_of_the_last_ten_minutes_belong_together(later: float, is_lost: bool) -> None:
    known = had(10)
    lost(known, 5, at=0.0)
    assert known.not_found("r9", later) is is_lost


def test_of_many_that_were_there_only_those_asked_for_lately_tell() -> None:
    known = had(500)
    for number in range(11, 20):
        known.found(f"r{number}", 12 * HOUR)
    assert [known.not_found(f"r{number}", 12 * HOUR) for number in range(10)] == [False] * 9 + [True]


def test_what_was_found_again_is_not_missing() -> None:
    known = had(10)
    lost(known, 5)
    known.found("r0", 2.0)
    assert not known.not_found("r5", 3.0)
    assert known.not_found("r0", 4.0)


def test_so_many_are_remembered_and_no_more() -> None:
    known, later = had(MOST), 25 * HOUR
    for number in range(9):
        known.found(f"r{number}", later)
    known.found(f"r{MOST}", later)
    assert len(known) == MOST
    assert [known.not_found(f"r{number}", later) for number in (0, 1, 2, 3, 4, MOST)] == [False] * 5 + [True]
