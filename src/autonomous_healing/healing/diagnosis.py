"""What we believe is wrong, in words that every patient shares."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is; the bands are shares of failed calls."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    CRITICAL = "critical"
    FAILED = "failed"

    @property
    def word(self) -> str:
        """The same, as people say it of a fault."""
        return _WORDS[self]


_WORDS = {
    Severity.HEALTHY: "low",
    Severity.DEGRADED: "medium",
    Severity.CRITICAL: "high",
    Severity.FAILED: "critical",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """A fault by its general name and its place.

    The learner keeps its slow, general layer by `code` and its fast layer by `cluster`.
    """

    code: str  #: "API.RATE_LIMITED"
    cluster: str  #: "API.RATE_LIMITED:yahoo_finance"
    severity: Severity
    confidence: float
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.cluster} ({self.confidence:.2f})"
