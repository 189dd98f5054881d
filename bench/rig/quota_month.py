"""A month of a small quota, with more to ask than it allows, on a clock of its own.

The product's own ledger, keys and budget decide; a provider that counts by itself says whether they were
right. Now and then the product ends without a word, and begins again with what was written down.
"""

import heapq
import random
from collections import Counter, deque
from collections.abc import Iterator, MutableMapping
from datetime import UTC, date, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

from autonomous_healing.endpoint_healing.catalog import build_source, default_sources
from autonomous_healing.endpoint_healing.key_options import KeySettings
from autonomous_healing.endpoint_healing.keys import KeyRing, NoKey
from autonomous_healing.endpoint_healing.limits import SourceLimits
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quota import QuotaLedger, QuotaSpent
from autonomous_healing.endpoint_healing.quotas.counter import QuotaCounter
from autonomous_healing.resilience import RetryBudget, RetryBudgetSettings

DAYS = 30

SOURCE, ENDPOINT = "alpha_vantage", "/query"

#: What the source allows, as it counts: by the calendar of a place, and in any minute and second.
PLACE, A_DAY, A_MINUTE, A_SECOND = ZoneInfo("America/New_York"), 25, 5, 1

#: A midnight there, a week before its clocks are set forward.
_START = datetime(2026, 3, 1, tzinfo=PLACE).astimezone(UTC)

_DAY = 86_400.0

#: How often in a day each reason to ask comes up. Together several times what there is.
_WANTED = {
    Purpose.FIRST: 60,
    Purpose.PROBE: 48,
    Purpose.PREFETCH: 12,
    Purpose.BATCH: 6,
    Purpose.HEDGE: 4,
    Purpose.FALLBACK: 4,
    Purpose.SHADOW: 4,
    Purpose.DRILL: 4,
}

_CROWD = 6  #: callers who come within some seconds
_FAILING = 0.2  #: share of calls that fail, and are made again if that is allowed
_RESTARTS = 0.1  #: share of crowds in the midst of which the product ends
_BOOTING = 0.2  #: share of them in which the machine starts, too, and its monotonic clock with it

#: What was written down of each window, by key and window.
Written = MutableMapping[tuple[str, str], QuotaCounter]


class MonthClock:
    """Shows how far the month has come."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._booted = 0.0

    def boot(self) -> None:
        self._booted = self.seconds

    def now(self) -> datetime:
        return _START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds - self._booted

    async def sleep(self, seconds: float) -> None:
        self.seconds += max(0.0, seconds)


class Provider:
    """Counts every call that is made."""

    def __init__(self) -> None:
        self.days: Counter[date] = Counter()
        self.overruns = 0  #: calls beyond what a day allows
        self.too_fast = 0  #: calls beyond what a minute or a second allows
        self._latest: deque[float] = deque(maxlen=A_MINUTE)

    def called(self, clock: MonthClock) -> None:
        day = clock.now().astimezone(PLACE).date()
        self.days[day] += 1
        latest, now = self._latest, clock.seconds
        self.overruns += self.days[day] > A_DAY
        in_a_second = len(latest) >= A_SECOND and now - latest[-A_SECOND] < 1.0
        in_a_minute = len(latest) == A_MINUTE and now - latest[0] < 60.0
        self.too_fast += in_a_second or in_a_minute
        latest.append(now)

    @property
    def least_use(self) -> float:
        """Share of its quota that was used in the day in which it was used least."""
        days = [(_START + timedelta(days=number)).astimezone(PLACE).date() for number in range(DAYS)]
        return min(self.days[day] for day in days) / A_DAY


class Month:
    """What happens in it, in its order."""

    def __init__(self, seed: int, written: Written) -> None:
        self.provider = Provider()
        self._rng = random.Random(seed)
        self._clock = MonthClock()
        self._written = written
        self._order = count()
        self._due = [(at, next(self._order), purpose) for at, purpose in self._events()]
        heapq.heapify(self._due)
        self._limits = self._begin()

    def pass_by(self) -> None:
        """All of it."""
        while self._due:
            self._clock.seconds, _, purpose = heapq.heappop(self._due)
            if purpose is None:
                self._end_without_a_word()
            else:
                self._ask(purpose)

    def _events(self) -> Iterator[tuple[float, Purpose | None]]:
        """Callers come in small crowds, all others when it suits them; None: the product ends."""
        rng = self._rng
        for purpose, wanted in _WANTED.items():
            crowd = _CROWD if purpose is Purpose.FIRST else 1
            for _ in range(wanted * DAYS // crowd):
                at = rng.uniform(0, DAYS * _DAY)
                if crowd > 1 and rng.random() < _RESTARTS:
                    yield at + _CROWD / 2, None
                for _ in range(crowd):
                    yield at, purpose
                    at += rng.expovariate(0.5)

    def _ask(self, purpose: Purpose) -> None:
        if purpose is Purpose.FIRST:
            self._limits.budget.count_first()
        try:
            self._limits.take(ENDPOINT, purpose=purpose)
        except (NoKey, QuotaSpent):
            return
        self.provider.called(self._clock)
        if self._rng.random() < _FAILING and self._limits.budget.spend():
            again = self._clock.seconds + self._rng.uniform(0, 3)
            heapq.heappush(self._due, (again, next(self._order), Purpose.RETRY))

    def _end_without_a_word(self) -> None:
        self._clock.seconds += self._rng.uniform(1, 10)
        if self._rng.random() < _BOOTING:
            self._clock.boot()
        self._limits = self._begin()

    def _begin(self) -> SourceLimits:
        clock, settings = self._clock, default_sources()[SOURCE]
        ring = KeyRing(build_source(SOURCE, settings), ["of-no-worth"], clock, KeySettings())
        ledger = QuotaLedger(SOURCE, settings.quota, clock)
        ledger.restore(self._written.values())
        ledger.write_through = self._write
        return SourceLimits(ring, ledger, RetryBudget(clock=clock, settings=RetryBudgetSettings()))

    def _write(self, counter: QuotaCounter) -> None:
        self._written[counter.key_alias, counter.window] = counter


def thirty_days(seed: int, written: Written | None = None) -> dict[str, float]:
    """Calls beyond the quota of a day, its least share that was used, and calls beyond the pace.

    `written` outlives the product's ends.
    """
    month = Month(seed, {} if written is None else written)
    month.pass_by()
    return {
        "quota_overruns_30_days": month.provider.overruns,
        "quota_use_at_reset": month.provider.least_use,
        "pace_overruns_30_days": month.provider.too_fast,
    }
