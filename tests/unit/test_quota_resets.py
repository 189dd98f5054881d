"""A fixed window begins anew at its reset: not sooner, whatever happens to the clock, and hardly later."""

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.clock import WallClock

from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quota import QuotaLedger, QuotaSpent
from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings
from autonomous_healing.endpoint_healing.quotas.periods import period_at
from autonomous_healing.endpoint_healing.quotas.steady_time import SteadyTime

HOUR, DAY = 3600.0, 86_400.0

A_DAY = QuotaWindowSettings(window="day", limit=25, kind="fixed", zone="America/New_York")
A_MONTH = QuotaWindowSettings(window="month", limit=25, kind="fixed", reset="31 00:00")
A_MINUTE = QuotaWindowSettings(window="minute", limit=5, kind="fixed")


@dataclass
class Demand:
    """Asks as much as it is let, and remembers when it was."""

    clock: WallClock
    window: QuotaWindowSettings
    ledger: QuotaLedger = field(init=False)
    made_at: list[float] = field(default_factory=list)  #: Unix seconds, by the truth

    def __post_init__(self) -> None:
        self.ledger = QuotaLedger("x", [self.window], self.clock)

    def ask(self, calls: int = 100, purpose: Purpose = Purpose.RETRY) -> int:
        """How many calls may be made now."""
        before = len(self.made_at)
        for _ in range(calls):
            try:
                self.ledger.charge(purpose=purpose)
            except QuotaSpent:
                break
            self.made_at.append(self.clock.truth)
        return len(self.made_at) - before

    def wait(self) -> float:
        """What is said when there is no room."""
        with pytest.raises(QuotaSpent) as spent:
            self.ledger.charge(purpose=Purpose.RETRY)
        return spent.value.retry_after

    def most_in_a_period(self) -> int:
        """Calls in that period of the source, which never errs, that has most of them."""
        periods = [period_at(self.window, at).start for at in self.made_at]
        return max((periods.count(one) for one in set(periods)), default=0)


def test_all_is_left_again_at_the_reset_and_not_a_moment_before() -> None:
    demand = Demand(WallClock(), A_DAY)
    assert demand.ask() == 25
    assert demand.wait() == 14 * HOUR
    demand.clock.to("2026-03-03T04:59:59")
    assert (demand.ask(), demand.wait()) == (0, 1.0)
    demand.clock.to("2026-03-03T05:00")
    assert demand.ask() == 25


def test_calls_long_after_a_reset_count_in_the_window_that_it_began() -> None:
    demand = Demand(WallClock(), A_DAY)
    demand.ask(10)
    demand.clock.to("2026-03-04T20:00")
    assert (demand.ask(), demand.wait()) == (25, 9 * HOUR)
    demand.clock.to("2026-03-05T05:00")
    assert demand.ask() == 25


@pytest.mark.parametrize(
    ("start", "resets"),
    [
        ("2026-03-07T12:00", ("2026-03-08T05:00", "2026-03-09T04:00", "2026-03-10T04:00")),
        ("2026-10-31T12:00", ("2026-11-01T04:00", "2026-11-02T05:00", "2026-11-03T05:00")),
    ],
)
def test_a_day_ends_at_midnight_in_new_york_when_clocks_change(start: str, resets: tuple[str, ...]) -> None:
    demand = Demand(WallClock(start), A_DAY)
    demand.ask()
    for reset in resets:
        demand.clock.to(reset)
        demand.clock.pass_time(-1.0)
        assert (demand.ask(), demand.wait()) == (0, 1.0)
        demand.clock.pass_time(1.0)
        assert demand.ask() == 25


def test_months_end_on_their_last_day_where_they_have_no_thirty_first() -> None:
    demand = Demand(WallClock("2028-01-10T00:00"), A_MONTH)
    demand.ask()
    for reset in ("2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30", "2028-05-31"):
        demand.clock.to(f"{reset}T00:00")
        demand.clock.pass_time(-1.0)
        assert demand.ask() == 0
        demand.clock.pass_time(1.0)
        assert demand.ask() == 25


@pytest.mark.parametrize("forward", [HOUR, 600.0])
def test_a_clock_that_is_set_forward_for_good_brings_no_calls(forward: float) -> None:
    demand = Demand(WallClock("2026-03-03T04:00"), A_DAY)
    demand.ask()
    demand.clock.set_wall(forward)
    demand.clock.to("2026-03-03T04:59:59")
    assert demand.ask() == 0
    demand.clock.to("2026-03-03T05:00")
    assert demand.ask() == 25
    demand.clock.to("2026-03-04T04:59:59")
    assert demand.ask() == 0
    assert demand.most_in_a_period() == 25


def test_a_clock_that_is_set_back_locks_for_no_longer_than_that() -> None:
    demand = Demand(WallClock("2026-03-03T04:00"), A_DAY)
    demand.ask()
    demand.clock.set_wall(-HOUR)
    demand.clock.to("2026-03-03T05:59:59")
    assert demand.ask() == 0
    demand.clock.to("2026-03-03T06:00")
    assert demand.ask() == 25


