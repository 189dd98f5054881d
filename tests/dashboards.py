"""A dashboard over real rooms whose providers, database and agents are still."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from autonomous_healing.agents.agent import AgentState, AgentStatus
from autonomous_healing.alerts import AlertManager, AlertSettings, WebChannel
from autonomous_healing.dashboard import Dashboard, Rooms, ServerSettings
from autonomous_healing.database import Database, DatabaseSettings
from autonomous_healing.database.writer import WriterCounts
from autonomous_healing.endpoint_healing.assembly import Mind, build_healer, build_parts
from autonomous_healing.endpoint_healing.caching.memory import Memory
from autonomous_healing.endpoint_healing.call import Call, FailedCall, Failure, Origin, Response
from autonomous_healing.endpoint_healing.catalog import build_endpoints, default_sources
from autonomous_healing.endpoint_healing.controls import Controls
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.fidelity import Fidelity, Policy
from autonomous_healing.endpoint_healing.freshness import Sessions
from autonomous_healing.endpoint_healing.observations import Timing
from autonomous_healing.endpoint_healing.options import HealingSettings, SourceSettings
from autonomous_healing.endpoint_healing.trail import EndpointReport, Trail
from autonomous_healing.healing import Attempt, Diagnosis, HealingReport, Journal, Outcome, Severity
from autonomous_healing.learning import LearningSettings, NestedLearner
from autonomous_healing.resilience import Clock, Deadline, uuid7_from
from autonomous_healing.safety import AuthSettings, Guard
from autonomous_healing.safety.audit import AuditTrail
from autonomous_healing.safety.store import AuditStore
from tests.clock import ManualClock

NOWHERE = DatabaseSettings(mode="external", dsn="postgresql://nowhere/none")

NO_EVENTS = WriterCounts(accepted=0, stored=0, spooled=0, dead=0, dropped=0, pending=0)


@dataclass
class World:
    """The rooms, and what a test does in them."""

    clock: Clock = field(default_factory=ManualClock)
    missing: list[str] = field(default_factory=list)
    agents: list[AgentStatus] = field(default_factory=list)
    events: WriterCounts = NO_EVENTS
    sources: Mapping[str, SourceSettings] = field(default_factory=default_sources)
    timings: list[Timing] = field(default_factory=list)
    secrets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    database: Database = field(default_factory=lambda: Database(NOWHERE, ManualClock()))

    def __post_init__(self) -> None:
        clock, settings, sources = self.clock, HealingSettings(), self.sources
        self.new_id = uuid7_from(clock)
        self.endpoints = build_endpoints(sources)
        self.parts = parts = build_parts(self.endpoints, sources, self.secrets, settings, Sessions(()), clock)
        self.admission = parts.admission
        self.journal, self.web = Journal(), WebChannel()
        self.learner = NestedLearner(LearningSettings(), random.Random(1))
        mind = Mind(guard=Guard(), learner=self.learner, learning=LearningSettings())
        self.healer = build_healer(parts, settings, mind, self.journal, clock, random.Random(1))
        numbers = itertools.count(1)
        self.alerts = AlertManager(
            clock=clock,
            settings=AlertSettings(),
            new_number=lambda: next(numbers),
            channels=(self.web,),
        )
        self.rooms = Rooms(
            endpoints=self.endpoints,
            admission=self.admission,
            healer=self.healer,
            journal=self.journal,
            learner=self.learner,
            alerts=self.alerts,
            web=self.web,
            agents=self._statuses,
            database=self.database,
            audit=AuditTrail(AuditStore(self.database)),
            controls=Controls(parts, Memory(100, 1_048_576), None),
            events=lambda: self.events,
            spool_bytes=lambda: 4096,
            timings=lambda: self.timings,
            cache_counts=lambda: {"copies": parts.cache.counts()},
            missing=lambda: tuple(self.missing),
            clock=clock,
            started_at=clock.now(),
        )

    def endpoint(self, place: str) -> Endpoint:
        return next(one for one in self.endpoints if one.place == place)

    def report(
        self, place: str = "yahoo_finance/chart", *, cure: str | None = "use_cached_data", **changes: Any
    ) -> EndpointReport:
        """A healing that ends now, by the strategy that is named or by none."""
        return report_of(self.endpoint(place), self.clock.now(), self.clock, self.new_id(), cure, **changes)

    def heal(self, place: str = "yahoo_finance/chart", **how: Any) -> EndpointReport:
        """Record one healing, as the healer does."""
        report = self.report(place, **how)
        self.healer.trails.keep(Trail(report))
        self.journal.record(report)
        return report

    def agent(self, name: str, **changes: Any) -> None:
        known: dict[str, Any] = {
            "name": name,
            "state": AgentState.RUNNING,
            "last_success": self.clock.now(),
            "last_error": "",
            "restarts": 0,
            "inbox_depth": 0,
            "processed": 1,
        }
        self.agents.append(AgentStatus(**(known | changes)))

    def _statuses(self) -> Sequence[AgentStatus]:
        return self.agents


def report_of(
    endpoint: Endpoint,
    at: datetime,
    clock: Clock,
    report_id: Any,
    cure: str | None,
    *,
    origin: Origin = "live",
    code: str = "API.SERVER_ERROR",
    detect_seconds: float = 0.25,
    heal_seconds: float = 0.125,
) -> EndpointReport:
    call = Call(
        id=report_id,
        endpoint=endpoint,
        params={"symbol": "AAPL"},
        policy=Policy(),
        deadline=Deadline(clock, 15.0),
        origin=origin,
    )
    failure = Failure(
        endpoint=endpoint,
        host=endpoint.source.hosts[0],
        observed_at=at,
        elapsed=timedelta(seconds=detect_seconds),
        status=503,
        message="HTTP 503",
    )
    tried = Attempt(
        strategy="exponential_backoff_retry",
        outcome=Outcome.FAILED,
        reason="HTTP 503",
        started_at=at,
        seconds=0.1,
    )
    cured = Attempt(strategy=cure or "", outcome=Outcome.HEALED, started_at=at, seconds=0.02)
    skipped = Attempt(
        strategy="reduce_request_size", outcome=Outcome.SKIPPED, reason="nothing to cut", started_at=at
    )
    return HealingReport(
        id=report_id,
        patient="endpoint",
        origin=origin,
        case=FailedCall(call=call, failure=failure),
        diagnosis=Diagnosis(
            code=code, cluster=f"{code}:{endpoint.source.id}", severity=Severity.CRITICAL, confidence=0.9
        ),
        attempts=(tried, cured, skipped) if cure else (tried, skipped),
        cure=_cure(endpoint, at) if cure else None,
        observed_at=at,
        diagnosed_at=at,
        ended_at=at,
        detect_seconds=detect_seconds,
        heal_seconds=heal_seconds,
    )


def _cure(endpoint: Endpoint, at: datetime) -> Response:
    return Response(
        status=200,
        content_type="application/json",
        body=b"{}",
        source=endpoint.source.id,
        host=endpoint.source.hosts[0],
        fetched_at=at,
        fidelity=Fidelity.STALE,
        age=12.0,
    )


#: This machine may read, as often as tests ask.
EVERYBODY_HERE = AuthSettings(rate_limit_per_minute=1_000_000)


@asynccontextmanager
async def served(
    world: World, auth: AuthSettings = EVERYBODY_HERE, **settings: Any
) -> AsyncIterator[Dashboard]:
    """A dashboard on a port of its own, followed and answering."""
    options = {"dashboard_port": 0, "drain_seconds": 1.0} | settings
    dashboard = Dashboard(world.rooms, ServerSettings(**options), auth)
    await dashboard.start()
    following = asyncio.create_task(dashboard.run())
    try:
        yield dashboard
    finally:
        world.journal.close()
        await following
        await dashboard.stop()
