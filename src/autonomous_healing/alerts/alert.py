"""What is told to people, as plain facts with a life cycle."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum, StrEnum


class AlertLevel(IntEnum):
    INFO = 0
    WARNING = 1
    ERROR = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        return self.name.lower()


class AlertState(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"


#: The allowed moves; anything else is a bug.
ALLOWED = {
    AlertState.FIRING: frozenset({AlertState.RESOLVED}),
    AlertState.RESOLVED: frozenset[AlertState](),
}


class IllegalMove(RuntimeError):
    """An alert was asked for a move that its table does not allow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Felt:
    """What users got in the last 300 s, as shares (0 to 1) of their requests; None where unknown.

    They need not add up to one: an equivalent from another place has no share of its own.
    """

    exact: float | None = None  #: the source's own present data
    stale: float | None = None  #: an older copy that says so
    reduced: float | None = None  #: less, or coarser
    substitute: float | None = None  #: something else in its place
    error: float | None = None  #: no truthful answer; without traffic, the share of probes that brought none


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One trouble, told once and updated while it lasts."""

    id: str  #: "alert_<n>_<epoch>"
    fingerprint: str  #: of (code, source, scope)
    timestamp: datetime
    level: AlertLevel
    title: str
    message: str
    source: str
    endpoint: str  #: "*": several of the source
    code: str  #: "*": several
    cluster: str
    health_status: str
    error_rate: float | None
    affected_endpoints: tuple[str, ...]
    healing_attempted: bool
    healing_successful: bool
    tried: tuple[str, ...]
    recommended_actions: tuple[str, ...]
    state: AlertState = AlertState.FIRING
    occurrences: int = 1
    auto_resolve: bool = True
    resolved_at: datetime | None = None
    felt: Felt = Felt()

    def resolved(self, at: datetime) -> "Alert":
        """The same alert, over; raises `IllegalMove` for one that is over already."""
        if AlertState.RESOLVED not in ALLOWED[self.state]:
            raise IllegalMove(f"{self.id}: {self.state} -> {AlertState.RESOLVED}")
        return replace(self, state=AlertState.RESOLVED, resolved_at=at)
