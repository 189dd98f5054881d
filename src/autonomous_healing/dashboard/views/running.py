"""Who works and what stands in the way: agents, circuits, limits, keys."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from autonomous_healing.agents.agent import AgentStatus
from autonomous_healing.dashboard.views.border import Moment, Seconds
from autonomous_healing.endpoint_healing.circuits import CircuitReading
from autonomous_healing.endpoint_healing.keys import KeyReading
from autonomous_healing.endpoint_healing.quotas.readings import QuotaReading


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
    source: str
    endpoint: str
    host: str
    state: str
    openings: int  #: in a row
    opened_for: Seconds | None
    retry_after: Seconds  #: until the next trial; 0 when a call may be made
    reason: str | None
    forced: str | None  #: what an operator wants of it: open, closed or pinned
    forced_by: str | None
    forced_reason: str | None
    forced_for: Seconds  #: so much longer
    share: float  #: of the calls meant for it that it gets, 0 to 1
    merged: bool  #: one with the others of its source and host
    calls: int  #: of the window
    failed: int
    slow_share: float  #: of the last calls


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaRow:
    """One limit of one key; of a source without keys, of all its calls."""

    source: str
    key: str | None  #: its alias
    window: str
    kind: str  #: fixed or sliding
    seconds: float
    limit: int | None  #: the one that holds; null where none is known
    declared: int | None
    estimated: int | None  #: what throttles and headers have taught
    used: int
    remaining: int | None
    share: float | None  #: that is used
    resets_in: Seconds | None
    eta: Seconds | None  #: until nothing is left, at the rate of late
    forecast: str | None  #: the code, where nothing will be left before it begins anew


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyRow:
    """One key, by its alias; its secret is told by nothing."""

    source: str
    alias: str
    state: str
    returns_in: Seconds | None  #: null where it is fit, or where only a person brings it back
    last_error: str | None  #: the code of its last refusal
    share: float  #: of its quota that is left, 0 to 1
    excluded: tuple[str, ...]  #: endpoints that its plan does not cover


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


def breaker_row(circuit: CircuitReading) -> BreakerRow:
    return BreakerRow(
        target=circuit.target,
        source=circuit.source,
        endpoint=circuit.endpoint,
        host=circuit.host,
        state=circuit.state.value,
        openings=circuit.openings,
        opened_for=circuit.opened_for,
        retry_after=circuit.until,
        reason=circuit.reason or None,
        forced=circuit.forced.value if circuit.forced else None,
        forced_by=circuit.forced_by or None,
        forced_reason=circuit.forced_reason or None,
        forced_for=circuit.forced_for,
        share=circuit.share,
        merged=circuit.merged,
        calls=circuit.calls,
        failed=circuit.failed,
        slow_share=circuit.slow_share,
    )


def quota_row(quota: QuotaReading) -> QuotaRow:
    return QuotaRow(
        source=quota.source,
        key=quota.key_alias or None,
        window=quota.window,
        kind=quota.kind,
        seconds=quota.seconds,
        limit=quota.limit,
        declared=quota.declared,
        estimated=quota.estimated,
        used=quota.used,
        remaining=quota.remaining,
        share=quota.share,
        resets_in=_seconds(quota.resets_in),
        eta=_seconds(quota.eta),
        forecast=quota.forecast,
    )


def key_row(key: KeyReading) -> KeyRow:
    return KeyRow(
        source=key.source,
        alias=key.alias,
        state=key.state.value,
        returns_in=key.seconds_left,
        last_error=key.last_error or None,
        share=key.share,
        excluded=key.excluded,
    )


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()
