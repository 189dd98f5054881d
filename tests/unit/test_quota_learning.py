"""What throttles and answers teach of limits that are wrong, shared, or nowhere documented."""

from collections.abc import Mapping, Sequence

import pytest
from tests.clock import ManualClock, WallClock

from autonomous_healing.endpoint_healing.codes import CLIENT_BLOCKED, QUOTA_EXHAUSTED, RATE_LIMITED
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quota import LEARNED_SECONDS, MOST_LEARNED, QuotaLedger, QuotaSpent
from autonomous_healing.endpoint_healing.quotas.belief import Belief
from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings
from autonomous_healing.endpoint_healing.quotas.readings import QuotaReading

MINUTE = QuotaWindowSettings(window="minute", limit=100)
DAY = QuotaWindowSettings(window="day", limit=800)
FIXED_DAY = QuotaWindowSettings(window="day", limit=25, kind="fixed", zone="America/New_York")


class Source:
    """One that is asked with one key."""

    def __init__(self, *windows: QuotaWindowSettings, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.ledger = QuotaLedger("x", windows, self.clock)

    def ask(self, calls: int = 10_000, purpose: Purpose = Purpose.RETRY, host: str = "") -> int:
        """How many of them may be made."""
        for n in range(calls):
            try:
                self.ledger.charge("", 1, purpose, host)
            except QuotaSpent as spent:
                self.refusal = f"{spent.code} {spent.retry_after:.0f}s"
                return n
        return calls

    def says(self, **headers: str) -> None:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        self.ledger.learn("", names, self.clock.now())

    def reading(self, window: str) -> QuotaReading:
        [found] = [one for one in self.ledger.readings() if one.window == window]
        return found

    def limits(self) -> dict[str, int | None]:
        return {one.window: one.limit for one in self.ledger.readings()}


@pytest.mark.parametrize(
    ("declared", "used", "limit"),
    [
        (100, 100, 95),
        (100, 60, 57),
        (100, 50, 47),
        (100, 49, 100),
        (100, 1, 100),
        (5, 5, 4),
        (2, 1, 1),
        (1, 1, 1),
    ],
)
def test_after_a_throttle_a_limit_is_what_met_it_less_a_twentieth(
    declared: int, used: int, limit: int
) -> None:
    belief = Belief(declared)
    belief.throttled(used, 0.0, 60.0)
    assert belief.limit == limit


@pytest.mark.parametrize(
    ("counts", "limit"),
    [
        ((40, 41, 39), 37),
        ((40, 41), 100),
        ((9, 9, 9, 9), 100),  # too few calls to be a limit
        ((10, 20, 40), 100),  # at any count: not a limit
        ((10, 40, 40, 41), 38),
        ((40, 40, 15, 40, 40, 40), 38),
    ],
)
def test_throttles_far_below_the_limit_teach_when_they_come_at_the_same_count(
    counts: Sequence[int], limit: int
) -> None:
    belief = Belief(100)
    for n, used in enumerate(counts):
        belief.throttled(used, 60.0 * n, 60.0)
    assert belief.limit == limit


def test_a_crowd_that_is_throttled_together_teaches_once() -> None:
    belief = Belief(100)
    for n in range(50):
        belief.throttled(40, n / 100, 60.0)
    assert belief.limit == 100


@pytest.mark.parametrize(
    ("estimated", "windows", "limit"),
    [
        (50.0, 1, 52),
        (50.0, 2, 55),
        (50.0, 14, 98),
        (50.0, 15, 100),
        (50.0, 10**9, 100),
        (1.0, 14, 1),
        (1.0, 15, 2),
    ],
)
def test_each_clean_window_makes_it_larger_by_a_twentieth(estimated: float, windows: int, limit: int) -> None:
    belief = Belief(100)
    belief.estimated = estimated
    belief.clean(windows)
    assert belief.limit == limit


def test_a_limit_recovers_window_by_window_and_stays_what_it_was_declared() -> None:
    source = Source(MINUTE)
    source.ask(60)
    source.ledger.throttled("", RATE_LIMITED, None)
    assert source.ask() == 0
    seen = []
    for _ in range(14):
        source.clock.pass_time(60.0)
        seen.append(source.limits()["minute"])
    assert seen == [59, 62, 65, 69, 72, 76, 80, 84, 88, 92, 97, 100, 100, 100]
    assert source.reading("minute").estimated is None


def test_a_limit_recovers_however_often_it_is_looked_at() -> None:
    source = Source(MINUTE)
    source.ask(80)
    source.ledger.throttled("", RATE_LIMITED, None)
    for _ in range(60):
        source.clock.pass_time(1.0)
        source.ledger.look()
    assert source.limits() == {"minute": 79}  # 1.05 * 76


def test_a_fixed_window_grows_at_its_resets_but_not_after_one_that_was_throttled() -> None:
    source = Source(FIXED_DAY, clock=WallClock("2026-03-02T15:00"))
    source.ask(20)
    source.ledger.throttled("", QUOTA_EXHAUSTED, None)
    limits = [source.limits()["day"]]
    for _ in range(4):
        source.clock.pass_time(86_400.0)
        limits.append(source.limits()["day"])
    assert limits == [19, 19, 19, 20, 21]  # 19.0, 19.0, 19.95, 20.9, 21.9


@pytest.mark.parametrize(
    ("code", "retry_after", "window"),
    [
        (RATE_LIMITED, None, "minute"),
        (QUOTA_EXHAUSTED, None, "day"),
        (RATE_LIMITED, 30.0, "minute"),
        (RATE_LIMITED, 62.0, "minute"),
        (RATE_LIMITED, 7200.0, "day"),
        (QUOTA_EXHAUSTED, 30.0, "day"),
    ],
)
def test_a_throttle_tells_of_the_window_that_it_fits(
    code: str, retry_after: float | None, window: str
) -> None:
    source = Source(MINUTE, DAY)
    source.ask(90)
    for _ in range(5):  # so that the day is nearly used up, too
        source.clock.pass_time(61.0)
        source.ask(90)
    source.ledger.throttled("", code, retry_after)
    assert [one.window for one in source.ledger.readings() if one.estimated is not None] == [window]


def test_a_spent_window_is_left_alone_until_its_stated_reset() -> None:
    source = Source(MINUTE)
    source.ask(3)
    source.ledger.throttled("", RATE_LIMITED, 45.0)
    assert [source.ask(1, purpose) for purpose in Purpose] == [0] * len(Purpose)
    assert source.refusal == f"{RATE_LIMITED} 45s"
    assert source.reading("minute").remaining == 0
    source.clock.pass_time(44.9)
    assert source.ask(1, Purpose.PROBE) == 0
    source.clock.pass_time(0.1)
    assert source.ask(1, Purpose.PROBE) == 1


def test_the_longest_stated_wait_holds() -> None:
    source = Source(MINUTE)
    for wait in (10.0, 45.0, 20.0):
        source.ledger.throttled("", RATE_LIMITED, wait)
    source.clock.pass_time(44.0)
    assert source.ask(1) == 0


def test_a_host_that_rests_does_not_keep_others_from_being_asked() -> None:
    source = Source(MINUTE)
    source.ledger.throttled("", RATE_LIMITED, 45.0, "https://one")
    assert (source.ask(1, host="https://one"), source.ask(1, host="https://two")) == (0, 1)
    assert (source.ledger.rests("https://one"), source.ledger.rests("https://two")) == (True, False)
    source.clock.pass_time(45.0)
    assert not source.ledger.rests("https://one")
    assert source.ask(1, host="https://one") == 1


def test_who_is_refused_for_his_address_learns_no_limit() -> None:
    source = Source(MINUTE)
    source.ask(80)
    source.ledger.throttled("", CLIENT_BLOCKED, 30.0)
    assert (source.limits(), source.ask(1)) == ({"minute": 100}, 0)
    assert source.refusal == f"{CLIENT_BLOCKED} 30s"


def test_where_nothing_is_declared_a_limit_is_learned_from_throttles_at_the_same_count() -> None:
    source = Source()
    assert source.ask(500) == 500
    source.ledger.throttled("", RATE_LIMITED, None)
    for calls in (60, 62, 61):
        source.clock.pass_time(61.0)
        assert source.ask(calls) == calls
        source.ledger.throttled("", RATE_LIMITED, None)
    assert source.limits() == {"minute": 57}
    source.clock.pass_time(60.0)
    assert source.ask() == 59  # 5 % more after a clean minute


def test_where_nothing_is_declared_one_bad_moment_teaches_nothing() -> None:
    source = Source()
    for _ in range(20):
        source.ask(1)
        source.ledger.throttled("", RATE_LIMITED, None)
    assert source.limits() == {"minute": None}
    assert source.ask(500) == 500


@pytest.mark.parametrize(
    ("wait", "window"),
    [(1.0, "second"), (30.0, "minute"), (60.5, "minute"), (600.0, "hour"), (7200.0, "day")],
)
def test_a_wait_tells_how_long_an_undeclared_window_is(wait: float, window: str) -> None:
    source = Source()
    source.ledger.throttled("", RATE_LIMITED, wait)
    assert [one.window for one in source.ledger.readings()] == [window]
    assert source.ask(1) == 0
    source.clock.pass_time(wait)
    assert source.ask(1) == 1


def test_what_was_learned_is_forgotten_when_nothing_is_heard_of_it_for_a_day() -> None:
    source = Source(MINUTE)
    source.says(x_ratelimit_limit_hour="10", x_ratelimit_remaining_hour="9")
    source.clock.pass_time(LEARNED_SECONDS - 1.0)
    source.says(x_ratelimit_limit_hour="10", x_ratelimit_remaining_hour="9")
    source.clock.pass_time(LEARNED_SECONDS - 1.0)
    source.ledger.look()
    assert set(source.limits()) == {"minute", "hour"}
    source.clock.pass_time(1.0)
    source.ledger.look()
    assert source.limits() == {"minute": 100}


def test_a_throttle_keeps_what_was_learned_too() -> None:
    source = Source()
    for _ in range(2):
        source.ledger.throttled("", RATE_LIMITED, 10.0)
        source.clock.pass_time(LEARNED_SECONDS - 1.0)
    source.ledger.look()
    assert set(source.limits()) == {"minute"}


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ({"x_ratelimit_limit": "100", "x_ratelimit_remaining": "40"}, 40),
        ({"x_ratelimit_limit": "100", "x_ratelimit_remaining": "95"}, 90),  # never more than we counted
        ({"x_ratelimit_limit": "100", "x_ratelimit_remaining": "0"}, 0),
        ({"x_ratelimit_limit": "100", "x_ratelimit_remaining": "500"}, 90),
        ({"x_ratelimit_limit_minute": "50", "x_ratelimit_remaining_minute": "45"}, 40),
        ({"x_ratelimit_limit_minute": "5000", "x_ratelimit_remaining_minute": "4500"}, 90),
        ({"x_ratelimit_limit": "5000", "x_ratelimit_remaining": "3"}, 90),  # of which window, nobody says
        ({"x_ratelimit_remaining": "3"}, 90),
        ({"x_ratelimit_remaining": "3", "x_ratelimit_reset": "40"}, 3),
        ({"x_ratelimit_remaining": "3", "x_ratelimit_reset": "4000"}, 90),
        ({"x_ratelimit_limit_hour": "30", "x_ratelimit_remaining_hour": "12"}, 12),
        ({"ratelimit_policy": '"a";q=100;w=60', "ratelimit": '"a";r=7;t=20'}, 7),
        ({"ratelimit_policy": '"a";q=8;w=10', "ratelimit": '"a";r=7;t=3'}, 7),
        ({"api_credits_used": "4", "api_credits_left": "4"}, 0),
        ({"x_ratelimit_limit": "-1", "x_ratelimit_remaining": "NaN", "x_ratelimit_reset": "1e9"}, 90),
        ({"x_ratelimit_limit": "１００", "x_ratelimit_remaining": "٣"}, 90),
    ],
)
def test_an_answer_can_only_lower_what_is_left(headers: Mapping[str, str], left: int) -> None:
    source = Source(MINUTE)
    source.ask(10)
    source.says(**headers)
    assert source.ask() == left


