"""A bound on extra calls, so that healing never becomes the outage."""

from collections import deque
from dataclasses import dataclass, field

from autonomous_healing.resilience.clock import Clock
from autonomous_healing.resilience.options import RetryBudgetSettings


@dataclass(kw_only=True)
class RetryBudget:
    """Extra calls in the window stay below `max(floor, ratio x first calls in the window)`.

    Both are counted when they are *decided*, so that a crowd asleep in backoff cannot fire together.
    """

    clock: Clock
    settings: RetryBudgetSettings = field(default_factory=RetryBudgetSettings)
    _first: deque[float] = field(default_factory=deque)
    _extra: deque[float] = field(default_factory=deque)

    def count_first(self) -> None:
        """A first attempt was decided."""
        now = self.clock.monotonic()
        self._first.append(now)
        _forget_before(self._first, now - self.settings.window)

    def spend(self) -> bool:
        """Claim one extra call; False when the budget is spent."""
        if not self.left():
            return False
        self._extra.append(self.clock.monotonic())
        return True

    def left(self) -> int:
        """Extra calls that may still be decided now."""
        edge = self.clock.monotonic() - self.settings.window
        _forget_before(self._first, edge)
        _forget_before(self._extra, edge)
        return max(
            0, int(max(self.settings.floor, self.settings.ratio * len(self._first))) - len(self._extra)
        )


def _forget_before(times: deque[float], edge: float) -> None:
    while times and times[0] <= edge:
        times.popleft()
