"""What the dashboard looks at. It reads these rooms, and writes to none but the audit log."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from autonomous_healing.agents.agent import AgentStatus
from autonomous_healing.alerts import AlertManager, WebChannel
from autonomous_healing.database import Database
from autonomous_healing.database.writer import WriterCounts
from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.controls import Controls
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.healer import EndpointHealer
from autonomous_healing.endpoint_healing.observations import Timing
from autonomous_healing.healing import Journal
from autonomous_healing.learning import NestedLearner
from autonomous_healing.resilience import Clock
from autonomous_healing.safety.audit import AuditTrail


@dataclass(frozen=True, kw_only=True, slots=True)
class Rooms:
    """The live objects of the product, as the application built them."""

    endpoints: tuple[Endpoint, ...]
    admission: Admission
    healer: EndpointHealer
    journal: Journal
    learner: NestedLearner
    alerts: AlertManager
    web: WebChannel
    agents: Callable[[], Sequence[AgentStatus]]
    database: Database
    audit: AuditTrail
    controls: Controls
    events: Callable[[], WriterCounts]  #: what became of all events so far
    spool_bytes: Callable[[], int]  #: events that wait on disk
    timings: Callable[[], Sequence[Timing]]  #: of good answers, by endpoint
    cache_counts: Callable[[], dict[str, dict[str, int]]]  #: by cache and outcome
    missing: Callable[[], Sequence[str]]  #: what is not up yet; empty when the product is ready
    clock: Clock
    started_at: datetime