def test_calls_of_others_count_until_the_stated_reset_and_ours_for_as_long_as_ever() -> None:
    source = Source(MINUTE)
    source.ask(10)
    source.says(x_ratelimit_limit="100", x_ratelimit_remaining="40", x_ratelimit_reset="20")
    assert source.reading("minute").used == 60
    source.clock.pass_time(20.0)
    assert source.reading("minute").used == 10
    source.clock.pass_time(40.0)
    assert source.reading("minute").used == 0


def test_who_waits_for_calls_of_others_waits_until_the_stated_reset() -> None:
    source = Source(MINUTE)
    source.ask(2)
    source.says(x_ratelimit_limit="100", x_ratelimit_remaining="0", x_ratelimit_reset="30")
    source.clock.pass_time(10.0)
    assert source.ask(1) == 0
    assert source.refusal == f"{RATE_LIMITED} 20s"


def test_an_answer_that_repeats_a_limit_does_not_make_a_throttle_forgotten() -> None:
    source = Source(MINUTE)
    source.ask(60)
    source.ledger.throttled("", RATE_LIMITED, None)
    source.says(x_ratelimit_limit="100")
    assert source.limits() == {"minute": 57}


def test_a_reset_that_is_far_beyond_a_window_is_one_of_another() -> None:
    source = Source(MINUTE)
    source.says(x_ratelimit_limit="100", x_ratelimit_remaining="7", x_ratelimit_reset="7200")
    assert source.limits() == {"minute": 100, "day": 100}
    assert source.reading("minute").used == 0


