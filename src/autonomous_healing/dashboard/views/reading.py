"""Reads the rooms as they are at this moment."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from autonomous_healing.agents.agent import AgentState
from autonomous_healing.alerts import Alert, AlertLevel
from autonomous_healing.alerts import to_json as alert_json
from autonomous_healing.alerts.alert import AlertState
from autonomous_healing.dashboard.rooms import Rooms
from autonomous_healing.dashboard.tally import SourceCount, Tally
from autonomous_healing.dashboard.views.healing import (
    HealingStatus,
    Numbers,
    ReportRow,
    healing_status,
    report_row,
    strategy_rows,
)
from autonomous_healing.dashboard.views.health import (
    EndpointHealth,
    HealthSummary,
    SourceHealth,
    endpoint_health,
    product_status,
    source_health,
)
from autonomous_healing.dashboard.views.listings import (
    AgentListing,
    AlertListing,
    BreakerListing,
    EndpointListing,
    KeyListing,
    QuotaListing,
    ReportListing,
    StrategyListing,
)
from autonomous_healing.dashboard.views.running import (
    AgentRow,
    agent_row,
    breaker_row,
    key_row,
    quota_row,
)
from autonomous_healing.endpoint_healing.endpoints import Endpoint, Source
from autonomous_healing.endpoint_healing.keys import KeyState
from autonomous_healing.endpoint_healing.observations import Timing
from autonomous_healing.endpoint_healing.trail import Trail


class UnknownCursor(LookupError):
    """A page was asked for from a place that is not kept any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """What changes on a dashboard and is told together."""

    status: Literal["healthy", "degraded", "failed"]
    storage: Literal["postgres", "away"]
    endpoints: tuple[EndpointHealth, ...]
    sources: tuple[SourceHealth, ...]
    numbers: Numbers


