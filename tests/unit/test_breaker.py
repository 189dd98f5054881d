"""The circuit breaker's life, as a table and in stories."""

import itertools
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import ManualClock

from autonomous_healing.resilience import BreakerMemory, BreakerSettings, BreakerState, CircuitBreaker
from autonomous_healing.resilience.breaker_state import ALLOWED, IllegalMove

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
STEADY = BreakerSettings(jitter=0.0)


def breaker(clock: ManualClock, settings: BreakerSettings = STEADY) -> CircuitBreaker:
    return CircuitBreaker(name="yahoo_finance/chart@host", clock=clock, settings=settings)


def opened(clock: ManualClock, settings: BreakerSettings = STEADY) -> CircuitBreaker:
    one = breaker(clock, settings)
    for _ in range(5):
        one.record_failure("API.SERVER_ERROR")
    return one


def closed_again(one: CircuitBreaker, clock: ManualClock) -> None:
    clock.pass_time(one.retry_after())
    for _ in range(2):
        assert one.allow()
        one.record_success(0.1)


#: Calls, `+` good and `-` bad, one a second; what the breaker is then.
LIVES = [
    ("", CLOSED),
    ("----", CLOSED),
    ("-----", OPEN),
    ("----+----", CLOSED),
    ("+-+-+-+-+", CLOSED),  # nine calls are too few for the share
    ("+-+-+-+-+-", OPEN),
    ("++++++-+--", CLOSED),
    ("++++++-+---+--", CLOSED),
    ("++++++-+---+----", OPEN),
]


@pytest.mark.parametrize(("calls", "state"), LIVES)
def test_opens_on_failures_in_a_row_or_on_their_share(calls: str, state: BreakerState) -> None:
    clock = ManualClock()
    one = breaker(clock)
    for call in calls:
        clock.pass_time(1.0)
        one.record_success(0.1) if call == "+" else one.record_failure("API.TIMEOUT")
    assert one.state is state


def test_old_calls_do_not_count_into_the_share() -> None:
    clock = ManualClock()
    one = breaker(clock)
    for call in "+-" * 4:
        one.record_success(0.1) if call == "+" else one.record_failure("API.TIMEOUT")
    clock.pass_time(60.0)
    one.record_success(0.1)
    one.record_failure("API.TIMEOUT")
    assert one.state is CLOSED


def test_lets_nothing_through_until_its_time_and_then_one_trial() -> None:
    clock = ManualClock()
    one = opened(clock)
    assert (one.allow(), one.would_allow(), one.retry_after()) == (False, False, 30.0)
    clock.pass_time(29.9)
    assert (one.allow(), one.would_allow()) == (False, False)
    clock.pass_time(0.2)
    assert (one.would_allow(), one.would_allow()) == (True, True)
    assert (one.allow(), one.allow(), one.would_allow()) == (True, False, False)
    assert one.retry_after() == 0.0


def test_two_good_trials_close_it() -> None:
    clock = ManualClock()
    one = opened(clock)
    clock.pass_time(30.0)
    assert one.allow()
    one.record_success(0.1)
    assert one.state is HALF_OPEN
    assert one.allow()
    one.record_success(0.1)
    assert one.state is CLOSED
    assert one.reason == ""


def test_a_closed_circuit_starts_with_a_clean_slate() -> None:
    clock = ManualClock()
    one = opened(clock)
    closed_again(one, clock)
    for _ in range(4):
        one.record_failure("API.TIMEOUT")
    assert one.state is CLOSED


def test_each_opening_in_a_row_lasts_longer_up_to_the_cap() -> None:
    clock = ManualClock()
    one = opened(clock)
    waits = [one.retry_after()]
    for _ in range(11):
        clock.pass_time(one.retry_after())
        assert one.allow()
        one.record_failure("API.TIMEOUT")
        waits.append(one.retry_after())
    assert waits == [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]


@given(st.integers())
def test_the_open_time_varies_by_a_tenth(seed: int) -> None:
    one = opened(ManualClock())
    one = CircuitBreaker(name="x", clock=one.clock, rng=random.Random(seed))
    for _ in range(5):
        one.record_failure("API.TIMEOUT")
    assert 27.0 <= one.retry_after() <= 33.0


def test_stays_open_until_the_upstream_said() -> None:
    one = breaker(ManualClock())
    for _ in range(5):
        one.record_failure("API.RATE_LIMITED", reset_in=500.0)
    assert one.retry_after() == 500.0
    assert one.reason == "API.RATE_LIMITED"


def test_calm_makes_up_for_openings() -> None:
    clock = ManualClock()
    one = opened(clock)
    closed_again(one, clock)
    one.record_success(0.1)
    assert one.openings == 1
    clock.pass_time(300.0)
    one.record_success(0.1)
    one.record_success(0.1)
    assert one.openings == 0


def test_a_trial_whose_caller_vanished_does_not_block_for_ever() -> None:
    clock = ManualClock()
    one = opened(clock)
    clock.pass_time(30.0)
    assert one.allow()
    clock.pass_time(59.0)
    assert not one.allow()
    clock.pass_time(1.0)
    assert one.would_allow()
    assert one.allow()


def test_a_trial_that_told_nothing_is_given_out_again() -> None:
    clock = ManualClock()
    one = opened(clock)
    clock.pass_time(30.0)
    assert one.allow()
    one.release_trial()
    assert one.allow()


def test_late_results_do_not_move_an_open_circuit() -> None:
    clock = ManualClock()
    one = opened(clock)
    one.record_success(0.1)
    one.record_failure("API.TIMEOUT")
    assert (one.state, one.openings, one.retry_after()) == (OPEN, 1, 30.0)


