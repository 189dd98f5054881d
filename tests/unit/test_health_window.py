"""How an endpoint has been doing."""

import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import ManualClock

from autonomous_healing.endpoint_healing.health import Health, HealthWindow, status_of
from autonomous_healing.endpoint_healing.options import WindowSettings
from autonomous_healing.healing import Severity

BANDS = WindowSettings()
HEALTHY, DEGRADED, CRITICAL, FAILED = Severity


def window(clock: ManualClock, settings: WindowSettings = BANDS) -> HealthWindow:
    return HealthWindow(clock, settings)


def count(one: HealthWindow, calls: str) -> None:
    """`+` good, `-` bad."""
    for call in calls:
        one.record_success(0.2) if call == "+" else one.record_failure()


#: failed, of, in a row
BAND_TABLE = [
    (0, 0, 0, None),
    (0, 1, 0, HEALTHY),
    (4, 100, 0, HEALTHY),
    (5, 100, 0, DEGRADED),
    (19, 100, 0, DEGRADED),
    (20, 100, 0, CRITICAL),
    (49, 100, 0, CRITICAL),
    (50, 100, 0, FAILED),
    (100, 100, 100, FAILED),
    (5, 10, 0, FAILED),
    # fewer than ten: a row of failures must say so too
    (9, 9, 2, DEGRADED),
    (9, 9, 3, CRITICAL),
    (9, 9, 4, CRITICAL),
    (9, 9, 5, FAILED),
    (1, 1, 1, DEGRADED),
    (3, 9, 2, DEGRADED),
    (3, 9, 3, CRITICAL),
    (4, 9, 5, CRITICAL),
]


@pytest.mark.parametrize(("failed", "total", "in_a_row", "status"), BAND_TABLE)
def test_status_by_bands_and_by_rows_where_calls_are_few(
    failed: int, total: int, in_a_row: int, status: Severity | None
) -> None:
    assert status_of(failed, total, in_a_row, BANDS) is status


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 8))
def test_one_more_failure_never_looks_better(failed: int, succeeded: int, in_a_row: int) -> None:
    order = list(Severity)
    total = failed + succeeded
    before = status_of(failed, total, in_a_row, BANDS)
    after = status_of(failed + 1, total, in_a_row + 1, BANDS)
    assert before is not None
    assert after is not None
    assert order.index(after) >= order.index(before)


def test_nothing_seen_is_unknown() -> None:
    health = window(ManualClock()).read()
    assert (health.status, health.status_word, health.total) == (None, "unknown", 0)
    assert (health.error_rate, health.average_seconds, health.uptime_percentage) == (None, None, None)
    assert (health.felt_error_rate, health.healed_share) == (None, None)


def test_counts_calls_and_measures_good_ones() -> None:
    clock = ManualClock()
    one = window(clock)
    for seconds in (0.1, 0.2, 0.6):
        one.record_success(seconds)
    first_failure = clock.now()
    one.record_failure()
    health = one.read()
    assert (health.total, health.failed, health.error_rate) == (4, 1, 0.25)
    assert health.average_seconds == pytest.approx(0.3)
    assert (health.last_failure, health.consecutive_failures) == (first_failure, 1)
    assert one.successes == 3


def test_a_success_ends_the_row_of_failures() -> None:
    one = window(ManualClock())
    count(one, "---")
    assert one.read().consecutive_failures == 3
    count(one, "+")
    assert one.read().consecutive_failures == 0


def test_forgets_after_five_minutes() -> None:
    clock = ManualClock()
    one = window(clock)
    count(one, "-" * 20)
    clock.pass_time(290.0)
    assert one.read().failed == 20
    clock.pass_time(10.0)
    count(one, "+" * 10)
    assert (one.read().failed, one.read().total) == (0, 10)


