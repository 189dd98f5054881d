"""An alert written from troubles: the first opens it, each further one brings it up to date. Pure."""

from dataclasses import replace
from datetime import datetime

from autonomous_healing.alerts.alert import Alert, AlertLevel
from autonomous_healing.alerts.facts import TroubleSeen
from autonomous_healing.alerts.policy import ANY, Fingerprint
from autonomous_healing.alerts.texts import message, recommended_actions, title_of


def opened(
    alert_id: str, belongs_to: Fingerprint, trouble: TroubleSeen, level: AlertLevel, at: datetime
) -> Alert:
    """The alert that this trouble is the first of."""
    return Alert(
        id=alert_id,
        fingerprint=str(belongs_to),
        timestamp=at,
        level=level,
        title=title_of(trouble),
        message=message(trouble),
        source=trouble.source,
        endpoint=belongs_to.scope,
        code=belongs_to.code,
        cluster=f"{ANY}:{trouble.source}" if belongs_to.code == ANY else trouble.cluster,
        health_status=trouble.health_status,
        error_rate=trouble.error_rate,
        affected_endpoints=tuple(sorted(trouble.affected)),
        healing_attempted=trouble.attempted,
        healing_successful=trouble.healed,
        tried=trouble.tried,
        recommended_actions=recommended_actions(trouble),
        felt=trouble.felt,
    )


def updated(alert: Alert, trouble: TroubleSeen, level: AlertLevel) -> Alert:
    """What was measured is the latest; what was done about it is that of the gravest trouble.

    So an alert never says in one breath that it is an error and that all was healed.
    """
    alert = replace(
        alert,
        occurrences=alert.occurrences + 1,
        title=title_of(trouble),
        health_status=trouble.health_status,
        error_rate=trouble.error_rate,
        felt=trouble.felt,
        affected_endpoints=tuple(sorted(trouble.affected.union(alert.affected_endpoints))),
    )
    if level < alert.level:
        return alert
    return replace(
        alert,
        level=level,
        message=message(trouble),
        healing_attempted=trouble.attempted,
        healing_successful=trouble.healed,
        tried=trouble.tried,
        recommended_actions=recommended_actions(trouble),
    )


def places(alert: Alert) -> tuple[str, ...]:
    """The endpoints that have to be well again before it is over."""
    return alert.affected_endpoints if alert.endpoint == ANY else (alert.endpoint,)
