"""The two kinds of windows: one holds in any span of time, the other begins anew at certain moments."""

import math

from autonomous_healing.endpoint_healing.quotas.counter import QuotaCounter
from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings
from autonomous_healing.endpoint_healing.quotas.periods import Period, longest, period_at
from autonomous_healing.endpoint_healing.quotas.shares import Shares
from autonomous_healing.endpoint_healing.quotas.steady_time import SteadyTime
from autonomous_healing.endpoint_healing.quotas.tally import Tally
from autonomous_healing.endpoint_healing.quotas.window import Window

#: A period that an earlier run wrote down may end so much later than one of ours: clocks were set meanwhile.
_ASTRAY = 3600.0

#: Seconds by which two looks at two clocks differ.
_NOISE = 0.001


class SlidingWindow(Window):
    """So many calls in any span of that length."""

    __slots__ = ("_clean_from",)

    kind = "sliding"

    def __init__(
        self, name: str, seconds: float, declared: int | None, shares: Shares, position: int
    ) -> None:
        super().__init__(name, seconds, declared, shares, position)
        self._clean_from = math.inf  #: of the windows without a throttle that are counted next

    def room_at(self, count: int, now: float) -> float:
        at = self.tally.room_at(count)
        if self.elsewhere:
            own = self.tally.room_at(count - self.elsewhere) if count > self.elsewhere else now
            at = min(at, max(self.told_until, own))
        return at

    def share_at(self, share: Tally, count: int, now: float) -> float:
        return share.room_at(count)

    def resets_in(self, now: float) -> float | None:
        at = min(self.tally.room_at(1), self.told_until if self.elsewhere else math.inf)
        return None if math.isinf(at) else max(0.0, at - now)

    def eta(self, rate: float, now: float) -> float | None:
        """Calls leave the window while others come: followed until all that count now have left."""
        left = self.limit - self.used
        for one in self.tally.slices:
            gone = one.last + self.seconds - now
            if rate * gone >= left:
                return max(0.0, left / rate) if rate else None
            left += one.count
        return left / rate if rate * self.seconds >= self.limit else None

    def _begin_clean(self, now: float) -> None:
        self._clean_from = now

    def _forget(self, now: float) -> None:
        self.used -= self.tally.forget(now)
        self.probes.forget(now)
        self.fallbacks.forget(now)
        if self.belief.estimated is None:
            self._clean_from = now
        elif now >= self._clean_from + self.seconds:
            self.belief.clean(int((now - self._clean_from) / self.seconds))
            self._clean_from = now

    def _span(self, now: float, wall: float) -> tuple[float, float | None]:
        slices = self.tally.slices
        oldest = slices[0].last if slices else now
        return wall - now + oldest, wall - now + self.told_until if self.elsewhere else None

    def _take_up(self, known: QuotaCounter, now: float, wall: float) -> None:
        parts = known.calls.get("all", ())
        self.used += sum(count for _, count in self._unknown(parts, now, wall))
        elsewhere = known.used - sum(count for _, count in parts)
        if elsewhere > 0 and known.resets_at is not None and known.resets_at.timestamp() > wall:
            self.used += elsewhere - self.elsewhere
            self.elsewhere = elsewhere
            self.told_until = now + min(known.resets_at.timestamp() - wall, self.seconds)


class FixedWindow(Window):
    """So many calls from one reset to the next."""

    __slots__ = (
        "_begun",
        "_ends",
        "_period",
        "_restored",
        "_restored_at",
        "_settings",
        "_throttled",
        "_time",
    )

    kind = "fixed"

    def __init__(
        self, settings: QuotaWindowSettings, shares: Shares, position: int, time: SteadyTime
    ) -> None:
        super().__init__(settings.name, settings.seconds, settings.limit, shares, position)
        self.tally = Tally(longest(settings), exact=False)  # of it, only its rate and its end matter here
        self._settings = settings
        self._time = time
        self._period = period_at(settings, time.now())
        self._begun = time.monotonic_at(self._period.start)  #: at the earliest
        self._throttled = False  #: in this period
        self._restored = 0  #: of what is used, what was taken up of an earlier run
        self._restored_at = -math.inf
        self._ends = self.due = time.monotonic_at(self._period.end)

    def room_at(self, count: int, now: float) -> float:
        return now + self._left()

    def share_at(self, share: Tally, count: int, now: float) -> float:
        return now + self._left()

    def resets_in(self, now: float) -> float | None:
        return self._left()

    def eta(self, rate: float, now: float) -> float | None:
        left = max(0, self.limit - self.used)
        return left / rate if rate and left / rate < self._left() else None

    def take_back(self, count: int, until: float) -> None:
        """Only of what counts in this period: a lease may have ended in the one before."""
        back = self.tally.take_back(count, until)
        if until >= self._begun:
            self.used -= back

    def told(self, limit: int | None, remaining: int | None, resets_in: float | None, now: float) -> None:
        super().told(limit, remaining, self._left() if resets_in is None else resets_in, now)

    def _left(self) -> float:
        """Seconds of the period."""
        return max(0.0, self._period.end - self._time.now())

    def _begin_clean(self, now: float) -> None:
        self._throttled = True

    def _forget(self, now: float) -> None:
        self.tally.forget(now)
        at = self._time.now()
        if at >= self._period.end:
            ended, self._period = self._period, period_at(self._settings, at)
            self._grow(1 + int((at - ended.end) / ended.seconds))
            self._begin_anew(now)
        elif max(self.tally.latest, self._restored_at) + longest(self._settings) <= now:
            # Clocks were set back, yet no period is so long that it could hold the last call and this moment.
            self._begin_anew(now)
        self.due = now + self._period.end - at

    def _grow(self, periods: int) -> None:
        self.belief.clean(periods - self._throttled)
        self._throttled = False

    def _begin_anew(self, now: float) -> None:
        """Nothing is used, save what may have been made since the reset, and what the source still counts.

        That is what was lent beyond it, and what was asked while the wall clock was behind the other.
        """
        # As the clocks were when it was asked: if the machine slept since, they no longer tell.
        self._begun = max(self._ends, self._time.monotonic_at(self._period.start)) - _NOISE
        self._ends = self._time.monotonic_at(self._period.end)
        if now < self.told_until:
            self.elsewhere = self.used  # its own period ends later than we thought
        else:
            self.elsewhere, self.used = 0, self.tally.since(self._begun)
        self.probes.clear()
        self.fallbacks.clear()
        self._restored = 0

    def _span(self, now: float, wall: float) -> tuple[float, float | None]:
        return self._period.start, self._period.end

    def _take_up(self, known: QuotaCounter, now: float, wall: float) -> None:
        end = known.resets_at.timestamp() if known.resets_at is not None else wall
        if end <= wall:
            return
        end = min(end, wall + longest(self._settings) + _ASTRAY)
        if end > self._period.end:  # the clock has been set back since
            self._period = Period(min(known.started_at.timestamp(), wall), end)
        more = max(0, known.used - self._restored)
        self.used += more
        self._restored += more
        self._restored_at = now