def test_a_quiet_window_looks_back_over_an_hour() -> None:
    clock = ManualClock()
    one = window(clock)
    count(one, "--++++++++")
    clock.pass_time(1200.0)
    assert (one.read().failed, one.read().total) == (2, 10)
    count(one, "-")
    assert (one.read().failed, one.read().total) == (3, 11)
    clock.pass_time(2399.0)
    assert one.read().total == 11
    clock.pass_time(2.0)
    assert one.read().total == 1


def test_a_quiet_window_looks_at_no_more_than_twenty_calls() -> None:
    clock = ManualClock()
    one = window(clock)
    count(one, "-" * 30 + "+" * 20)
    clock.pass_time(600.0)
    assert (one.read().failed, one.read().total) == (0, 20)


def test_worse_applies_at_once_and_better_only_after_a_minute() -> None:
    clock = ManualClock()
    one = window(clock)
    count(one, "-" * 10)
    assert one.read().status is FAILED
    count(one, "+" * 190)
    clock.pass_time(59.0)
    assert one.read().status is FAILED
    clock.pass_time(1.0)
    assert one.read().status is DEGRADED
    count(one, "-" * 100)
    assert one.read().status is CRITICAL


def test_staying_bad_keeps_the_hold() -> None:
    clock = ManualClock()
    one = window(clock)
    count(one, "-" * 10)
    one.read()
    clock.pass_time(50.0)
    one.read()
    count(one, "+" * 290)
    clock.pass_time(59.0)
    assert one.read().status is FAILED
    clock.pass_time(1.0)
    assert one.read().status is HEALTHY


def test_uptime_is_the_share_of_time_not_spent_in_failed() -> None:
    clock = ManualClock()
    one = window(clock, replace_hold(0.0))
    count(one, "+" * 10)
    clock.pass_time(300.0)
    assert one.read().uptime_percentage == 100.0
    count(one, "-" * 10)
    one.read()
    clock.pass_time(100.0)
    assert one.read().uptime_percentage == pytest.approx(75.0)
    clock.pass_time(200.0)
    count(one, "+" * 20)
    assert one.read().status is HEALTHY
    clock.pass_time(400.0)
    assert one.read().uptime_percentage == pytest.approx(90.0)


def replace_hold(seconds: float) -> WindowSettings:
    return BANDS.model_copy(update={"hold_down": seconds})


@pytest.mark.parametrize(("successes", "p95"), [(19, None), (20, 1.9), (40, 3.8)])
def test_p95_is_known_from_twenty_successes_on(successes: int, p95: float | None) -> None:
    one = window(ManualClock())
    for n in range(successes):
        one.record_success(0.1 * (n + 1))
    assert one.p95_seconds() == (None if p95 is None else about(p95))


def about(seconds: float) -> object:
    """The buckets of a histogram end above what they hold, by at most a sixteenth."""
    return pytest.approx(seconds * (1 + 1 / 32), rel=1 / 32)


def test_p95_is_that_of_the_last_hour() -> None:
    clock = ManualClock()
    one = window(clock)
    one.record_successes([9.0] * 100)
    clock.pass_time(1800.0)
    one.record_successes([0.5] * 300)
    assert one.p95_seconds() == about(9.0)
    clock.pass_time(1800.0)
    assert one.p95_seconds() == about(0.5)
    clock.pass_time(1800.0)
    assert one.p95_seconds() is None


def test_as_many_new_times_as_old_ones_have_gone_are_noticed() -> None:
    clock = ManualClock()
    one = window(clock)
    one.record_successes([9.0] * 50)
    assert one.p95_seconds() == about(9.0)
    clock.pass_time(3600.0)
    one.record_successes([0.5] * 50)
    assert one.p95_seconds() == about(0.5)


def test_p95_moves_with_the_hour_and_not_with_the_last_calls() -> None:
    one = window(ManualClock())
    one.record_successes([0.1] * 1000)
    one.record_successes([2.0] * 50)
    assert one.p95_seconds() == about(0.1)
    one.record_successes([2.0] * 10)
    assert one.p95_seconds() == about(2.0)


