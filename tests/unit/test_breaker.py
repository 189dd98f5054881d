"""The circuit breaker's life, as a table and in stories."""

import itertools
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import ManualClock

from autonomous_healing.resilience import BreakerMemory, BreakerSettings, BreakerState, CircuitBreaker, Force
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


FAST, SLOW = 0.2, 6.0


def timed(clock: ManualClock, settings: BreakerSettings = STEADY) -> CircuitBreaker:
    """One of which it is known what is slow."""
    one = breaker(clock, settings)
    one.slow_reason, one.slow_after = "API.TIMEOUT", 5.0
    return one


#: Times of calls, `f`ast, `s`low or `-` failed after ten seconds; what the breaker is then.
CRAWLS = [
    ("s" * 19, CLOSED),  # too few to tell
    ("s" * 20, OPEN),
    ("fs" * 10, OPEN),
    ("s" * 10 + "f" * 10, OPEN),
    ("f" * 11 + "s" * 9, CLOSED),
    ("s" * 9 + "f" * 200 + "s" * 9, CLOSED),  # only the last count
    ("f" * 200 + "s" * 9, CLOSED),
    ("f" * 200 + "s" * 10, OPEN),
    ("f" * 14 + "sss-ss-", CLOSED),
    ("f" * 12 + "ss-s-s-s-s", OPEN),  # a call that failed so late was slow
]


@pytest.mark.parametrize(("calls", "state"), CRAWLS)
def test_opens_when_half_of_the_last_calls_are_slow(calls: str, state: BreakerState) -> None:
    clock = ManualClock()
    one = timed(clock)
    for call in calls:
        match call:
            case "-":
                one.record_failure("API.SERVER_ERROR", seconds=10.0)
            case _:
                one.record_success(SLOW if call == "s" else FAST)
    assert one.state is state
    if state is OPEN and "-" not in calls:
        assert one.reason == "API.TIMEOUT"


def test_slow_calls_are_slow_in_a_batch_as_well() -> None:
    one = timed(ManualClock())
    one.record_successes([FAST] * 4000)
    one.record_successes([FAST, SLOW] * 2000)
    assert one.state is OPEN


@pytest.mark.parametrize(("batch", "state"), [("f" * 30 + "s" * 10, OPEN), ("s" * 30 + "f" * 11, CLOSED)])
def test_of_a_batch_the_last_calls_count(batch: str, state: BreakerState) -> None:
    one = timed(ManualClock())
    one.record_successes([SLOW if call == "s" else FAST for call in batch])
    assert one.state is state


def test_as_long_as_allowed_is_not_too_long() -> None:
    one = timed(ManualClock())
    one.record_successes([5.0] * 100)
    assert (one.state, one.slow_share()) == (CLOSED, 0.0)
    one.record_successes([5.0] * 19 + [5.1])
    assert one.slow_share() == 0.05


def test_without_a_word_on_what_is_usual_nothing_is_slow() -> None:
    one = breaker(ManualClock())
    one.record_successes([3600.0] * 100)
    assert one.state is CLOSED


def test_a_circuit_that_was_slow_begins_anew_when_it_closes() -> None:
    clock = ManualClock()
    one = timed(clock)
    one.record_successes([SLOW] * 20)
    closed_again(one, clock)
    one.record_successes([SLOW] * 19)
    assert one.state is CLOSED
    one.record_success(FAST)
    assert one.state is OPEN


@pytest.mark.parametrize(("stated", "wait"), [(12.0, 12.0), (500.0, 500.0), (90_000.0, 86_400.0), (0.0, 0.0)])
def test_a_stated_reset_is_believed_up_to_a_day(stated: float, wait: float) -> None:
    one = breaker(ManualClock())
    for _ in range(5):
        one.record_failure("API.RATE_LIMITED", reset_in=stated)
    assert one.retry_after() == wait


@pytest.mark.parametrize(("stated", "wait"), [(0.0, 60.0), (12.0, 60.0), (500.0, 500.0)])
def test_a_word_that_was_not_kept_is_believed_only_where_it_asks_for_more(stated: float, wait: float) -> None:
    clock = ManualClock()
    one = opened(clock)
    clock.pass_time(30.0)
    assert one.allow()
    one.record_failure("API.RATE_LIMITED", reset_in=stated)
    assert (one.retry_after(), one.openings) == (wait, 2)


def test_a_reset_that_is_told_while_it_is_open_already_counts() -> None:
    one = opened(ManualClock())
    one.record_failure("API.RATE_LIMITED", reset_in=300.0)
    assert (one.retry_after(), one.openings) == (300.0, 1)
    one.record_failure("API.RATE_LIMITED", reset_in=10.0)
    assert one.retry_after() == 300.0


