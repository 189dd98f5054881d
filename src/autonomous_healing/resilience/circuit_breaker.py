"""Stops calling what keeps failing, and finds out by single trials when it works again."""

import random
from dataclasses import dataclass, field
from enum import StrEnum

from autonomous_healing.resilience.clock import Clock
from autonomous_healing.resilience.options import BreakerSettings
from autonomous_healing.resilience.rolling_count import RollingCount


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


#: The allowed moves; anything else is a bug.
ALLOWED: dict[BreakerState, frozenset[BreakerState]] = {
    BreakerState.CLOSED: frozenset({BreakerState.OPEN}),
    BreakerState.OPEN: frozenset({BreakerState.HALF_OPEN}),
    BreakerState.HALF_OPEN: frozenset({BreakerState.OPEN, BreakerState.CLOSED}),
}


class IllegalMove(RuntimeError):
    """A circuit breaker was asked for a move that its table does not allow."""


@dataclass(kw_only=True, slots=True)
class CircuitBreaker:
    """CLOSED until calls fail too often, OPEN for a while, HALF_OPEN for one trial at a time."""

    name: str
    clock: Clock
    settings: BreakerSettings = field(default_factory=BreakerSettings)
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    state: BreakerState = BreakerState.CLOSED
    openings: int = 0  #: in a row; falls with calm
    open_until: float = 0.0  #: monotonic seconds
    opened_at: float = 0.0  #: monotonic seconds, of the last opening
    reason: str = ""
    is_closed: bool = field(init=False)  #: what `state` says, at the cost of reading an attribute
    _calls: RollingCount = field(init=False)
    _failed: RollingCount = field(init=False)
    _failures_in_row: int = 0
    _trial_since: float | None = None
    _trial_successes: int = 0
    _closed_since: float = 0.0

    def __post_init__(self) -> None:
        self.is_closed = self.state is BreakerState.CLOSED
        self._calls = RollingCount(self.settings.window)
        self._failed = RollingCount(self.settings.window)

    def allow(self) -> bool:
        """May a call be made now? In HALF_OPEN a True also hands out the one trial."""
        if self.is_closed:
            return True
        now = self.clock.monotonic()
        if self.state is BreakerState.OPEN:
            if now < self.open_until:
                return False
            self._move(BreakerState.HALF_OPEN)
            self._trial_successes, self._trial_since = 0, None
        # A trial whose caller vanished must not block the target for ever.
        if self._trial_since is not None and now - self._trial_since < self.settings.open_base:
            return False
        self._trial_since = now
        return True

    def would_allow(self) -> bool:
        """Whether `allow` would say yes, without taking the trial."""
        match self.state:
            case BreakerState.CLOSED:
                return True
            case BreakerState.OPEN:
                return self.clock.monotonic() >= self.open_until
            case BreakerState.HALF_OPEN:
                return (
                    self._trial_since is None
                    or self.clock.monotonic() - self._trial_since >= self.settings.open_base
                )

    def retry_after(self) -> float:
        """Seconds until the next trial may be made; 0 when one may be made now."""
        return max(0.0, self.open_until - self.clock.monotonic()) if self.state is BreakerState.OPEN else 0.0

    def record_success(self) -> None:
        self.record_successes(1)

    def record_successes(self, count: int) -> None:
        """So many good calls since the last word on them, counted as of now."""
        if not count:
            return
        self._failures_in_row = 0
        if self.state is BreakerState.HALF_OPEN:
            self._trial_since = None
            self._trial_successes += count
            beyond = self._trial_successes - self.settings.half_open_successes
            if beyond < 0:
                self._note(succeeded=count)
                return
            self._close()
            # What came after the trial that closed it is the first of the clean slate.
            count = beyond
        elif self.is_closed and self.openings:
            self._forgive()
        self._note(succeeded=count)

    def record_failure(self, reason: str, reset_in: float | None = None) -> None:
        """One failed call; `reset_in` is what the upstream itself says of its return, in seconds."""
        self._note(failed=1)
        self._failures_in_row += 1
        match self.state:
            case BreakerState.HALF_OPEN:
                self._open(reason, reset_in)
            case BreakerState.CLOSED if self._too_many():
                self._open(reason, reset_in)
            case _:
                pass

    def release_trial(self) -> None:
        """A call that `allow` admitted ended without telling anything of the target."""
        self._trial_since = None

    def restore(self, *, state: BreakerState, openings: int, seconds_left: float, reason: str) -> None:
        """Take up what was known before a restart; a half-open trial starts again from OPEN."""
        self.openings, self.reason = openings, reason
        if state is BreakerState.CLOSED:
            return
        self.state, self.is_closed = BreakerState.OPEN, False
        self.open_until = self.clock.monotonic() + max(0.0, seconds_left)

    def _note(self, *, succeeded: int = 0, failed: int = 0) -> None:
        now = self.clock.monotonic()
        self._calls.add(now, succeeded + failed)
        self._failed.add(now, failed)

    def _too_many(self) -> bool:
        calls, failed = self._calls.total, self._failed.total
        by_ratio = calls >= self.settings.min_calls and failed / calls >= self.settings.ratio
        return self._failures_in_row >= self.settings.consecutive or by_ratio

    def _open(self, reason: str, reset_in: float | None) -> None:
        self._move(BreakerState.OPEN)
        self.openings += 1
        self.opened_at = self.clock.monotonic()
        self.reason = reason
        wait = min(self.settings.open_cap, self.settings.open_base * self.openings)
        wait *= self.rng.uniform(1 - self.settings.jitter, 1 + self.settings.jitter)
        self.open_until = self.clock.monotonic() + (reset_in if reset_in is not None else wait)

    def _close(self) -> None:
        self._move(BreakerState.CLOSED)
        self.reason = ""
        self._calls.clear()
        self._failed.clear()
        self._failures_in_row = 0
        self._closed_since = self.clock.monotonic()

    def _forgive(self) -> None:
        if self.clock.monotonic() - self._closed_since >= self.settings.calm:
            self.openings -= 1
            self._closed_since = self.clock.monotonic()

    def _move(self, state: BreakerState) -> None:
        if state not in ALLOWED[self.state]:
            raise IllegalMove(f"circuit breaker {self.name}: {self.state} -> {state}")
        self.state = state
        self.is_closed = state is BreakerState.CLOSED

    def __repr__(self) -> str:
        trial = f", probes in {self.retry_after():.0f}s" if self.state is BreakerState.OPEN else ""
        failed = f"{self._failed.total} of {self._calls.total} failed"
        return f"<CircuitBreaker {self.name}: {self.state}, {failed}{trial}>"