def test_what_was_lent_beyond_a_reset_counts_after_it_and_may_be_given_back() -> None:
    demand = Demand(WallClock("2026-03-03T04:59:59.500"), A_DAY)
    now, until = demand.clock.monotonic(), demand.clock.monotonic() + 1.0
    demand.ledger.charge_block("", 3, now + 0.25)
    demand.ledger.charge_block("", 4, until)
    demand.clock.pass_time(0.75)
    assert [one.used for one in demand.ledger.readings()] == [4]
    demand.ledger.give_back("", 2, now + 0.25)  # of the day before
    demand.ledger.give_back("", 1, until)
    assert [one.used for one in demand.ledger.readings()] == [3]
    assert demand.ask() == 22


def test_a_minute_that_is_set_back_by_an_hour_lasts_no_hour() -> None:
    demand = Demand(WallClock("2026-03-03T04:00:10"), A_MINUTE)
    assert demand.ask() == 5
    demand.clock.set_wall(-HOUR)
    demand.clock.pass_time(59.0)
    assert demand.ask() == 0
    demand.clock.pass_time(1.0)
    assert demand.ask() == 5


def test_a_clock_that_was_late_at_first_makes_resets_late_by_no_more() -> None:
    demand = Demand(WallClock("2026-03-03T04:30"), A_DAY)
    demand.clock.set_wall(-HOUR)
    demand.ledger = QuotaLedger("x", [A_DAY], demand.clock)
    demand.ask()
    demand.clock.set_wall(0.0)
    demand.clock.to("2026-03-03T05:59:59")
    assert demand.ask() == 0
    demand.clock.to("2026-03-03T06:00")
    assert demand.ask() == 25


def test_what_was_asked_while_the_clock_was_late_counts_after_the_reset_too() -> None:
    demand = Demand(WallClock("2026-03-03T04:00"), A_DAY)
    demand.ask(5)
    demand.clock.set_wall(-HOUR)
    demand.clock.to("2026-03-03T05:30")  # the source has begun anew
    assert demand.ask(4) == 4
    demand.clock.set_wall(0.0)
    assert demand.ask() == 21
    assert demand.most_in_a_period() == 25


def test_a_machine_that_slept_waits_an_hour_at_most() -> None:
    demand = Demand(WallClock("2026-03-03T04:00"), A_DAY)
    demand.ask()
    demand.clock.set_wall(10 * HOUR)  # its monotonic clock has stood still
    demand.ledger.look()
    assert demand.ask() == 25
    assert demand.wait() == pytest.approx(16 * HOUR)


@pytest.mark.parametrize(
    ("steps", "reads"),
    [
        (((0.0, 10.0),), 10.0),
        (((3600.0, 10.0),), 10.0),
        (((-3600.0, 10.0),), -3590.0),
        (((0.5, 10.0),), 10.5),
        (((7200.0, 10.0),), 3610.0),
        (((3600.0, 0.0), (3600.0, 1e6)), 1e6),
        (((7200.0, 0.0), (0.0, 10.0)), 10.0),
        (((-3600.0, 1e6), (0.0, 0.0)), 1e6),
    ],
)
def test_steady_time_follows_a_clock_back_but_not_forward(
    steps: tuple[tuple[float, float], ...], reads: float
) -> None:
    clock = WallClock()
    began, steady = clock.truth, SteadyTime(clock)
    for off, passed in steps:
        clock.set_wall(off)
        clock.pass_time(passed)
        now = steady.now()
    assert now - began == pytest.approx(reads)


#: What may happen next: seconds that pass, how far the clock is off then, and how many calls are wanted.
Events = st.lists(
    st.tuples(st.floats(0.0, 12 * HOUR), st.sampled_from((0.0, 0.0, HOUR, -HOUR)), st.integers(0, 30)),
    max_size=40,
)


@given(Events, st.sampled_from((A_DAY, A_MONTH, A_MINUTE)))
@example([(0.0, -HOUR, 1), (1.0, 0.0, 5)], A_MINUTE)
def test_no_jumps_bring_more_than_the_limit(
    events: list[tuple[float, float, int]], window: QuotaWindowSettings
) -> None:
    demand = Demand(WallClock("2026-03-06T15:00"), window)
    for pause, off, calls in events:
        demand.clock.pass_time(pause * window.seconds / DAY)
        demand.clock.set_wall(off)
        demand.ask(calls)
    assert demand.most_in_a_period() <= window.limit


@given(Events)
def test_no_jumps_lock_for_longer_than_an_hour(events: list[tuple[float, float, int]]) -> None:
    demand = Demand(WallClock("2026-03-06T15:00"), A_DAY)
    for pause, off, calls in events:
        demand.clock.set_wall(off)
        demand.ledger.look()
        demand.clock.pass_time(pause)
        demand.ask(calls)
    demand.ask()
    left = period_at(A_DAY, demand.clock.truth).end - demand.clock.truth
    demand.clock.pass_time(left + HOUR + 1.0)
    assert demand.ask() > 0