@pytest.mark.parametrize(("calm", "openings"), [(299.0, 3), (300.0, 2), (899.0, 1), (900.0, 0), (9000.0, 0)])
def test_each_calm_period_makes_up_for_one_opening(calm: float, openings: int) -> None:
    clock = ManualClock()
    one = breaker(clock)
    one.restore(BreakerMemory(state=CLOSED, openings=3))
    clock.pass_time(calm)
    one.record_success(FAST)
    assert one.openings == openings


def test_calm_that_is_not_yet_long_enough_is_not_lost() -> None:
    clock = ManualClock()
    one = breaker(clock)
    one.restore(BreakerMemory(state=CLOSED, openings=3))
    for calm, openings in ((500.0, 2), (99.0, 2), (1.0, 1)):
        clock.pass_time(calm)
        one.record_success(FAST)
        assert one.openings == openings


def test_calm_counts_for_the_next_opening_even_without_any_call() -> None:
    clock = ManualClock()
    one = breaker(clock)
    one.restore(BreakerMemory(state=CLOSED, openings=3))
    clock.pass_time(600.0)
    for _ in range(5):
        one.record_failure("API.TIMEOUT")
    assert (one.openings, one.retry_after()) == (2, 60.0)


def test_a_good_probe_of_an_open_circuit_ends_the_waiting_and_counts_as_a_trial() -> None:
    clock = ManualClock()
    one = opened(clock)
    clock.pass_time(1.0)
    assert not one.allow()
    assert one.allow_early()
    one.record_success(FAST)
    assert (one.state, one.retry_after()) == (HALF_OPEN, 0.0)
    assert one.allow()
    one.record_success(FAST)
    assert one.state is CLOSED


def test_a_failed_probe_of_an_open_circuit_changes_nothing() -> None:
    clock = ManualClock()
    one = opened(clock)
    clock.pass_time(1.0)
    assert one.allow_early()
    one.record_failure("API.TIMEOUT")
    assert (one.state, one.openings, one.retry_after()) == (OPEN, 1, 29.0)
    assert one.allow_early()


def test_a_probe_is_the_one_trial_and_a_trial_keeps_the_probe_away() -> None:
    clock = ManualClock()
    one = opened(clock)
    assert (one.allow_early(), one.allow_early(), one.would_allow_early()) == (True, False, False)
    clock.pass_time(30.0)
    assert (one.allow(), one.would_allow()) == (False, False)
    one.release_trial()
    assert (one.allow(), one.allow_early()) == (True, False)


def test_a_probe_that_is_due_is_a_trial_like_any_other() -> None:
    clock = ManualClock()
    one = opened(clock)
    clock.pass_time(30.0)
    assert one.allow_early()
    one.record_failure("API.TIMEOUT")
    assert (one.state, one.openings) == (OPEN, 2)


def test_no_probe_is_made_before_a_stated_reset() -> None:
    clock = ManualClock()
    one = breaker(clock)
    for _ in range(5):
        one.record_failure("API.RATE_LIMITED", reset_in=500.0)
    clock.pass_time(499.0)
    assert not one.allow_early()
    clock.pass_time(1.0)
    assert one.allow_early()


def test_without_an_alternate_a_closed_circuit_takes_all_its_calls() -> None:
    clock = ManualClock()
    one = opened(clock)
    closed_again(one, clock)
    assert (one.share(), one.is_steady) == (1.0, True)


def test_with_an_alternate_it_starts_slowly() -> None:
    clock = ManualClock()
    one = opened(clock)
    one.has_alternate = True
    assert one.share() == 0.0
    closed_again(one, clock)
    shares = []
    for _ in range(7):
        shares.append(one.share())
        clock.pass_time(10.0)
    assert shares == pytest.approx([0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0])
    assert one.is_steady


def test_who_starts_slowly_may_be_called_and_is_not_steady() -> None:
    clock = ManualClock()
    one = opened(clock)
    one.has_alternate = True
    closed_again(one, clock)
    assert (one.is_closed, one.is_steady, one.allow()) == (True, False, True)
    clock.pass_time(59.0)
    assert (one.share() < 1.0, one.is_steady) == (True, False)


def test_what_is_held_may_be_called_but_not_without_asking() -> None:
    one = breaker(ManualClock())
    one.hold(held=True)
    assert (one.state, one.is_closed, one.is_steady, one.allow()) == (CLOSED, True, False, True)
    one.hold(held=False)
    assert one.is_steady


