"""No history of calls passes a limit: not by keys, weights, leases, restarts or clocks that are set."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.clock import ManualClock, WallClock

from autonomous_healing.endpoint_healing.catalog import build_source, default_sources
from autonomous_healing.endpoint_healing.key_options import KeySettings
from autonomous_healing.endpoint_healing.keys import KeyRing, NoKey
from autonomous_healing.endpoint_healing.limits import SourceLimits
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quota import QuotaLedger, QuotaSpent
from autonomous_healing.endpoint_healing.quotas.counter import Place, QuotaCounter
from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings
from autonomous_healing.endpoint_healing.quotas.periods import period_at
from autonomous_healing.resilience import RetryBudget

SLIDING = (
    QuotaWindowSettings(window="second", limit=2),
    QuotaWindowSettings(window="minute", limit=5),
    QuotaWindowSettings(window=300.0, limit=130),
)

#: What may happen: a pause, what for, what it costs, and how many calls are lent instead.
Steps = st.lists(
    st.tuples(st.floats(0.0, 20.0), st.sampled_from(Purpose), st.integers(1, 3), st.integers(0, 3)),
    max_size=80,
)


@pytest.mark.parametrize("window", SLIDING, ids=lambda window: window.name)
@given(Steps)
def test_no_span_of_a_sliding_window_has_more_than_its_limit(
    window: QuotaWindowSettings, steps: Sequence[tuple[float, Purpose, int, int]]
) -> None:
    clock = ManualClock()
    ledger = QuotaLedger("x", [window], clock)
    made: list[tuple[float, int]] = []
    for pause, purpose, weight, lent in steps:
        clock.pass_time(pause * window.seconds / 60)
        now = clock.monotonic()
        lent = min(lent, ledger.left() or 0)
        if lent:
            ledger.charge_block("", lent, now + 1.0)
            made.append((now + 1.0, lent - 1))
            ledger.give_back("", 1, now + 1.0)
            continue
        try:
            ledger.charge("", weight, purpose)
        except QuotaSpent:
            continue
        made.append((now, weight))
    for at, _ in made:
        assert sum(cost for other, cost in made if at - window.seconds < other <= at) <= window.limit


@given(Steps)
def test_whoever_waits_as_long_as_he_is_told_gets_through(
    steps: Sequence[tuple[float, Purpose, int, int]],
) -> None:
    clock = ManualClock()
    ledger = QuotaLedger("x", SLIDING[:2], clock)
    for pause, purpose, _, _ in steps:
        clock.pass_time(pause)
        through = False
        for _ in range(2):
            try:
                ledger.charge("", 1, purpose)
            except QuotaSpent as spent:
                clock.pass_time(spent.retry_after + 1e-9)
            else:
                through = True
                break
        assert through, f"{purpose} was sent away again and again"


ALPHA = default_sources()["alpha_vantage"].model_copy(
    update={"terms_allow_rotation": True, "rotate_on": ("invalid", "limited", "drained")}
)
KEYS = ("one", "two")

HOUR, DAY = 3600.0, 86_400.0


class Life:
    """A source with a day of 25 calls, over many lives of the product."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.clock = WallClock("2026-10-15T09:00")
        self.made: defaultdict[tuple[str, float], int] = defaultdict(int)  #: by key and day of the provider
        self.purposes: Counter[Purpose] = Counter()
        self._on_disk: dict[Place, bytes] = {}
        self.begin()

    def begin(self) -> None:
        """A start of the product, with what the last one wrote down."""
        source = build_source("alpha_vantage", ALPHA)
        ledger = QuotaLedger(source.id, ALPHA.quota, self.clock)
        ledger.restore(msgspec.json.decode(line, type=QuotaCounter) for line in self._on_disk.values())
        ledger.write_through = self._write
        keys = KeyRing(source, KEYS, self.clock, KeySettings())
        self.limits = SourceLimits(keys, ledger, RetryBudget(clock=self.clock))

    def stop(self) -> None:
        """An end that leaves time to write everything down."""
        for place in self.limits.ledger.states():
            self._write(self.limits.ledger.counter(*place))

    def ask(self, purpose: Purpose) -> bool:
        try:
            key = self.limits.take("/query", purpose=purpose)
        except (QuotaSpent, NoKey):
            return False
        assert key is not None
        day = period_at(ALPHA.quota[-1], self.clock.truth).start
        self.made[key.alias, day] += 1
        self.purposes[purpose] += 1
        return True

    def _write(self, counter: QuotaCounter) -> None:
        self._on_disk[counter.place] = msgspec.json.encode(counter)


@pytest.mark.parametrize("seed", range(2))
def test_25_calls_a_day_hold_for_a_month_and_hardly_any_is_wasted(seed: int) -> None:
    life = Life(seed)
    rng, end = life.rng, life.clock.truth + 30 * DAY
    wrong_until = 0.0
    while life.clock.truth < end:
        life.clock.pass_time(rng.expovariate(1 / 600))
        if life.clock.truth > wrong_until:
            life.clock.set_wall(0.0)
        if rng.random() < 0.01:  # a clock that is set wrong, for some hours
            life.clock.set_wall(rng.choice((HOUR, -HOUR)))
            wrong_until = life.clock.truth + rng.uniform(0, 6 * HOUR)
        if rng.random() < 0.02:  # killed, or stopped
            if rng.random() < 0.5:
                life.stop()
            wrong_until = 0.0
            life.clock.set_wall(0.0)  # the wall clock counts while the product is away
            life.clock.pass_time(rng.uniform(0.0, 60.0))
            life.begin()
        life.ask(Purpose.PROBE)
        if not life.ask(Purpose.FIRST) and rng.random() < 0.5:
            life.ask(rng.choice((Purpose.RETRY, Purpose.FALLBACK)))
    assert max(life.made.values()) <= 25
    days = sorted({day for _, day in life.made})[1:-1]  # whole ones
    assert len(days) >= 28
    shares = [life.made[alias, day] / 25 for alias in ("alpha_vantage#1", "alpha_vantage#2") for day in days]
    assert min(shares) >= 0.9, sorted(shares)[:5]
    assert life.purposes[Purpose.PROBE] <= 2 * (len(days) + 2)
    assert all(life.purposes[one] for one in (Purpose.FIRST, Purpose.RETRY, Purpose.FALLBACK))