class Views:
    """Every view of the rooms. Reading is cheap, waits for nothing and never asks the database."""

    def __init__(self, rooms: Rooms, tally: Tally) -> None:
        self._rooms = rooms
        self._tally = tally

    def board(self) -> Board:
        endpoints = self._endpoint_rows()
        failed = any(status.state is AgentState.FAILED for status in self._rooms.agents())
        away = self._rooms.database.away_since is not None
        statuses = (row.status for row in endpoints)
        return Board(
            status=product_status(statuses, storage_away=away, agent_failed=failed),
            storage="away" if away else "postgres",
            endpoints=endpoints,
            sources=self._source_rows(endpoints),
            numbers=self._numbers(endpoints),
        )

    def summary(self) -> HealthSummary:
        board, now = self.board(), self._rooms.clock.now()
        return HealthSummary(
            status=board.status,
            storage=board.storage,
            timestamp=now,
            uptime=(now - self._rooms.started_at).total_seconds(),
        )

    def missing(self) -> tuple[str, ...]:
        """What the product waits for before it is ready."""
        return tuple(self._rooms.missing())

    def endpoints(self) -> EndpointListing:
        rows = self._endpoint_rows()
        return EndpointListing(endpoints=rows, count=len(rows))

    def open_alerts(self) -> tuple[Alert, ...]:
        """The gravest first."""
        return self._rooms.alerts.open()

    def alerts(self, level: AlertLevel | None = None, state: AlertState | None = None) -> AlertListing:
        """Open ones and the latest that are over, the newest first."""
        chosen = [
            one
            for one in self._rooms.alerts.recent()
            if level in (None, one.level) and state in (None, one.state)
        ]
        return AlertListing(alerts=tuple(alert_json(one) for one in chosen), count=len(chosen))

    def healing_status(self) -> HealingStatus:
        learned = self._rooms.learner.summary().cells
        return healing_status(self._rooms.journal.recent(), self._rooms.clock.now(), learned)

    def reports(self, limit: int, cursor: UUID | None = None) -> ReportListing:
        """The newest first, after the report that the cursor names; raises `UnknownCursor`."""
        reports = self._rooms.journal.recent()[::-1]
        if cursor is not None:
            place = next((n for n, one in enumerate(reports) if one.id == cursor), None)
            if place is None:
                raise UnknownCursor(f"no report {cursor} is kept")
            reports = reports[place + 1 :]
        rows: Sequence[ReportRow] = [report_row(one) for one in reports[:limit]]
        more = str(rows[-1].id) if len(reports) > limit else None
        return ReportListing(reports=tuple(rows), count=len(rows), next_cursor=more)

    def trail(self, trail_id: UUID) -> Trail | None:
        return self._rooms.healer.trails.find(trail_id)

    def strategies(self) -> StrategyListing:
        rows = strategy_rows(self._rooms.healer.cascade.strategies, self._tally)
        return StrategyListing(strategies=rows, count=len(rows))

    def breakers(self) -> BreakerListing:
        rows = tuple(breaker_row(one) for one in self._rooms.admission.circuits.readings())
        return BreakerListing(breakers=rows, count=len(rows))

    def quota(self) -> QuotaListing:
        limits = [self._rooms.admission.limits(source) for source in self._sources()]
        rows = tuple(quota_row(one) for each in limits for one in each.readings())
        return QuotaListing(quota=rows, count=len(rows))

    def extra_calls(self) -> list[tuple[str, int]]:
        """By source, those that count against its retry budget now."""
        return [(one.id, self._rooms.admission.limits(one).budget.extra_calls) for one in self._sources()]

    def felt(self) -> list[tuple[Endpoint, Mapping[str, int]]]:
        """By endpoint, what users' requests ended with since the start."""
        rooms = self._rooms
        return [(one, rooms.admission.window(one).felt_so_far) for one in rooms.endpoints]

    def cache_counts(self) -> dict[str, dict[str, int]]:
        """By cache, what it did since the start."""
        return self._rooms.cache_counts()

    def keys(self) -> KeyListing:
        limits = [self._rooms.admission.limits(source) for source in self._sources()]
        rows = tuple(key_row(one) for each in limits for one in each.keys.readings())
        return KeyListing(keys=rows, count=len(rows))

    def key_changes(self) -> list[tuple[str, Mapping[KeyState, int]]]:
        """By source, how often a key entered a state since the start; of those that need keys."""
        rings = [self._rooms.admission.limits(source).keys for source in self._sources()]
        return [(ring.source.id, ring.changes) for ring in rings if ring.needs_key]

    def agents(self) -> AgentListing:
        now = self._rooms.clock.now()
        rows = tuple(agent_row(status, now) for status in self._rooms.agents())
        return AgentListing(agents=rows, count=len(rows))

    def agent(self, agent_id: str) -> AgentRow | None:
        return next((row for row in self.agents().agents if row.id == agent_id), None)

    def troubles(self) -> Mapping[AlertLevel, int]:
        """All that alerts were told of since the start, by level."""
        return self._rooms.alerts.counts()

    def spool_bytes(self) -> int:
        return self._rooms.spool_bytes()

    def timings(self) -> Sequence[Timing]:
        """How long plain questions took that were answered well at once."""
        return self._rooms.timings()

    def _sources(self) -> tuple[Source, ...]:
        return tuple({endpoint.source.id: endpoint.source for endpoint in self._rooms.endpoints}.values())

    def _endpoint_rows(self) -> tuple[EndpointHealth, ...]:
        admission = self._rooms.admission
        return tuple(endpoint_health(endpoint, admission) for endpoint in self._rooms.endpoints)

    def _source_rows(self, endpoints: Sequence[EndpointHealth]) -> tuple[SourceHealth, ...]:
        rows: defaultdict[str, list[EndpointHealth]] = defaultdict(list)
        for row in endpoints:
            rows[row.source].append(row)
        counts = self._tally.sources
        return tuple(
            source_health(source, rows[source.id], counts.get(source.id, SourceCount()).healing_rate)
            for source in self._sources()
        )

    def _numbers(self, endpoints: Sequence[EndpointHealth]) -> Numbers:
        runs, events = self._tally.total(), self._rooms.events()
        return Numbers(
            healed=runs.healed,
            not_healed=runs.not_healed,
            healing_success=runs.healing_rate,
            avg_detection_time=self._tally.detection.mean,
            avg_healing_time=self._tally.healing.mean,
            user_facing_errors=sum(row.felt.error for row in endpoints),
            events_accepted=events.accepted,
            events_stored=events.stored,
            events_pending=events.pending,
            events_dropped=events.dropped,
        )
