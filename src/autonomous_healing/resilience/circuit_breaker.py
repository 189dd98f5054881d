"""Stops calling what keeps failing or crawling, and finds out by single trials when it works again."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from autonomous_healing.resilience.breaker_state import (
    ALLOWED,
    NO_TRIAL,
    BreakerMemory,
    BreakerState,
    Force,
    Forced,
    IllegalMove,
    Trial,
)
from autonomous_healing.resilience.clock import Clock
from autonomous_healing.resilience.options import BreakerSettings
from autonomous_healing.resilience.rolling_count import RollingCount
from autonomous_healing.resilience.slow_calls import SlowCalls

#: Share of its calls that a circuit gets at once when it closes (spec: endpoint healing, section 7).
FIRST_SHARE = 0.1


Moved: TypeAlias = "Callable[[CircuitBreaker], None]"


def _unheard(_: "CircuitBreaker") -> None:
    return


@dataclass(kw_only=True, slots=True)
class CircuitBreaker:
    """CLOSED until calls fail or crawl too often, OPEN for a while, HALF_OPEN for one trial at a time.

    An operator may decide otherwise for a while. All times are monotonic seconds.
    """

    name: str
    clock: Clock
    settings: BreakerSettings = field(default_factory=BreakerSettings)
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    has_alternate: bool = False  #: another target can take what this one leaves in its slow start
    trial_seconds: float = 60.0  #: after which a trial whose caller vanished is given out again
    slow_reason: str = "slow"
    slow_after: float = math.inf  #: seconds; whoever knows what is usual sets it
    moved: Moved = _unheard  #: told after each change of state, never on the way of a good call
    state: BreakerState = BreakerState.CLOSED
    openings: int = 0  #: in a row; falls with calm
    open_until: float = 0.0
    reset_until: float = 0.0  #: the upstream's own word, before which nothing is tried
    opened_at: float = 0.0  #: the last time
    tried_at: float = -math.inf  #: the last trial
    last_good: float = -math.inf
    last_bad: float = -math.inf
    reason: str = ""
    forced: Forced | None = None
    is_closed: bool = field(init=False)  #: what `state` says, at the cost of reading an attribute
    is_steady: bool = field(init=False)  #: closed, with all of its calls, and held by nobody
    _calls: RollingCount = field(init=False)
    _failed: RollingCount = field(init=False)
    _failures_in_row: int = 0
    _slow: SlowCalls | None = None  #: begun with the first call: of thousands, few are ever called
    _trial: Trial = field(init=False)
    _closed_since: float = 0.0
    _steady_at: float = 0.0
    _held: bool = False

    def __post_init__(self) -> None:
        self._calls = RollingCount(self.settings.window)
        self._failed = RollingCount(self.settings.window)
        self.is_closed = self.is_steady = self.state is BreakerState.CLOSED
        self._trial = NO_TRIAL if self.is_closed else Trial()

    def allow(self) -> bool:
        """May a call be made now? Where it is not closed, a True also hands out the one trial."""
        if self.is_closed:
            return True
        if not self.would_allow():
            return False
        if self.state is BreakerState.OPEN:
            self._half_open()
        self._trial.since = self.tried_at = self.clock.monotonic()
        return True

    def would_allow(self) -> bool:
        """Whether `allow` would say yes, without taking the trial."""
        if self.is_closed:
            return True
        now = self.clock.monotonic()
        if self.state is BreakerState.OPEN and (self.is_forced() or now < self._due()):
            return False
        return self._trial_is_free(now)

    def allow_early(self) -> bool:
        """The same before its time: for probes, and for who has nowhere else to ask.

        Never against an operator nor before a stated reset. Its success ends the waiting, its failure
        changes nothing.
        """
        if self.would_allow():
            return self.allow()
        if not self.would_allow_early():
            return False
        self._trial.since = self.tried_at = self.clock.monotonic()
        return True

    def would_allow_early(self) -> bool:
        """Whether `allow_early` would say yes, without taking the trial."""
        now = self.clock.monotonic()
        if self.state is BreakerState.OPEN and (self.is_forced() or now < self.reset_until):
            return False
        return self.is_closed or self._trial_is_free(now)

    def retry_after(self) -> float:
        """Seconds until the next trial may be made; 0 when one may be made now."""
        if self.state is not BreakerState.OPEN:
            return 0.0
        until = self.forced.until if self.forced and self.is_forced() else self._due()
        return max(0.0, until - self.clock.monotonic())

    def share(self) -> float:
        """Of the calls meant for it, how many it should get: 0.1 when it closes, rising to 1."""
        if self.is_steady:
            return 1.0
        if not self.is_closed:
            return 0.0
        now = self.clock.monotonic()
        self._settle(now)
        left = self._steady_at - now
        return 1.0 if left <= 0 else FIRST_SHARE + (1 - FIRST_SHARE) * (1 - left / self.settings.slow_start)

    def is_forced(self) -> bool:
        """Whether an operator's word holds; forgets one that has expired."""
        if self.forced is not None and self.clock.monotonic() >= self.forced.until:
            self.forced = None
        return self.forced is not None

    def is_pinned(self) -> bool:
        """Whether an operator wants it before all alternates."""
        return self.is_forced() and self.forced is not None and self.forced.kind is Force.PINNED

    def record_success(self, seconds: float) -> None:
        """One good call of so many seconds. The success of a trial before its time ends the waiting."""
        if self.state is BreakerState.OPEN and self._trial.since is not None:
            self._half_open()
        self.record_successes((seconds,))

    def record_successes(self, seconds: Sequence[float]) -> None:
        """The times of good calls since the last word on them, counted as of now."""
        count = len(seconds)
        if not count:
            return
        now = self.clock.monotonic()
        self.last_good = now
        self._failures_in_row = 0
        if self.state is BreakerState.HALF_OPEN:
            self._trial.since = None
            self._trial.successes += count
            beyond = self._trial.successes - self.settings.half_open_successes
            if beyond >= 0:
                self._close(now)
                # What came after the trial that closed it is the first of the clean slate.
                if not beyond:
                    return
                seconds, count = seconds[-beyond:], beyond
        elif self.openings and self.is_closed:
            self._forgive(now)
        self._calls.add(now, count)
        if self._slow_share(seconds) >= self.settings.ratio and self.is_closed and not self.is_forced():
            self._open(self.slow_reason, None, now)

    def record_failure(self, reason: str, reset_in: float | None = None, seconds: float = 0.0) -> None:
        """One failed call of so many `seconds`; after `reset_in` more the upstream says that it is back."""
        now = self.clock.monotonic()
        self.last_bad = now
        self._calls.add(now)
        self._failed.add(now)
        self._failures_in_row += 1
        slow = self._slow_share((seconds,)) >= self.settings.ratio
        if self.is_forced():
            return
        match self.state:
            case BreakerState.OPEN:
                self.release_trial()
                self._note_reset(reset_in, now)
            case BreakerState.CLOSED if not (slow or self._fails_too_often()):
                pass
            case _:
                self._open(reason, reset_in, now)

    def release_trial(self) -> None:
        """A call that was admitted ended without telling anything of the target."""
        if not self.is_closed:
            self._trial.since = None

    def hold(self, *, held: bool) -> None:
        """While it is held no call goes without asking, whatever the state says."""
        self._held = held
        self._settle(self.clock.monotonic())

    def force(self, kind: Force, *, seconds: float, reason: str, by: str) -> None:
        """An operator decides for so many seconds; then the calls decide again, beginning with a trial."""
        now = self.clock.monotonic()
        self.forced = Forced(kind, reason, by, now + seconds)
        if kind is Force.OPEN:
            self._reach(BreakerState.OPEN)
            self._trial = Trial()
            self.opened_at, self.open_until, self.reset_until = now, now + seconds, 0.0
        else:
            self._reach(BreakerState.CLOSED)
            self._begin_anew(now, steady_at=now)
        self.moved(self)

    def unforce(self) -> None:
        """The operator takes it back."""
        if self.is_forced() and self.state is BreakerState.OPEN:
            self.open_until = self.clock.monotonic()
        self.forced = None

    def excuse(self, since: float) -> None:
        """What failed since then was not its fault: an opening of that time is undone."""
        if self.is_forced() or self.last_bad < since:
            return
        now = self.clock.monotonic()
        if self.state is not BreakerState.CLOSED and self.opened_at >= since:
            self.openings -= 1
            self._reach(BreakerState.CLOSED)
            self._begin_anew(now, steady_at=now)
            self.moved(self)
        self._failures_in_row = 0
        self._failed.clear()

    def follow(self, other: "CircuitBreaker") -> None:
        """Be as `other` is: the two are treated as one. Not against an operator or a stated reset."""
        now = self.clock.monotonic()
        if self.is_forced() or now < self.reset_until:
            return
        was_closed = self.is_closed
        self._reach(other.state)
        self.openings = other.openings
        if not other.is_closed:
            self._trial, self.reason = other._trial, other.reason
            self.opened_at, self.open_until = other.opened_at, other.open_until
        elif not was_closed:
            self._begin_anew(now)

    def memory(self) -> BreakerMemory:
        """What should outlive a restart."""
        now, forced = self.clock.monotonic(), self.forced if self.is_forced() else None
        return BreakerMemory(
            state=self.state,
            openings=self.openings,
            reason=self.reason,
            opened_ago=now - self.opened_at,
            seconds_left=max(0.0, self.open_until - now),
            reset_left=max(0.0, self.reset_until - now),
            steady_in=max(0.0, self._steady_at - now),
            forced=forced.kind if forced else None,
            forced_reason=forced.reason if forced else "",
            forced_by=forced.by if forced else "",
            forced_left=forced.until - now if forced else 0.0,
        )

    def restore(self, memory: BreakerMemory) -> None:
        """Take up what was known before a restart, for no longer than may be; a trial begins again."""
        now, settings = self.clock.monotonic(), self.settings
        self.openings, self.reason, self._closed_since = memory.openings, memory.reason, now
        if memory.state is not BreakerState.CLOSED:
            self._reach(BreakerState.OPEN)
            self._trial = Trial()
            self.opened_at = now - memory.opened_ago
            self.open_until = now + min(max(0.0, memory.seconds_left), self._longest())
            self.reset_until = now + min(max(0.0, memory.reset_left), settings.reset_cap)
        elif self.has_alternate:
            self._steady_at = now + min(max(0.0, memory.steady_in), settings.slow_start)
        if memory.forced and memory.forced_left > 0:
            until = now + memory.forced_left
            self.forced = Forced(memory.forced, memory.forced_reason, memory.forced_by, until)
            if memory.forced is Force.OPEN:
                self.open_until = until
        self._settle(now)
        self.moved(self)

    def counts(self) -> tuple[int, int]:
        """Calls of the window, and how many of them failed."""
        now = self.clock.monotonic()
        self._calls.forget(now)
        self._failed.forget(now)
        return self._calls.total, self._failed.total

    def slow_share(self) -> float:
        """Of the last calls, as many as count; 0 until there were so many."""
        return self._slow.share() if self._slow else 0.0

    def _due(self) -> float:
        return max(self.open_until, self.reset_until)

    def _longest(self) -> float:
        """Seconds that its own open time may last."""
        return self.settings.open_cap * (1 + self.settings.jitter)

    def _trial_is_free(self, now: float) -> bool:
        since = self._trial.since
        return since is None or now - since >= self.trial_seconds

    def _fails_too_often(self) -> bool:
        calls, failed = self.counts()
        by_ratio = calls >= self.settings.min_calls and failed / calls >= self.settings.ratio
        return by_ratio or self._failures_in_row >= self.settings.consecutive

    def _slow_share(self, seconds: Sequence[float]) -> float:
        """With these among the last."""
        if self._slow is None:
            self._slow = SlowCalls(self.settings.slow_calls)
        return self._slow.note(seconds, self.slow_after)

    def _open(self, reason: str, reset_in: float | None, now: float) -> None:
        # A reset that was stated before and did not hold is believed only where it asks for more.
        is_believed = reset_in is not None and self.is_closed
        if self.is_closed:
            self._forgive(now)
            self._trial = Trial()
        self._move(BreakerState.OPEN)
        self.openings += 1
        self.opened_at, self.reason = now, reason
        wait = min(self.settings.open_cap, self.settings.open_base * self.openings)
        wait *= self.rng.uniform(1 - self.settings.jitter, 1 + self.settings.jitter)
        self.open_until = now if is_believed else now + wait
        self.reset_until = 0.0
        self._note_reset(reset_in, now)
        self._trial.since = None
        self.moved(self)

    def _note_reset(self, reset_in: float | None, now: float) -> None:
        if reset_in is not None:
            reset_in = min(reset_in, self.settings.reset_cap)
            self.reset_until = max(self.reset_until, now + reset_in)

    def _half_open(self) -> None:
        self._move(BreakerState.HALF_OPEN)
        self._trial.since, self._trial.successes = None, 0
        self.moved(self)

    def _close(self, now: float) -> None:
        self._move(BreakerState.CLOSED)
        self._begin_anew(now)
        self.moved(self)

    def _begin_anew(self, now: float, steady_at: float | None = None) -> None:
        """A clean slate; at first with few calls, where others can take the rest."""
        if steady_at is None:
            steady_at = now + self.settings.slow_start if self.has_alternate else now
        self.reason = ""
        self._calls.clear()
        self._failed.clear()
        self._slow = None
        self._failures_in_row = 0
        self._trial = NO_TRIAL
        self._closed_since, self._steady_at = now, steady_at
        self._settle(now)

    def _forgive(self, now: float) -> None:
        periods = int((now - self._closed_since) / self.settings.calm)
        if periods:
            self.openings = max(0, self.openings - periods)
            self._closed_since += periods * self.settings.calm

    def _reach(self, state: BreakerState) -> None:
        """By allowed moves only, with the one that lies between where there is one."""
        if state is not self.state and state not in ALLOWED[self.state]:
            [between] = ALLOWED[self.state]
            self._move(between)
        if state is not self.state:
            self._move(state)

    def _move(self, state: BreakerState) -> None:
        if state not in ALLOWED[self.state]:
            raise IllegalMove(f"circuit breaker {self.name}: {self.state} -> {state}")
        self.state = state
        self.is_closed, self.is_steady = state is BreakerState.CLOSED, False

    def _settle(self, now: float) -> None:
        self.is_steady = self.is_closed and not self._held and now >= self._steady_at

    def __repr__(self) -> str:
        trial = f", probes in {self.retry_after():.0f}s" if self.state is BreakerState.OPEN else ""
        calls, failed = self.counts()
        return f"<CircuitBreaker {self.name}: {self.state}, {failed} of {calls} failed{trial}>"
