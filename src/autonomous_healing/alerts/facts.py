"""What alerts are told of the world, as plain facts. Nothing here knows who will hear of it."""

from dataclasses import dataclass
from datetime import datetime

from autonomous_healing.alerts.alert import AlertLevel, Felt


@dataclass(frozen=True, kw_only=True, slots=True)
class Telling:
    """How a trouble is told that no endpoint measures: whoever sees it knows how grave it is."""

    level: AlertLevel
    title: str  #: "FRED - No key left"
    message: str
    actions: tuple[str, ...]  #: what people can do


@dataclass(frozen=True, kw_only=True, slots=True)
class TroubleSeen:
    """One failure at one endpoint, told when healing has cured it, given up or was not asked."""

    source: str  #: "yahoo_finance"
    source_name: str  #: "Yahoo Finance"
    endpoint: str  #: "/chart"
    code: str  #: "API.RATE_LIMITED"
    cluster: str  #: "API.RATE_LIMITED:yahoo_finance"
    health_status: str  #: of the upstream: "healthy", "degraded", "critical", "failed" or "unknown"
    error_rate: float | None  #: of the upstream, 0 to 1, whatever healing masks; None: no samples
    felt: Felt  #: of this endpoint; its `error` is the felt error rate that the level goes by
    healed: bool  #: whoever asked got a truthful answer all the same
    attempted: bool  #: healing was set to work on it, even if no strategy could be tried
    strategy: str | None  #: the one that cured
    tried: tuple[str, ...]  #: strategies that really ran, in order, the one that cured included
    message: str  #: what went wrong, said to a person, without secrets
    origin: str  #: "live", "probe" or "drill"
    at: datetime  #: when the failure was diagnosed
    affected_endpoints: tuple[str, ...]  #: of the source, that have this fault now; this one may be left out
    source_endpoints: int  #: how many endpoints of the source are known, well or not
    telling: Telling | None = None  #: in place of what follows from the rest

    @property
    def affected(self) -> frozenset[str]:
        """The endpoints that share the fault, this one included."""
        return frozenset((self.endpoint, *self.affected_endpoints))


@dataclass(frozen=True, kw_only=True, slots=True)
class Truthful:
    """The source itself answered truthfully at one endpoint, or was read as healthy again.

    Never a healed answer and never a copy: those say nothing of the fault's end. One exchange is one
    `Truthful`, however many requests it answered.
    """

    source: str
    endpoint: str
    at: datetime  #: when the answer was found good
