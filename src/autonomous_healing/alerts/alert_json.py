"""The border at which an alert becomes JSON (spec: alerts, section 2)."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from autonomous_healing.alerts.alert import Alert


def to_json(alert: Alert) -> dict[str, Any]:
    """An alert as interfaces show it: the level as a word, times in UTC, None for what is unknown."""
    return {
        "id": alert.id,
        "timestamp": _moment(alert.timestamp),
        "level": alert.level.word,
        "title": alert.title,
        "message": alert.message,
        "source": alert.source,
        "endpoint": alert.endpoint,
        "health_status": alert.health_status,
        "error_rate": alert.error_rate,
        "affected_endpoints": list(alert.affected_endpoints),
        "healing_attempted": alert.healing_attempted,
        "healing_successful": alert.healing_successful,
        "recommended_actions": list(alert.recommended_actions),
        "auto_resolve": alert.auto_resolve,
        "resolved_at": _moment(alert.resolved_at) if alert.resolved_at else None,
        "fingerprint": alert.fingerprint,
        "state": alert.state.value,
        "code": alert.code,
        "cluster": alert.cluster,
        "occurrences": alert.occurrences,
        "acknowledged_by": None,
        "acknowledged_at": None,
        "incident_id": None,
        "felt": asdict(alert.felt),
        "tried": list(alert.tried),
    }


def _moment(at: datetime) -> str:
    """ "2026-03-02T15:00:00.000Z" """
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
