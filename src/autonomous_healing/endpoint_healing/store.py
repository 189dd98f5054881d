"""Failures and health in PostgreSQL. The statements are in store.sql, by name."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from autonomous_healing.database import Database, Row, load_queries
from autonomous_healing.endpoint_healing.codes import ERROR_TYPE
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.health import Health
from autonomous_healing.endpoint_healing.trail import EndpointReport, Trail
from autonomous_healing.healing import report_rows
from autonomous_healing.resilience import Clock

_SQL = load_queries(__package__, "store.sql")

RETRIES = frozenset({"exponential_backoff_retry"})


def rows_of(report: EndpointReport) -> list[Row]:
    """All that one failure leaves: the event, its healing, each attempt, and the trail."""
    cure = report.cure
    healing = report_rows(
        report,
        fidelity=cure.fidelity.word if cure else None,
        source_used=cure.source if cure else None,
    )
    return [_event(report), *healing, _trail(report)]


def _event(report: EndpointReport) -> Row:
    failure, call, cure = report.case.failure, report.case.call, report.cure
    return Row(
        table="error_events",
        values={
            "id": report.id,
            "timestamp": report.observed_at,
            "source": call.endpoint.source.id,
            "endpoint": call.endpoint.name,
            "error_type": ERROR_TYPE[report.diagnosis.code],
            "code": report.diagnosis.code,
            "cluster": report.diagnosis.cluster,
            "blame": failure.blame.value if failure.blame else None,
            "error_message": failure.message,
            "response_time": round(failure.elapsed.total_seconds(), 4),
            "http_status_code": failure.status,
            "request_params": dict(call.params),
            "retry_count": sum(1 for one in report.attempts if one.tried and one.strategy in RETRIES),
            "fixed_automatically": report.healed,
            "fix_method": report.strategy,
            "fidelity": cure.fidelity.word if cure else None,
            "trail_id": report.id,
            "origin": report.origin,
            "detected_at": report.diagnosed_at,
            "healed_at": report.ended_at if report.healed else None,
        },
    )


def _trail(report: EndpointReport) -> Row:
    call = report.case.call
    return Row(
        table="trails",
        values={
            "id": report.id,
            "at": report.observed_at,
            "source": call.endpoint.source.id,
            "endpoint": call.endpoint.name,
            "status": "healed" if report.healed else "failed",
            "body": Trail(report).to_json(),
        },
    )


@dataclass(frozen=True, slots=True)
class HealedEvent:
    """A failure and how fast it was seen and healed."""

    error_type: str
    detect_seconds: float
    heal_seconds: float | None  #: None: not healed


class EndpointStore:
    """What must be known again after a restart. Its methods raise `DatabaseAway`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def save_health(self, readings: Iterable[tuple[Endpoint, Health]]) -> None:
        rows = [_health_row(endpoint, health) for endpoint, health in readings]
        if rows:
            await self._database.execute(_SQL["save_health"], msgspec.json.encode(rows).decode())

    async def load_health(self) -> dict[tuple[str, str], Health]:
        """By (source, endpoint); only readings that are younger than a window."""
        rows = await self._database.fetch(_SQL["load_health"])
        return {(row["source"], row["endpoint"]): _health(row) for row in rows}

    async def healings_since(self, since: datetime) -> list[HealedEvent]:
        """Of users' requests, in no order."""
        rows = await self._database.fetch(_SQL["healings_since"], since)
        return [
            HealedEvent(
                row["error_type"],
                row["detect_ms"] / 1000,
                row["heal_ms"] / 1000 if row["outcome"] == "healed" else None,
            )
            for row in rows
        ]

    async def count_events(self, since: datetime) -> int:
        """Failures stored since a moment."""
        [row] = await self._database.fetch(_SQL["count_events"], since)
        return int(row["events"])


@dataclass(frozen=True, kw_only=True, slots=True)
class _HealthRow:
    """A reading as its columns; what is not known is None."""

    source: str
    endpoint: str
    status: str
    total_requests: int
    failed_requests: int
    error_rate: float | None
    avg_response_time: float | None
    last_success: datetime | None
    last_failure: datetime | None
    consecutive_failures: int
    uptime_percentage: float | None
    healed_share: float | None
    felt: dict[str, int]


def _health_row(endpoint: Endpoint, health: Health) -> _HealthRow:
    return _HealthRow(
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
        uptime_percentage=health.uptime_percentage,
        healed_share=health.healed_share,
        felt=health.felt,
    )


def _health(row: Any) -> Health:
    return Health(
        status=None,
        total=row["total_requests"],
        failed=row["failed_requests"],
        average_seconds=row["avg_response_time"],
        last_success=row["last_success"],
        last_failure=row["last_failure"],
        consecutive_failures=row["consecutive_failures"],
        uptime_percentage=None,
        felt=json.loads(row["felt"] or "{}"),
    )
