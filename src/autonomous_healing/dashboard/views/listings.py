"""The lists as interfaces answer with them: rows under their name, how many, where the next page begins."""

from dataclasses import dataclass
from typing import Any

from autonomous_healing.dashboard.views.audit import AuditRow
from autonomous_healing.dashboard.views.healing import ReportRow, StrategyRow
from autonomous_healing.dashboard.views.health import EndpointHealth
from autonomous_healing.dashboard.views.running import AgentRow, BreakerRow, KeyRow, QuotaRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    count: int  #: rows in this answer
    next_cursor: str | None = None  #: None where there is no further page


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointListing(Listing):
    endpoints: tuple[EndpointHealth, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertListing(Listing):
    alerts: tuple[dict[str, Any], ...]  #: as `alerts` writes them


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportListing(Listing):
    reports: tuple[ReportRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StrategyListing(Listing):
    strategies: tuple[StrategyRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerListing(Listing):
    breakers: tuple[BreakerRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaListing(Listing):
    quota: tuple[QuotaRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyListing(Listing):
    keys: tuple[KeyRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentListing(Listing):
    agents: tuple[AgentRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditListing(Listing):
    entries: tuple[AuditRow, ...]
