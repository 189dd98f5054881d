"""What became of calls to an endpoint in a span of time, so that spans can be added up."""

from collections import Counter
from dataclasses import dataclass, field

#: Felt outcomes that are no cure.
UNHEALED = frozenset({"fresh", "error"})


@dataclass(slots=True)
class Tally:
    """Counts only; `times` of good answers, by buckets of `resilience.rolling_histogram`."""

    succeeded: int = 0
    failed: int = 0
    caller_errors: int = 0
    felt: Counter[str] = field(default_factory=Counter)
    times: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Those of another span too."""
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.caller_errors += other.caller_errors
        self.felt.update(other.felt)
        self.times.update(other.times)

    @property
    def healed(self) -> int:
        """Users' requests that ended with a cure."""
        return sum(times for felt, times in self.felt.items() if felt not in UNHEALED)

    def __bool__(self) -> bool:
        return bool(self.succeeded or self.failed or self.caller_errors or self.felt)
