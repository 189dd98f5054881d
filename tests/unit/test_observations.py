"""Good answers are noted in passing and counted in batches, as if each had been counted by itself."""

import random

import pytest
from tests.clock import ManualClock
from tests.world import World

from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.catalog import build_endpoints, default_sources
from autonomous_healing.endpoint_healing.flow import Flows
from autonomous_healing.endpoint_healing.observations import (
    BUCKETS,
    RING,
    CountedSoon,
    Observations,
    Target,
    bucket_of,
)
from autonomous_healing.endpoint_healing.options import HealingSettings
from autonomous_healing.resilience import BreakerState, CircuitBreaker

ENDPOINTS = build_endpoints(default_sources())


def target(clock: ManualClock, number: int = 0) -> Target:
    """One endpoint's first host, with all that counts for it."""
    endpoint, settings = ENDPOINTS[number], HealingSettings()
    host = endpoint.source.hosts[0]
    admission = Admission({}, {}, settings, clock)
    return Target(
        endpoint,
        host,
        admission.window(endpoint),
        CircuitBreaker(name=endpoint.place, clock=clock),
        admission.limits(endpoint.source),
        Flows(admission, settings, clock, random.Random(1)).of(endpoint, host),
        1.0,
    )


def test_what_is_noted_is_counted_later_and_once() -> None:
    seen, one = Observations(), target(ManualClock())
    for seconds in (0.1, 0.2, 0.6):
        seen.note(one, seconds)
    assert one.window.read().total == 0
    assert seen.count() == [one]
    assert seen.count() == []
    health = one.window.read()
    assert (health.total, health.failed, health.felt) == (3, 0, {"fresh": 3})
    assert health.average_seconds == pytest.approx(0.3)
    assert repr(one.breaker).endswith("closed, 0 of 3 failed>")


def test_a_batch_counts_as_much_as_one_by_one() -> None:
    clock = ManualClock()
    seen, one, other = Observations(), target(clock), target(clock)
    for number in range(500):
        seen.note(one, number / 1000)
        other.window.record_success(number / 1000)
        other.window.record_felt("fresh")
        other.breaker.record_success(number / 1000)
        other.budget.count_first()
    seen.count()
    assert one.window.read() == other.window.read()
    assert one.window.p95_seconds() == other.window.p95_seconds()
    assert one.window.successes == other.window.successes == 500
    assert repr(one.breaker) == repr(other.breaker)
    assert one.budget.left() == other.budget.left() == 49


def test_each_target_is_told_of_its_own() -> None:
    clock = ManualClock()
    seen, one, two, three = Observations(), target(clock), target(clock, 1), target(clock, 2)
    for which, seconds in ((one, 0.1), (two, 0.3), (one, 0.1), (two, 0.3), (one, 0.1)):
        seen.note(which, seconds)
    assert set(seen.count()) == {one, two}
    healths = [which.window.read() for which in (one, two, three)]
    assert [health.total for health in healths] == [3, 2, 0]
    assert [health.average_seconds for health in healths] == [pytest.approx(0.1), pytest.approx(0.3), None]


def test_a_full_ring_counts_by_itself() -> None:
    seen, one = Observations(), target(ManualClock())
    for _ in range(RING - 1):
        seen.note(one, 0.001)
    assert one.window.successes == 0
    seen.note(one, 0.001)
    assert one.window.successes == RING
    seen.note(one, 0.001)
    assert one.window.successes == RING
    seen.count()
    assert (one.window.successes, one.window.read().felt) == (RING + 1, {"fresh": RING + 1})


def test_nothing_of_an_earlier_round_is_counted_again() -> None:
    clock = ManualClock()
    seen, one, two = Observations(), target(clock), target(clock, 1)
    for _ in range(10):
        seen.note(one, 0.5)
    seen.count()
    seen.note(two, 0.1)
    assert seen.count() == [two]
    assert (one.window.successes, two.window.successes) == (10, 1)
    assert two.window.read().average_seconds == pytest.approx(0.1)


def test_who_got_what_had_just_been_healed_felt_it_and_asked_nothing() -> None:
    seen, one = Observations(), target(ManualClock())
    for felt in ("stale", "exact", "stale"):
        seen.note_repeated(one, felt)
    assert one.window.read().felt == {}
    assert seen.count() == []
    seen.count()
    health = one.window.read()
    assert (health.felt, health.total) == ({"stale": 2, "exact": 1}, 0)
    assert (repr(one.breaker).endswith("0 of 0 failed>"), one.budget.left()) == (True, 2)


def test_answers_of_trials_close_the_circuit_once_they_are_counted() -> None:
    clock = ManualClock()
    seen, one = Observations(), target(clock)
    for _ in range(5):
        one.breaker.record_failure("API.SERVER_ERROR")
    clock.pass_time(40.0)
    assert one.breaker.allow()
    seen.note(one, 0.1)
    seen.note(one, 0.1)
    states = [one.breaker.state]
    seen.count()
    states.append(one.breaker.state)
    assert states == [BreakerState.HALF_OPEN, BreakerState.CLOSED]


def test_what_comes_late_opens_no_circuit_and_closes_none() -> None:
    seen, one = Observations(), target(ManualClock())
    seen.note(one, 0.1)
    for _ in range(5):
        one.breaker.record_failure("API.SERVER_ERROR")
    seen.count()
    assert one.breaker.state is BreakerState.OPEN


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [
        (0.0, 0),
        (0.5e-6, 0),
        (1e-6, 1),
        (1.9e-6, 1),
        (2.1e-6, 2),
        (511.5e-6, 9),
        (512.5e-6, 10),
        (0.001, 10),
        (1.0, 20),
        (67.1, 26),
        (67.2, 27),
        (1e6, 27),
    ],
)
def test_a_bucket_holds_what_took_less_than_its_power_of_two(seconds: float, bucket: int) -> None:
    seen, one = Observations(), target(ManualClock())
    seen.note(one, seconds)
    assert bucket_of(seconds) == bucket
    assert [number for number, count in enumerate(one.histogram) if count] == [bucket]
    assert len(one.histogram) == BUCKETS + 1


def test_a_histogram_grows_at_once_and_is_never_emptied() -> None:
    seen, one = Observations(), target(ManualClock())
    for _ in range(RING + 5):
        seen.note(one, 0.001)
    seen.count()
    assert one.histogram[10] == sum(one.histogram) == RING + 5


def test_answers_of_a_source_that_is_passed_through_are_counted_soon_and_failures_at_once() -> None:
    world, observations = World(), Observations()
    endpoint = world.endpoint("yahoo_finance/chart")
    window = world.admission.window(endpoint)
    passed = CountedSoon(world.admission.window, observations).window(endpoint)
    passed.record_success(0.5)
    passed.record_success(0.5)
    passed.record_failure()
    assert (window.read().total, window.read().failed) == (1, 1)
    observations.count()
    observations.count()
    assert (window.read().total, window.read().average_seconds) == (3, 0.5)


def test_a_rush_of_them_is_counted_without_waiting() -> None:
    world, observations = World(), Observations()
    endpoint = world.endpoint("yahoo_finance/chart")
    passed = CountedSoon(world.admission.window, observations).window(endpoint)
    for _ in range(RING + 1):
        passed.record_success(0.001)
    assert world.admission.window(endpoint).read().total == RING
    observations.count()
    assert world.admission.window(endpoint).read().total == RING + 1
