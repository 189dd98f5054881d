"""A bound on extra calls, so that healing never becomes the outage."""

from dataclasses import dataclass, field
from math import ceil

from autonomous_healing.resilience.clock import Clock
from autonomous_healing.resilience.options import RetryBudgetSettings
from autonomous_healing.resilience.rolling_count import RollingCount


@dataclass(kw_only=True, slots=True)
class RetryBudget:
    """Extra calls in the window stay below `max(floor, ratio x first calls in it)`, and never reach it.

    Both are counted when they are *decided*, so that a crowd asleep in backoff cannot fire together.
    """

    clock: Clock
    settings: RetryBudgetSettings = field(default_factory=RetryBudgetSettings)
    _first: RollingCount = field(init=False)
    _extra: RollingCount = field(init=False)

    def __post_init__(self) -> None:
        self._first = RollingCount(self.settings.window)
        self._extra = RollingCount(self.settings.window)

    def count_first(self, count: int = 1) -> None:
        """So many first attempts were decided."""
        self._first.add(self.clock.monotonic(), count)

    def spend(self) -> bool:
        """Claim one extra call; False when the budget is spent."""
        if not self.left():
            return False
        self._extra.add(self.clock.monotonic())
        return True

    def left(self) -> int:
        """Extra calls that may still be decided now."""
        self._extra.forget(self.clock.monotonic())
        bound = max(self.settings.floor, round(self.settings.ratio * self.first_calls, 6))
        return max(0, ceil(bound) - 1 - self._extra.total)

    @property
    def extra_calls(self) -> int:
        """Extra calls decided in the window."""
        self._extra.forget(self.clock.monotonic())
        return self._extra.total

    @property
    def first_calls(self) -> int:
        """First attempts decided in the window."""
        self._first.forget(self.clock.monotonic())
        return self._first.total
