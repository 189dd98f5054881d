"""The moment by which something must be done, and what is left until then."""

from dataclasses import dataclass
from typing import Self

from autonomous_healing.resilience.clock import Clock


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock that may only move closer."""

    clock: Clock
    at: float  #: monotonic seconds

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> Self:
        return cls(clock, clock.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self.at - self.clock.monotonic())

    def passed(self) -> bool:
        return self.clock.monotonic() >= self.at

    def within(self, seconds: float) -> "Deadline":
        """The earlier of this deadline and `seconds` from now."""
        return Deadline(self.clock, min(self.at, self.clock.monotonic() + seconds))

    def __repr__(self) -> str:
        return f"<Deadline in {self.remaining():.2f}s>"