def test_what_was_outrun_counts_for_what_is_usual_and_for_nothing_else() -> None:
    one = window(ManualClock())
    one.record_successes([0.1] * 90)
    for _ in range(10):
        one.record_outrun(0.7)
    assert one.p95_seconds() == about(0.7)
    health = one.read()
    assert (health.total, health.failed) == (90, 0)
    assert health.average_seconds == pytest.approx(0.1)
    assert one.successes == 90


def test_only_what_was_outrun_makes_an_endpoint_no_better_known() -> None:
    one = window(ManualClock())
    one.record_outrun(0.7)
    assert (one.seen, one.read().status) == (False, None)


@given(st.lists(st.one_of(st.lists(st.floats(0.0, 9.0), max_size=30), st.floats(0.0, 400.0)), max_size=20))
def test_a_batch_of_good_calls_counts_as_each_of_them_would(history: list[list[float] | float]) -> None:
    clock = ManualClock()
    batched, single = window(clock), window(clock)
    for event in history:
        if isinstance(event, float):
            clock.pass_time(event)
            batched.record_failure()
            single.record_failure()
            continue
        batched.record_successes(event)
        for seconds in event:
            single.record_success(seconds)
        one, other = batched.read(), single.read()
        assert replace(one, average_seconds=None) == replace(other, average_seconds=None)
        assert one.average_seconds == pytest.approx(other.average_seconds)
        assert (batched.successes, batched.p95_seconds()) == (single.successes, single.p95_seconds())


def test_an_empty_batch_is_no_success() -> None:
    one = window(ManualClock())
    count(one, "---")
    one.record_successes([])
    assert one.read().consecutive_failures == 3
    assert one.last_success is None


def test_a_million_good_calls_leave_a_bounded_window() -> None:
    clock = ManualClock()
    one = window(clock)
    batch = [0.2] * 100
    tracemalloc.start()
    for _ in range(10_000):
        clock.pass_time(0.1)
        one.record_successes(batch)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert one.read().total == pytest.approx(300_000, rel=1 / 30)
    assert held < 64_000  # bytes; thirty buckets and a few hundred moments


def test_felt_outcomes_are_counted_in_batches_too() -> None:
    one = window(ManualClock())
    one.record_felt("fresh", 6)
    one.record_felt("stale", 0)
    one.record_felt("error")
    assert one.read().felt == {"fresh": 6, "error": 1}


def test_health_as_felt_is_kept_beside() -> None:
    one = window(ManualClock())
    for outcome in ["fresh"] * 6 + ["exact", "stale", "error", "error"]:
        one.record_felt(outcome)
    health = one.read()
    assert health.felt == {"fresh": 6, "exact": 1, "stale": 1, "error": 2}
    assert (health.healed_share, health.felt_error_rate) == (0.2, 0.2)
    assert health.total == 0


def test_takes_up_what_was_known_before_a_restart() -> None:
    clock = ManualClock()
    before = window(clock)
    count(before, "+" * 8 + "-" * 4)
    before.record_felt("stale")
    old = before.read()
    after = window(clock)
    after.restore(old)
    new = after.read()
    assert replace(new, average_seconds=None) == replace(old, average_seconds=None)
    assert new.average_seconds == pytest.approx(0.2)


def test_restoring_an_unknown_average_leaves_it_unknown() -> None:
    one = window(ManualClock())
    one.restore(
        Health(
            status=None,
            total=3,
            failed=1,
            average_seconds=None,
            last_success=None,
            last_failure=None,
            consecutive_failures=0,
            uptime_percentage=None,
            felt={},
        )
    )
    assert one.read().average_seconds is None
    one.record_success(0.5)
    assert one.read().average_seconds == 0.5


def test_restoring_nothing_leaves_the_unknown() -> None:
    one = window(ManualClock())
    nothing = Health(
        status=None,
        total=0,
        failed=0,
        average_seconds=None,
        last_success=None,
        last_failure=None,
        consecutive_failures=0,
        uptime_percentage=None,
        felt={},
    )
    one.restore(nothing)
    assert one.read().status is None
