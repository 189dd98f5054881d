"""How endpoints, sources and the whole have been doing."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from autonomous_healing.dashboard.views.border import Moment, Percent, Rate, Seconds
from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.endpoints import Endpoint, Source
from autonomous_healing.endpoint_healing.health import BUCKET, BUCKETS, FELT_ERROR, Health
from autonomous_healing.healing import Severity

UNKNOWN = "unknown"

#: Worst last; unknown is better than nothing else.
STATUSES = (UNKNOWN, *(severity.value for severity in Severity))


@dataclass(frozen=True, kw_only=True, slots=True)
class QuotaUse:
    """One limit of a source and the calls counted in its window now."""

    seconds: float
    limit: int
    used: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Felt:
    """What users' requests of the window ended with."""

    fresh: int
    exact: int
    equivalent: int
    stale: int
    reduced: int
    substitute: int
    error: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointHealth:
    """One endpoint in its window of `window_seconds`; there is no forecast until something makes one."""

    source: str
    endpoint: str
    status: str
    total_requests: int
    failed_requests: int
    error_rate: Rate | None
    avg_response_time: Seconds | None
    last_success: Moment | None
    last_failure: Moment | None
    consecutive_failures: int
    uptime_percentage: Percent | None
    healed_share: Rate | None
    felt: Felt
    breaker: str  #: of the host that the next call would go to
    quota: tuple[QuotaUse, ...]  #: of the whole source
    window_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceHealth:
    """A source by its endpoints: the worst status, mean uptime, rates over all calls."""

    source: str
    display_name: str
    status: str
    uptime_percentage: Percent | None
    error_rate: Rate | None
    avg_response_time: Seconds | None
    total_requests: int
    healing_rate: Rate | None  #: of users' requests since the start


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthSummary:
    """The product in one line."""

    status: Literal["healthy", "degraded", "failed"]
    storage: Literal["postgres", "away"]
    timestamp: Moment
    uptime: Seconds


def endpoint_health(endpoint: Endpoint, admission: Admission) -> EndpointHealth:
    health = admission.window(endpoint).read()
    return EndpointHealth(
        source=endpoint.source.id,
        endpoint=endpoint.name,
        status=health.status_word,
        total_requests=health.total,
        failed_requests=health.failed,
        error_rate=health.error_rate,
        avg_response_time=health.average_seconds,
        last_success=health.last_success,
        last_failure=health.last_failure,
        consecutive_failures=health.consecutive_failures,
        uptime_percentage=_uptime(health),
        healed_share=health.healed_share,
        felt=_felt(health),
        breaker=admission.breaker(endpoint, admission.choose_host(endpoint)).state.value,
        quota=quota_use(endpoint.source, admission),
        window_seconds=BUCKET * BUCKETS,
    )


def quota_use(source: Source, admission: Admission) -> tuple[QuotaUse, ...]:
    """Windows of all its keys together; what is not limited is left out."""
    windows = defaultdict(list)
    for reading in admission.limits(source).readings():
        if reading.limit is not None:
            windows[reading.seconds].append(reading)
    return tuple(
        QuotaUse(
            seconds=seconds, limit=sum(one.limit or 0 for one in found), used=sum(one.used for one in found)
        )
        for seconds, found in windows.items()
    )


def source_health(source: Source, rows: Sequence[EndpointHealth], healing_rate: float | None) -> SourceHealth:
    """`rows` are the source's endpoints."""
    total = sum(row.total_requests for row in rows)
    failed = sum(row.failed_requests for row in rows)
    uptimes = [row.uptime_percentage for row in rows if row.uptime_percentage is not None]
    return SourceHealth(
        source=source.id,
        display_name=source.display_name,
        status=worst(row.status for row in rows),
        uptime_percentage=sum(uptimes) / len(uptimes) if uptimes else None,
        error_rate=failed / total if total else None,
        avg_response_time=_mean_response(rows),
        total_requests=total,
        healing_rate=healing_rate,
    )


def worst(statuses: Iterable[str]) -> str:
    return max(statuses, key=STATUSES.index, default=UNKNOWN)


def product_status(
    statuses: Iterable[str], *, storage_away: bool, agent_failed: bool
) -> Literal["healthy", "degraded", "failed"]:
    """Failed when every endpoint that is known at all has failed; degraded when anything is amiss."""
    known = [status for status in statuses if status != UNKNOWN]
    if known and all(status == Severity.FAILED for status in known):
        return "failed"
    well = all(status == Severity.HEALTHY for status in known)
    return "healthy" if well and not storage_away and not agent_failed else "degraded"


def _uptime(health: Health) -> float | None:
    """A window that never saw a call knows nothing of being up."""
    return health.uptime_percentage if health.seen else None


def _felt(health: Health) -> Felt:
    counts = health.felt
    return Felt(
        fresh=counts.get("fresh", 0),
        exact=counts.get("exact", 0),
        equivalent=counts.get("equivalent", 0),
        stale=counts.get("stale", 0),
        reduced=counts.get("reduced", 0),
        substitute=counts.get("substitute", 0),
        error=counts.get(FELT_ERROR, 0),
    )


def _mean_response(rows: Iterable[EndpointHealth]) -> float | None:
    timed = [
        (row.avg_response_time, row.total_requests - row.failed_requests)
        for row in rows
        if row.avg_response_time is not None
    ]
    answers = sum(count for _, count in timed)
    return sum(seconds * count for seconds, count in timed) / answers if answers else None
