"""What a source lets us ask in a window of time, and who may use how much of it."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from tests.clock import ManualClock, WallClock

from autonomous_healing.endpoint_healing.codes import QUOTA_EXHAUSTED, RATE_LIMITED
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quota import QuotaLedger, QuotaSpent, Weight
from autonomous_healing.endpoint_healing.quotas.options import QuotaSettings, QuotaWindowSettings
from autonomous_healing.endpoint_healing.quotas.shares import Shares, share_of
from autonomous_healing.endpoint_healing.quotas.tally import MOST_SLICES

SECOND = QuotaWindowSettings(window="second", limit=1)
MINUTE = QuotaWindowSettings(window="minute", limit=5)
DAY = QuotaWindowSettings(window="day", limit=25)
YAHOO = QuotaWindowSettings(window="minute", limit=2000)

RETRY, PROBE, BATCH, FALLBACK = Purpose.RETRY, Purpose.PROBE, Purpose.BATCH, Purpose.FALLBACK


def charge(
    ledger: QuotaLedger,
    purpose: Purpose = Purpose.FIRST,
    *,
    key: str = "",
    weight: Weight = 1,
    host: str = "",
) -> str:
    """Empty where the call may be made; else the code and the wait."""
    try:
        ledger.charge(key, weight, purpose, host)
    except QuotaSpent as spent:
        return f"{spent.code} {spent.retry_after:.0f}s"
    return ""


def made(ledger: QuotaLedger, purpose: Purpose = Purpose.FIRST, *, key: str = "", of: int = 10_000) -> int:
    """How many calls in a row may be made now."""
    return next((n for n in range(of) if charge(ledger, purpose, key=key)), of)


def used(ledger: QuotaLedger) -> list[int]:
    return [one.used for one in ledger.readings()]


def ledger_of(clock: ManualClock, *windows: QuotaWindowSettings) -> QuotaLedger:
    return QuotaLedger("alpha_vantage", windows, clock)


def test_lets_as_many_through_as_the_window_holds() -> None:
    clock = ManualClock()
    ledger = ledger_of(clock, MINUTE)
    for _ in range(5):
        assert charge(ledger) == ""
        clock.pass_time(1.0)
    assert charge(ledger) == f"{RATE_LIMITED} 55s"
    clock.pass_time(55.0)
    assert charge(ledger) == ""
    assert charge(ledger) == f"{RATE_LIMITED} 1s"


def test_a_long_window_is_a_quota_and_a_short_one_a_pace() -> None:
    clock = ManualClock()
    ledger = ledger_of(clock, SECOND, DAY)
    assert charge(ledger, RETRY) == ""
    assert charge(ledger, RETRY) == f"{RATE_LIMITED} 1s"
    for _ in range(24):
        clock.pass_time(1.0)
        assert charge(ledger, RETRY) == ""
    clock.pass_time(1.0)
    assert charge(ledger, RETRY) == f"{QUOTA_EXHAUSTED} 86375s"


def test_all_windows_are_charged_or_none() -> None:
    ledger = ledger_of(ManualClock(), MINUTE, DAY)
    for _ in range(30):
        charge(ledger)
    assert used(ledger) == [5, 5]


def test_each_key_has_windows_of_its_own() -> None:
    ledger = ledger_of(ManualClock(), MINUTE)
    assert [made(ledger, key="a"), made(ledger, key="b"), made(ledger, key="a")] == [5, 5, 0]


def test_without_windows_nothing_is_limited() -> None:
    ledger = ledger_of(ManualClock())
    assert made(ledger, of=100) == 100
    assert (ledger.readings(), ledger.left(), ledger.remaining_share("")) == ([], None, 1.0)


def test_says_which_limit_was_reached() -> None:
    ledger = ledger_of(ManualClock(), SECOND)
    ledger.charge()
    with pytest.raises(QuotaSpent, match=r"^own limit of 1 calls in a second to alpha_vantage is reached$"):
        ledger.charge()


#: limit: first attempts, those who can wait, background, probes.
SHARES = {
    1: (1, 1, 1, 1),
    2: (2, 2, 2, 1),
    3: (3, 3, 3, 1),
    4: (4, 4, 4, 1),
    5: (5, 5, 4, 1),
    8: (8, 8, 7, 1),
    10: (10, 9, 8, 1),
    19: (19, 18, 16, 1),
    20: (19, 18, 16, 1),
    25: (24, 23, 20, 1),
    40: (38, 36, 32, 2),
    100: (95, 90, 80, 5),
    140: (133, 126, 112, 7),
    1500: (1425, 1350, 1200, 75),
    2000: (1900, 1800, 1600, 100),
}


@pytest.mark.parametrize("limit", SHARES)
def test_each_purpose_stops_at_its_share_and_healing_uses_the_rest(limit: int) -> None:
    window = QuotaWindowSettings(window="day", limit=limit)

    def most(purpose: Purpose) -> int:
        return made(ledger_of(ManualClock(), window), purpose)

    background = {most(one) for one in (Purpose.PREFETCH, Purpose.SHADOW, Purpose.DRILL)}
    assert (most(Purpose.FIRST), most(BATCH), *background, most(PROBE)) == SHARES[limit]
    assert {most(one) for one in (RETRY, Purpose.HEDGE)} == {limit}


def test_the_page_on_quotas_shows_the_same() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "howto" / "live_with_quotas.md").read_text()
    rows = [
        [int(cell) for cell in row.split("|")]
        for row in re.findall(r"^\| ((?:\d+ \| ){5}\d+) \|$", page, re.M)
    ]
    assert rows == [[limit, *shares, limit] for limit, shares in SHARES.items()]


@pytest.mark.parametrize("purpose", Purpose)
def test_a_share_counts_the_calls_of_all(purpose: Purpose) -> None:
    ledger = ledger_of(ManualClock(), DAY)
    assert made(ledger, RETRY) == 25
    assert charge(ledger, purpose) == f"{QUOTA_EXHAUSTED} 86400s"


def test_probes_leave_the_rest_of_their_share_to_nobody() -> None:
    clock = ManualClock()
    ledger = ledger_of(clock, QuotaWindowSettings(window="minute", limit=100))
    assert [charge(ledger, PROBE) for _ in range(6)] == [""] * 5 + [f"{RATE_LIMITED} 60s"]
    assert made(ledger) == 90
    clock.pass_time(60.0)
    assert made(ledger, PROBE) == 5


def test_a_probe_is_told_when_there_is_room_for_it() -> None:
    clock = ManualClock()
    ledger = ledger_of(clock, QuotaWindowSettings(window="minute", limit=10))
    for _ in range(9):
        charge(ledger)
        clock.pass_time(1.0)
    assert charge(ledger, PROBE) == f"{RATE_LIMITED} 52s"
    clock.pass_time(52.0)
    assert charge(ledger, PROBE) == ""


def test_calls_in_place_of_others_use_half_of_what_is_left() -> None:
    ledger = ledger_of(ManualClock(), DAY)
    made(ledger, of=5)
    assert made(ledger, FALLBACK) == 10
    assert made(ledger, of=4) == 4
    assert charge(ledger, FALLBACK) != ""


@pytest.mark.parametrize(("limit", "calls"), [(1, 1), (2, 1), (3, 2), (5, 3), (25, 13)])
def test_half_of_little_is_not_nothing(limit: int, calls: int) -> None:
    ledger = ledger_of(ManualClock(), QuotaWindowSettings(window="day", limit=limit))
    assert made(ledger, FALLBACK) == calls


@pytest.mark.parametrize("hundredths", range(101))
@pytest.mark.parametrize("hundreds", [1, 7, 20, 1000])
def test_a_whole_share_is_not_rounded_up(hundredths: int, hundreds: int) -> None:
    assert share_of(hundredths / 100, 100 * hundreds) == hundredths * hundreds


def test_the_shares_are_the_operators_to_set() -> None:
    settings = QuotaSettings(first=0.5, background=0.1, probes=0.4)
    ledger = QuotaLedger("x", [DAY], ManualClock(), Shares(settings=settings, of_fallbacks=0.2))
    assert [made(ledger, one) for one in (FALLBACK, PROBE, Purpose.FIRST, RETRY)] == [5, 0, 8, 12]


def test_a_call_may_cost_more_than_one() -> None:
    ledger = ledger_of(ManualClock(), DAY)
    assert [charge(ledger, weight=10) for _ in range(3)] == ["", "", f"{QUOTA_EXHAUSTED} 86400s"]
    assert charge(ledger, weight=4) == ""
    assert used(ledger) == [24]


@pytest.mark.parametrize(("weight", "allowed"), [(24, True), (25, True), (26, False)])
def test_an_empty_window_takes_any_call_that_its_limit_allows(weight: int, *, allowed: bool) -> None:
    ledger = ledger_of(ManualClock(), DAY)
    assert (charge(ledger, weight=weight) == "") is allowed
    assert (charge(ledger, PROBE, weight=weight) == "") is False


@pytest.mark.parametrize(
    ("weights", "params", "cost"),
    [
        ([{}, {}], {}, 1),
        ([{"/quote": 10}, {"/quote": 10}], {}, 10),
        ([{"/chart": 10}], {}, 1),
        ([{"/quote": "symbols"}], {"symbols": "A,B,C"}, 3),
        ([{"/quote": "symbols"}], {"symbols": "A,,B,"}, 2),
        ([{"/quote": "symbols"}], {"symbols": ""}, 1),
        ([{"/quote": "symbols"}], {}, 1),
        ([{}, {"/quote": "symbols"}], {"symbols": "A,B"}, (1, 2, 2)),
        ([], {}, 1),
    ],
)
def test_what_a_call_costs_is_in_the_settings(
    weights: Sequence[dict[str, int | str]], params: dict[str, str], cost: Weight
) -> None:
    windows = [
        QuotaWindowSettings(window=seconds, limit=9, weight=weight)
        for seconds, weight in zip((60.0, 3600.0), weights, strict=False)
    ]
    assert ledger_of(ManualClock(), *windows).weight("/quote", params) == cost


def test_a_call_may_cost_more_in_one_window_than_in_another() -> None:
    ledger = ledger_of(ManualClock(), MINUTE, DAY)
    assert [charge(ledger, weight=(1, 10, 10)) for _ in range(3)] == ["", "", f"{QUOTA_EXHAUSTED} 86400s"]
    assert used(ledger) == [2, 20]


def test_a_large_limit_is_counted_in_little_memory_and_never_forgotten_early() -> None:
    clock = ManualClock()
    ledger = ledger_of(clock, YAHOO)
    made_at: list[float] = []
    for _ in range(20_000):
        if not charge(ledger, RETRY):
            made_at.append(clock.monotonic())
        clock.pass_time(0.02)
    for n, at in enumerate(made_at):
        before = made_at[max(0, n - 2000)]
        assert n < 2000 or at - before >= 60.0
    assert len(made_at) > 0.98 * 2000 * 400 / 60
    [counter] = [ledger.counter("", "minute")]
    assert len(counter.calls["all"]) <= 122


def test_what_is_left_is_what_first_attempts_may_use() -> None:
    ledger = ledger_of(ManualClock(), MINUTE, DAY)
    assert ledger.left() == 5
    made(ledger, of=2)
    assert ledger.left() == 3
    made(ledger, RETRY)
    assert ledger.left() == 0


def test_the_share_left_is_that_of_the_scarcest_window() -> None:
    ledger = ledger_of(ManualClock(), MINUTE, DAY)
    assert ledger.remaining_share("a") == 1.0
    made(ledger, key="a", of=2)
    assert ledger.remaining_share("a") == pytest.approx(0.6)
    assert ledger.used_share("a") == pytest.approx(0.4)
    assert ledger.remaining_share("b") == 1.0


def test_calls_that_were_lent_count_until_the_last_moment_at_which_they_may_be_made() -> None:
    clock = ManualClock()
    ledger = ledger_of(clock, MINUTE)
    ledger.charge_block("", 5, 1.0)
    clock.pass_time(60.0)
    assert ledger.left() == 0
    clock.pass_time(1.0)
    assert ledger.left() == 5


def test_what_is_given_back_counts_no_more_and_what_others_did_goes_on_counting() -> None:
    clock = ManualClock()
    ledger = ledger_of(clock, YAHOO)
    ledger.charge_block("", 50, 1.0)
    made(ledger, of=3)
    ledger.give_back("", 20, 1.0)
    ledger.give_back("", 20, 2.0)  # of no such lease
    assert used(ledger) == [33]
    clock.pass_time(0.5)
    made(ledger, of=1)
    clock.pass_time(60.0)
    assert used(ledger) == [31 + 3]
    clock.pass_time(0.5)
    assert used(ledger) == [0]


def test_lending_and_giving_back_for_hours_leaves_nothing_behind() -> None:
    clock = ManualClock()
    ledger = ledger_of(clock, DAY)
    made(ledger, of=1)
    for _ in range(1000):
        until = clock.monotonic() + 1.0
        ledger.charge_block("", 3, until)
        ledger.give_back("", 3, until)
        clock.pass_time(1.0)
    assert used(ledger) == [1]
    assert len(ledger.counter("", "day").calls["all"]) == 1


def test_calls_that_are_lent_for_days_take_little_memory_and_are_not_forgotten_early() -> None:
    clock = ManualClock()
    ledger = ledger_of(clock, QuotaWindowSettings(window="day", limit=1_000_000))
    for _ in range(40_000):
        ledger.charge_block("", 3, clock.monotonic() + 1.0)
        ledger.give_back("", 1, clock.monotonic() + 1.0)
        clock.pass_time(4.0)
    assert len(ledger.counter("", "day").calls["all"]) <= MOST_SLICES
    made_in_a_day = 2 * 86_400 // 4
    assert made_in_a_day <= used(ledger)[0] <= 1.01 * made_in_a_day


def test_of_a_small_limit_even_the_loans_are_exact() -> None:
    ledger = ledger_of(ManualClock(), QuotaWindowSettings(window="day", limit=100))
    for n in range(MOST_SLICES + 1):  # more than it has, but that is not for the ledger to say
        ledger.charge_block("", 1, n / 1000)
    assert len(ledger.counter("", "day").calls["all"]) == used(ledger)[0] == MOST_SLICES + 1


def test_a_call_after_a_loan_does_not_shorten_it() -> None:
    clock = ManualClock()
    ledger = ledger_of(clock, YAHOO)
    made(ledger, of=1)
    ledger.charge_block("", 10, 5.0)
    clock.pass_time(0.1)
    made(ledger, of=1)
    clock.pass_time(64.8)
    assert used(ledger)[0] >= 10
    clock.pass_time(0.2)
    assert used(ledger) == [0]


def test_a_rest_of_all_hosts_is_one_of_each() -> None:
    ledger = ledger_of(ManualClock(), MINUTE)
    ledger.throttled("a", RATE_LIMITED, 30.0)
    assert charge(ledger, key="a", host="https://x.test") == f"{RATE_LIMITED} 30s"


def test_probes_and_calls_in_place_of_others_have_their_share_again_after_a_reset() -> None:
    clock = ManualClock()
    ledger = ledger_of(clock, QuotaWindowSettings(window="day", limit=100, kind="fixed"))
    for _ in range(3):
        assert (made(ledger, PROBE), made(ledger, FALLBACK)) == (5, 48)
        clock.pass_time(86_400.0)


def test_the_first_calls_of_a_day_are_not_mixed_with_the_last_of_the_day_before() -> None:
    clock = WallClock("2026-03-02T23:59")
    ledger = ledger_of(clock, QuotaWindowSettings(window="day", limit=25, kind="fixed"))
    assert made(ledger, of=12) == 12
    clock.pass_time(120.0)
    assert made(ledger) == 24


def test_between_resets_the_date_is_not_looked_at() -> None:
    """It takes longer than counting does."""

    class CountedClock(ManualClock):
        looks = 0

        def now(self) -> datetime:
            self.looks += 1
            return super().now()

    clock = CountedClock()
    ledger = ledger_of(clock, QuotaWindowSettings(window="day", limit=1000, kind="fixed"))
    for _ in range(2):
        clock.pass_time(86_400.0)
        made(ledger, of=1)
        looks = clock.looks
        assert made(ledger, of=100) == 100
        assert clock.looks == looks
