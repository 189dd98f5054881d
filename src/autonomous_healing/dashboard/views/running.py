"""Who works and what stands open: agents, circuit breakers, limits."""

from dataclasses import dataclass
from datetime import datetime

from autonomous_healing.agents.agent import AgentStatus
from autonomous_healing.dashboard.views.border import Moment, Seconds
from autonomous_healing.resilience import CircuitBreaker


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentRow:
    """One agent as it was measured."""

    id: str
    state: str
    health: str  #: by the age of its last success
    last_success: Moment | None
    last_error: str | None
    restarts: int
    inbox_depth: int
    processed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerRow:
    """The circuit of one target: an endpoint at one host."""

    target: str
    state: str
    openings: int  #: in a row
    retry_after: Seconds  #: until the next trial; 0 when a call may be made
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaRow:
    """One limit of one source."""

    source: str
    seconds: float
    limit: int
    used: int


def agent_row(status: AgentStatus, now: datetime) -> AgentRow:
    return AgentRow(
        id=status.name,
        state=status.state.value,
        health=status.health(now),
        last_success=status.last_success,
        last_error=status.last_error or None,
        restarts=status.restarts,
        inbox_depth=status.inbox_depth,
        processed=status.processed,
    )


def breaker_row(breaker: CircuitBreaker) -> BreakerRow:
    return BreakerRow(
        target=breaker.name,
        state=breaker.state.value,
        openings=breaker.openings,
        retry_after=breaker.retry_after(),
        reason=breaker.reason or None,
    )
