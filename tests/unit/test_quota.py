"""What a source lets us ask in a window of time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import ManualClock

from autonomous_healing.endpoint_healing.codes import QUOTA_EXHAUSTED, RATE_LIMITED
from autonomous_healing.endpoint_healing.options import QuotaWindowSettings
from autonomous_healing.endpoint_healing.quota import QuotaLedger, QuotaSpent

SECOND = QuotaWindowSettings(seconds=1.0, limit=1, probe_share=1.0)
MINUTE = QuotaWindowSettings(seconds=60.0, limit=5, probe_share=0.2)
DAY = QuotaWindowSettings(seconds=86400.0, limit=25)


def charge(ledger: QuotaLedger, *, probe: bool = False) -> str:
    """Empty where the call may be made; else the code and the wait."""
    try:
        ledger.charge(probe=probe)
    except QuotaSpent as spent:
        return f"{spent.code} {spent.retry_after:.0f}s"
    return ""


def test_lets_as_many_through_as_the_window_holds() -> None:
    clock = ManualClock()
    ledger = QuotaLedger("x", [MINUTE], clock)
    for _ in range(5):
        assert charge(ledger) == ""
        clock.pass_time(1.0)
    assert charge(ledger) == f"{RATE_LIMITED} 55s"
    clock.pass_time(55.0)
    assert charge(ledger) == ""
    assert charge(ledger) == f"{RATE_LIMITED} 1s"


def test_a_long_window_is_a_quota_and_a_short_one_a_pace() -> None:
    clock = ManualClock()
    ledger = QuotaLedger("x", [SECOND, DAY], clock)
    assert charge(ledger) == ""
    assert charge(ledger) == f"{RATE_LIMITED} 1s"
    for _ in range(24):
        clock.pass_time(1.0)
        assert charge(ledger) == ""
    clock.pass_time(1.0)
    assert charge(ledger) == f"{QUOTA_EXHAUSTED} 86375s"


def test_a_refused_call_is_not_counted() -> None:
    clock = ManualClock()
    ledger = QuotaLedger("x", [MINUTE, DAY], clock)
    for _ in range(30):
        charge(ledger)
    assert [used for _, used in ledger.used()] == [5, 5]


def test_probes_may_use_only_their_share() -> None:
    ledger = QuotaLedger("x", [QuotaWindowSettings(seconds=60.0, limit=100)], ManualClock())
    assert [charge(ledger, probe=True) for _ in range(6)] == [""] * 5 + [f"{RATE_LIMITED} 60s"]
    assert charge(ledger) == ""


def test_a_tiny_share_still_lets_one_probe_through() -> None:
    ledger = QuotaLedger("x", [QuotaWindowSettings(seconds=86400.0, limit=19)], ManualClock())
    assert charge(ledger, probe=True) == ""
    assert charge(ledger, probe=True) == f"{QUOTA_EXHAUSTED} 86400s"


def test_a_probe_is_told_when_there_is_room_for_it() -> None:
    clock = ManualClock()
    ledger = QuotaLedger("x", [QuotaWindowSettings(seconds=60.0, limit=10, probe_share=0.2)], clock)
    for _ in range(5):
        charge(ledger)
        clock.pass_time(1.0)
    assert charge(ledger, probe=True) == f"{RATE_LIMITED} 58s"
    clock.pass_time(58.0)
    assert charge(ledger, probe=True) == ""


def test_without_windows_nothing_is_limited() -> None:
    ledger = QuotaLedger("x", [], ManualClock())
    assert [charge(ledger) for _ in range(100)] == [""] * 100
    assert ledger.used() == []


def test_says_which_limit_was_reached() -> None:
    ledger = QuotaLedger("alpha_vantage", [SECOND], ManualClock())
    ledger.charge(probe=False)
    with pytest.raises(QuotaSpent, match=r"own limit of 1 calls in 1s to alpha_vantage is reached"):
        ledger.charge(probe=False)


@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.booleans()), max_size=60))
def test_no_history_passes_a_limit(history: list[tuple[float, bool]]) -> None:
    clock = ManualClock()
    ledger = QuotaLedger("x", [SECOND, MINUTE], clock)
    made: list[float] = []
    for pause, probe in history:
        clock.pass_time(pause)
        if not charge(ledger, probe=probe):
            made.append(clock.monotonic())
    for window in (SECOND, MINUTE):
        for at in made:
            assert sum(1 for other in made if at - window.seconds < other <= at) <= window.limit