def test_a_later_answer_may_say_that_others_used_less() -> None:
    source = Source(MINUTE)
    source.says(x_ratelimit_limit="100", x_ratelimit_remaining="40")
    source.says(x_ratelimit_limit="100", x_ratelimit_remaining="90")
    assert source.ask() == 90


def test_a_window_that_nobody_declared_is_known_from_its_header_and_follows_it() -> None:
    source = Source()
    source.says(x_ratelimit_limit="60", x_ratelimit_remaining="59", x_ratelimit_reset="55")
    assert source.limits() == {"minute": 60}
    source.says(x_ratelimit_limit_minute="300", x_ratelimit_remaining_minute="299")
    assert source.limits() == {"minute": 300}
    assert source.ask() == 299


def test_no_answer_fills_the_memory_with_windows() -> None:
    source = Source()
    for seconds in range(2, 200):
        source.says(ratelimit_policy=f'"a";q=5;w={seconds}', ratelimit='"a";r=5')
    assert len(source.ledger.readings()) == MOST_LEARNED


def test_a_reset_that_the_source_states_later_than_ours_holds() -> None:
    clock = WallClock("2026-03-02T23:00")  # 18:00 in New York
    source = Source(FIXED_DAY, clock=clock)
    source.ask(25)
    source.says(x_ratelimit_limit="25", x_ratelimit_remaining="0", x_ratelimit_reset=str(8 * 3600))
    clock.to("2026-03-03T05:00")  # our reset
    assert source.ask(1) == 0
    clock.to("2026-03-03T07:00")  # theirs
    assert source.ask() == 25


def test_each_key_learns_by_itself() -> None:
    source = Source(MINUTE)
    source.ledger.charge("a")
    source.ledger.learn("a", {"x-ratelimit-limit": "100", "x-ratelimit-remaining": "5"}, source.clock.now())
    source.ledger.throttled("b", RATE_LIMITED, 10.0)
    assert {one.key_alias: one.remaining for one in source.ledger.readings()} == {"a": 5, "b": 0}
    assert (source.ledger.remaining_share("a"), source.ledger.remaining_share("b")) == (0.05, 0.0)


@pytest.mark.parametrize(
    ("windows", "left"),
    [
        ((), None),
        ((MINUTE,), None),
        ((MINUTE, DAY), None),  # of a sliding one nobody knows
        ((MINUTE, FIXED_DAY), 14 * 3600.0),
        ((FIXED_DAY, QuotaWindowSettings(window="month", limit=9, kind="fixed")), 29 * 86_400.0 + 9 * 3600.0),
    ],
)
def test_the_end_of_the_longest_quota_is_told_to_keys(
    windows: Sequence[QuotaWindowSettings], left: float | None
) -> None:
    source = Source(*windows, clock=WallClock("2026-03-02T15:00"))
    assert source.ledger.period_left("") == left
