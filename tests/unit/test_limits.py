"""Leave to ask: a key that has room, charged whole or not at all."""

import pytest
from tests.clock import ManualClock

from autonomous_healing.endpoint_healing.catalog import build_source, default_sources
from autonomous_healing.endpoint_healing.codes import AUTH_REJECTED, RATE_LIMITED
from autonomous_healing.endpoint_healing.key_options import KeySettings
from autonomous_healing.endpoint_healing.keys import KeyRing, NoKey
from autonomous_healing.endpoint_healing.limits import SourceLimits
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quota import QuotaLedger, QuotaSpent
from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings
from autonomous_healing.resilience import RetryBudget

SERIES = "/series"
MINUTE = QuotaWindowSettings(window="minute", limit=5)
DAY = QuotaWindowSettings(window="day", limit=8)
FIXED_DAY = QuotaWindowSettings(window="day", limit=8, kind="fixed")


class Source:
    """FRED, or one without keys, with small windows."""

    def __init__(
        self,
        name: str = "fred_api",
        *,
        keys: int = 2,
        rotates: bool = True,
        day: QuotaWindowSettings = DAY,
    ) -> None:
        self.clock = ManualClock()
        settings = default_sources()[name].model_copy(update={"terms_allow_rotation": rotates})
        source = build_source(name, settings)
        ring = KeyRing(source, [f"secret-{n}" for n in range(keys)], self.clock, KeySettings())
        ledger = QuotaLedger(name, [MINUTE, day], self.clock)
        self.limits = SourceLimits(ring, ledger, RetryBudget(clock=self.clock))

    def take(self, purpose: Purpose = Purpose.RETRY, avoid: str | None = None, host: str = "") -> str:
        """The key that is given, or what is said instead."""
        try:
            key = self.limits.take(SERIES, purpose=purpose, avoid_key=avoid, host=host)
        except (QuotaSpent, NoKey) as none:
            return f"{none.code} {none.retry_after or 0:.0f}s"
        return key.alias if key else "none is needed"

    def used(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for one in self.limits.readings():
            found.setdefault(one.key_alias, []).append(one.used)
        return found


def test_what_is_taken_is_charged_to_all_windows_of_its_key() -> None:
    source = Source(keys=1)
    assert source.take() == "fred_api#1"
    assert source.used() == {"fred_api#1": [1, 1]}


def test_the_key_with_the_largest_share_left_goes_first_where_the_terms_allow() -> None:
    source = Source()
    given = []
    for _ in range(10):
        given.append(source.take())
        source.clock.pass_time(0.2)
    assert given[:2] == ["fred_api#1", "fred_api#2"]
    assert source.used() == {"fred_api#1": [5, 5], "fred_api#2": [5, 5]}


def test_a_spent_key_is_gone_round_at_once_where_the_terms_allow() -> None:
    source = Source()
    assert [source.take() for _ in range(11)] == [
        *["fred_api#1"] * 5,
        *["fred_api#2"] * 5,
        f"{RATE_LIMITED} 60s",
    ]


def test_a_spent_key_is_not_gone_round_where_they_do_not() -> None:
    source = Source(rotates=False)
    assert [source.take() for _ in range(6)][-1] == f"{RATE_LIMITED} 60s"
    assert source.used() == {"fred_api#1": [5, 5], "fred_api#2": [0, 0]}


def test_of_several_spent_keys_the_first_to_return_is_named() -> None:
    source = Source()
    for _ in range(5):
        source.limits.ledger.charge("fred_api#1", 1, Purpose.RETRY)
    source.clock.pass_time(20.0)
    for _ in range(5):
        source.limits.ledger.charge("fred_api#2", 1, Purpose.RETRY)
    assert source.take() == f"{RATE_LIMITED} 40s"


def test_who_avoids_a_key_gets_another_or_none() -> None:
    source = Source()
    assert source.take(avoid="fred_api#1") == "fred_api#2"
    for _ in range(4):
        source.take(avoid="fred_api#1")
    assert source.take(avoid="fred_api#1") == f"{RATE_LIMITED} 60s"  # not the one that it avoids


def test_without_a_key_to_use_nothing_is_charged() -> None:
    source = Source(keys=1)
    source.limits.keys.reject("fred_api#1", AUTH_REJECTED, SERIES, None)
    assert source.take().startswith(AUTH_REJECTED)
    assert source.used() == {"fred_api#1": [0, 0]}


def test_a_source_without_keys_is_counted_all_the_same() -> None:
    source = Source("yahoo_finance", keys=0)
    assert [source.take() for _ in range(6)] == [*["none is needed"] * 5, f"{RATE_LIMITED} 60s"]
    assert source.used() == {"": [5, 5]}


def test_a_host_of_a_source_without_keys_rests_by_itself() -> None:
    source = Source("yahoo_finance", keys=0)
    source.limits.ledger.throttled("", RATE_LIMITED, 30.0, "https://one")
    assert source.take(host="https://one") == f"{RATE_LIMITED} 30s"
    assert source.take(host="https://two") == "none is needed"


@pytest.mark.parametrize("purpose", [Purpose.PROBE, Purpose.PREFETCH, Purpose.FIRST])
def test_the_purpose_counts_for_each_key_by_itself(purpose: Purpose) -> None:
    source = Source()
    taken = [source.take(purpose) for _ in range(12)]
    expected = {Purpose.PROBE: 1, Purpose.PREFETCH: 4, Purpose.FIRST: 5}[purpose]
    assert (taken.count("fred_api#1"), taken.count("fred_api#2")) == (expected, expected)


def test_keys_are_told_what_is_left_and_when_it_begins_anew() -> None:
    source = Source()
    assert [one.share for one in source.limits.keys.readings()] == [1.0, 1.0]
    source.take()
    assert [one.share for one in source.limits.keys.readings()] == [0.8, 1.0]
    assert source.limits.keys.period_left("fred_api#1") is None
    assert Source(day=FIXED_DAY).limits.keys.period_left("fred_api#1") == 9 * 3600.0