def test_what_is_held_stays_so_when_it_closes() -> None:
    clock = ManualClock()
    one = opened(clock)
    one.hold(held=True)
    closed_again(one, clock)
    assert (one.is_closed, one.is_steady) == (True, False)


@pytest.mark.parametrize("before", BreakerState)
def test_an_operator_s_open_circuit_lets_nothing_through_until_his_time_is_over(before: BreakerState) -> None:
    clock = ManualClock()
    one = CircuitBreaker(name="x", clock=clock, state=before, settings=STEADY)
    one.force(Force.OPEN, seconds=600.0, reason="their maintenance", by="ann")
    clock.pass_time(599.0)
    for _ in range(3):
        one.record_success(FAST)
    one.record_failure("API.RATE_LIMITED", reset_in=9000.0)
    assert (one.state, one.allow(), one.allow_early(), one.is_steady) == (OPEN, False, False, False)
    assert one.retry_after() == 1.0
    clock.pass_time(1.0)
    assert one.allow()
    assert (one.state, one.forced) == (HALF_OPEN, None)


@pytest.mark.parametrize("kind", [Force.CLOSED, Force.PINNED])
@pytest.mark.parametrize("before", BreakerState)
def test_an_operator_s_closed_circuit_stays_so_whatever_fails(before: BreakerState, kind: Force) -> None:
    clock = ManualClock()
    one = CircuitBreaker(name="x", clock=clock, state=before, settings=STEADY)
    one.force(kind, seconds=600.0, reason="they say it works", by="ann")
    one.slow_after = 5.0
    for _ in range(50):
        one.record_failure("API.TIMEOUT", seconds=10.0)
    one.record_successes([SLOW] * 50)
    assert (one.state, one.is_steady, one.allow()) == (CLOSED, True, True)
    assert one.is_pinned() is (kind is Force.PINNED)
    clock.pass_time(600.0)
    assert (one.is_pinned(), one.is_closed) == (False, True)
    for _ in range(5):
        one.record_failure("API.TIMEOUT")
    assert one.state is OPEN


def test_an_operator_may_take_his_word_back() -> None:
    one = breaker(ManualClock())
    one.force(Force.OPEN, seconds=600.0, reason="", by="ann")
    one.unforce()
    assert (one.is_forced(), one.allow(), one.state) == (False, True, HALF_OPEN)


def test_what_was_no_fault_of_its_own_is_undone() -> None:
    clock = ManualClock()
    one = breaker(clock)
    for _ in range(3):
        one.record_failure("API.UNREACHABLE")
    clock.pass_time(10.0)
    one.excuse(clock.monotonic() - 10.0)
    for _ in range(4):
        one.record_failure("API.UNREACHABLE")
    assert one.state is CLOSED
    one.record_failure("API.UNREACHABLE")
    one.excuse(clock.monotonic())
    assert (one.state, one.openings, one.is_steady) == (CLOSED, 0, True)


def test_what_was_its_fault_before_is_not_undone() -> None:
    clock = ManualClock()
    one = opened(clock)
    clock.pass_time(10.0)
    one.record_failure("API.UNREACHABLE")
    one.excuse(clock.monotonic() - 5.0)
    assert (one.state, one.openings) == (OPEN, 1)


def test_tells_of_each_change_of_state_once() -> None:
    clock = ManualClock()
    heard: list[BreakerState] = []
    one = breaker(clock)
    one.moved = lambda moved: heard.append(moved.state)
    for _ in range(9):
        one.record_failure("API.TIMEOUT")
    clock.pass_time(30.0)
    for _ in range(2):
        assert one.allow()
        one.record_success(FAST)
    one.record_successes([FAST] * 100)
    assert heard == [OPEN, HALF_OPEN, CLOSED]


@given(
    left=st.floats(allow_nan=False),
    reset=st.floats(allow_nan=False),
    steady=st.floats(allow_nan=False),
    state=st.sampled_from(BreakerState),
)
def test_no_memory_keeps_it_closed_to_calls_for_longer_than_may_be(
    left: float, reset: float, steady: float, state: BreakerState
) -> None:
    clock = ManualClock()
    one = CircuitBreaker(name="x", clock=clock, settings=BreakerSettings(), has_alternate=True)
    one.restore(BreakerMemory(state=state, openings=1, seconds_left=left, reset_left=reset, steady_in=steady))
    assert 0.0 <= one.retry_after() <= max(330.0, min(86_400.0, reset))
    assert one.share() in (0.0, 1.0) or 0.1 <= one.share() < 1.0
