"""Troubles for tests of alerts: one ordinary failure, with whatever a test wants otherwise."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from autonomous_healing.alerts import Alert, Felt, TroubleSeen
from autonomous_healing.alerts.draft import opened
from autonomous_healing.alerts.policy import fingerprint, grade

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

#: Healing was tried and brought nothing: an ERROR, whatever else.
NOT_HEALED = TroubleSeen(
    source="yahoo_finance",
    source_name="Yahoo Finance",
    endpoint="/chart",
    code="API.SERVER_ERROR",
    cluster="API.SERVER_ERROR:yahoo_finance",
    health_status="degraded",
    error_rate=0.1,
    felt=Felt(exact=0.9, error=0.1),
    healed=False,
    attempted=True,
    strategy=None,
    tried=("exponential_backoff_retry", "use_cached_data"),
    message="the upstream answered 503",
    origin="live",
    at=NOON,
    affected_endpoints=(),
    source_endpoints=4,
)
#: Healing gives every user an answer while the upstream is sick: a WARNING.
MASKED = replace(
    NOT_HEALED, healed=True, strategy="use_cached_data", felt=Felt(exact=0.5, stale=0.5, error=0.0)
)
#: One failure of a healthy endpoint, healed: INFO.
LIGHT = replace(
    MASKED, health_status="healthy", error_rate=0.01, felt=Felt(exact=0.99, stale=0.01, error=0.0)
)


def alert_of(
    trouble: TroubleSeen = NOT_HEALED, *, alert_id: str = "alert_1_1772452800", **changes: Any
) -> Alert:
    """The alert that the trouble would open at noon."""
    alert = opened(alert_id, fingerprint(trouble), trouble, grade(trouble), NOON)
    return replace(alert, **changes)