@pytest.mark.parametrize(("before", "after"), [*itertools.product(BreakerState, BreakerState)])
def test_makes_only_the_moves_of_its_table(before: BreakerState, after: BreakerState) -> None:
    one = CircuitBreaker(name="x", clock=ManualClock(), state=before)
    if after in ALLOWED[before]:
        one._move(after)
        assert one.state is after
    else:
        with pytest.raises(IllegalMove, match=f"circuit breaker x: {before} -> {after}"):
            one._move(after)


def test_the_table_knows_every_state_and_no_move_in_place() -> None:
    assert set(ALLOWED) == set(BreakerState)
    assert all(state not in moves for state, moves in ALLOWED.items())


@given(st.lists(st.sampled_from("+-tw"), max_size=60))
def test_no_history_leads_to_an_illegal_move_or_two_trials(history: list[str]) -> None:
    clock = ManualClock()
    one = breaker(clock)
    on_trial = False
    for event in history:
        match event:
            case "w":
                clock.pass_time(11.0)
            case "t":
                given_out = one.allow()
                assert not (one.state is OPEN and given_out)
                on_trial = given_out and one.state is HALF_OPEN
            case _ if one.state is not HALF_OPEN or on_trial:
                one.record_success(0.1) if event == "+" else one.record_failure("API.TIMEOUT")
                on_trial = False
    assert one.openings >= 0


@given(st.lists(st.sampled_from("0137-tw"), max_size=60))
def test_a_batch_of_good_calls_counts_as_each_of_them_would(history: list[str]) -> None:
    clock = ManualClock()
    batched, single = breaker(clock), breaker(clock)
    for event in history:
        match event:
            case "w":
                clock.pass_time(11.0)
            case "t":
                assert batched.allow() is single.allow()
            case "-":
                batched.record_failure("API.TIMEOUT")
                single.record_failure("API.TIMEOUT")
            case _:
                batched.record_successes([0.1] * int(event))
                for _ in range(int(event)):
                    single.record_success(0.1)
        assert repr(batched) == repr(single)
        assert (batched.openings, batched.reason) == (single.openings, single.reason)
        assert batched.would_allow() is single.would_allow()


@pytest.mark.parametrize(
    ("trials", "then"), [((1,), "half_open, 5 of 6"), ((2,), "closed, 0 of 0"), ((1, 4), "closed, 0 of 3")]
)
def test_good_trials_in_batches_close_it(trials: tuple[int, ...], then: str) -> None:
    clock = ManualClock()
    batched, single = opened(clock), opened(clock)
    clock.pass_time(30.0)
    assert batched.allow()
    assert single.allow()
    for count in trials:
        batched.record_successes([0.1] * count)
        for _ in range(count):
            single.record_success(0.1)
    assert repr(single) == repr(batched)
    assert f": {then} failed" in repr(batched)


def test_an_empty_batch_tells_nothing() -> None:
    clock = ManualClock()
    one = opened(clock)
    clock.pass_time(30.0)
    assert one.allow()
    one.record_successes([])
    assert not one.would_allow()


def test_good_calls_in_a_batch_keep_a_few_failures_from_opening_it() -> None:
    one = breaker(ManualClock())
    one.record_successes([0.1] * 96)
    for _ in range(4):
        one.record_failure("API.TIMEOUT")
    assert repr(one) == "<CircuitBreaker yahoo_finance/chart@host: closed, 4 of 100 failed>"


def test_a_million_good_calls_leave_no_more_than_a_window_of_seconds() -> None:
    clock = ManualClock()
    one = breaker(clock)
    tracemalloc.start()
    for _ in range(20_000):
        clock.pass_time(0.01)
        one.record_successes([0.1] * 50)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "closed, 0 of 30" in repr(one)  # 300 000, and up to a second's more
    assert held < 32_000  # bytes; 61 slices take about 10 000


@given(st.lists(st.sampled_from("+-tw"), max_size=60))
def test_is_closed_says_what_the_state_says(history: list[str]) -> None:
    clock = ManualClock()
    one = breaker(clock)
    for event in history:
        match event:
            case "w":
                clock.pass_time(11.0)
            case "t":
                one.allow()
            case "+":
                one.record_success(0.1)
            case _:
                one.record_failure("API.TIMEOUT")
        assert one.is_closed is (one.state is CLOSED)


@pytest.mark.parametrize(("before", "after"), [(CLOSED, CLOSED), (OPEN, OPEN), (HALF_OPEN, OPEN)])
def test_takes_up_what_it_was_before_a_restart(before: BreakerState, after: BreakerState) -> None:
    one = breaker(ManualClock())
    one.restore(BreakerMemory(state=before, openings=3, seconds_left=12.0, reason="API.TIMEOUT"))
    assert (one.state, one.openings, one.reason) == (after, 3, "API.TIMEOUT")
    assert one.is_closed is (after is CLOSED)
    assert one.retry_after() == (12.0 if after is OPEN else 0.0)


def test_a_restored_circuit_whose_time_has_passed_gives_a_trial() -> None:
    one = breaker(ManualClock())
    one.restore(BreakerMemory(state=OPEN, openings=1, seconds_left=-5.0))
    assert one.allow()
    assert one.state is HALF_OPEN


def test_says_how_it_is() -> None:
    clock = ManualClock()
    assert repr(opened(clock)) == (
        "<CircuitBreaker yahoo_finance/chart@host: open, 5 of 5 failed, probes in 30s>"
    )
    assert repr(breaker(clock)) == "<CircuitBreaker yahoo_finance/chart@host: closed, 0 of 0 failed>"
