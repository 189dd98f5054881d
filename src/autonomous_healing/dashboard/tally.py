"""Counts of what the journal told since the start, in memory that does not grow."""

from bisect import bisect_left
from dataclasses import dataclass, field

from autonomous_healing.healing import Attempt, Outcome, Report

#: Upper edges in seconds: around the targets of 0.5, 3 and 5 s (spec: README, section 4).
EDGES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0)

#: Names counted apart at most; there are about ten strategies and five sources.
MOST_NAMES = 100

#: Under which the names beyond are counted together.
OTHERS = "others"


@dataclass(slots=True)
class Spread:
    """How long things took."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))  #: the last: beyond all edges
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(EDGES, seconds)] += 1
        self.seconds += seconds

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        return self.seconds / self.count if self.count else None


@dataclass(slots=True)
class StrategyCount:
    """How one strategy fared, from whatever origin."""

    outcomes: dict[Outcome, int] = field(default_factory=dict)  #: of attempts that were really made
    healing: Spread = field(default_factory=Spread)  #: of those that healed

    @property
    def succeeded(self) -> int:
        return self.outcomes.get(Outcome.HEALED, 0)

    @property
    def failed(self) -> int:
        return sum(self.outcomes.values()) - self.succeeded


@dataclass(slots=True)
class SourceCount:
    """How users' failed requests to one source ended."""

    healed: int = 0
    not_healed: int = 0

    @property
    def healing_rate(self) -> float | None:
        runs = self.healed + self.not_healed
        return self.healed / runs if runs else None


@dataclass(slots=True)
class Tally:
    """Users' requests are counted by source, with their times; attempts of any origin by strategy."""

    sources: dict[str, SourceCount] = field(default_factory=dict)
    strategies: dict[str, StrategyCount] = field(default_factory=dict)
    detection: Spread = field(default_factory=Spread)
    healing: Spread = field(default_factory=Spread)  #: of the healed ones

    def count(self, report: Report, source: str) -> None:
        """Add one report about `source`."""
        for attempt in report.attempts:
            if attempt.tried:
                self._count_attempt(attempt)
        if report.origin == "live":
            self._count_run(report, source)

    def total(self) -> SourceCount:
        """All sources together."""
        counts = self.sources.values()
        return SourceCount(sum(one.healed for one in counts), sum(one.not_healed for one in counts))

    def _count_attempt(self, attempt: Attempt) -> None:
        count = self.strategies.setdefault(_name(attempt.strategy, self.strategies), StrategyCount())
        count.outcomes[attempt.outcome] = count.outcomes.get(attempt.outcome, 0) + 1
        if attempt.healed:
            count.healing.add(attempt.seconds)

    def _count_run(self, report: Report, source: str) -> None:
        count = self.sources.setdefault(_name(source, self.sources), SourceCount())
        self.detection.add(report.detect_seconds)
        if report.healed:
            count.healed += 1
            self.healing.add(report.heal_seconds)
        else:
            count.not_healed += 1


def _name(name: str, known: dict[str, StrategyCount] | dict[str, SourceCount]) -> str:
    return name if name in known or len(known) < MOST_NAMES else OTHERS
