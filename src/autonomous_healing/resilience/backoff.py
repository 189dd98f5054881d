"""How long to wait before the next try."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Exponential growth under a cap, spread by jitter so that callers do not return together."""

    base: float  #: seconds before the first retry, at most
    cap: float  #: seconds, never exceeded
    factor: float = 2.0

    def ceiling(self, attempt: int) -> float:
        """The longest wait before retry `attempt` (0 is the first), in seconds."""
        try:
            return float(min(self.cap, self.base * self.factor**attempt))
        except OverflowError:
            return self.cap

    def full_jitter(self, attempt: int, rng: random.Random) -> float:
        """Anything from nothing to the ceiling (AWS Architecture Blog, "Exponential Backoff and Jitter")."""
        return rng.uniform(0.0, self.ceiling(attempt))

    def equal_jitter(self, attempt: int, rng: random.Random, floor: float = 0.0) -> float:
        """At least half the ceiling, and never below `floor`: for throttles, where zero would be rude."""
        half = self.ceiling(attempt) / 2
        return max(floor, half + rng.uniform(0.0, half))
