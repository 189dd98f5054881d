"""One caller cannot have fresh answers asked for again without end."""

from autonomous_healing.endpoint_healing.caching.forcing import ForcedRevalidations


def test_some_are_allowed_in_each_window_and_no_more() -> None:
    forced = ForcedRevalidations(most=3, seconds=10.0)
    assert [forced.allows("a", second) for second in (0.0, 1.0, 2.0, 3.0, 9.9)] == [True] * 3 + [False] * 2
    assert forced.allows("a", 10.0)
    assert forced.refused == 2


def test_callers_are_counted_each_by_itself() -> None:
    forced = ForcedRevalidations(most=1)
    assert forced.allows("a", 0.0)
    assert forced.allows("b", 0.0)
    assert not forced.allows("a", 0.0)


def test_many_callers_do_not_take_memory_without_end() -> None:
    forced = ForcedRevalidations(most=1, seconds=60.0)
    for number in range(10_001):
        forced.allows(str(number), 0.0)
    assert forced.allows("0", 0.0)  # the first is forgotten
    assert not forced.allows("10000", 0.0)
