"""Alerts as log events."""

import logging
from typing import ClassVar

from autonomous_healing.alerts.alert import Alert

log = logging.getLogger(__name__)


class LogChannel:
    """Writes `alert_fired` and `alert_resolved`; the alert's own level is among the values."""

    name: ClassVar[str] = "log"

    def firing(self, alert: Alert) -> None:
        log.warning(
            "alert_fired",
            extra={
                "alert": alert.id,
                "alert_level": alert.level.word,
                "title": alert.title,
                "text": alert.message,
                "source": alert.source,
                "endpoint": alert.endpoint,
                "code": alert.code,
                "occurrences": alert.occurrences,
            },
        )

    def resolved(self, alert: Alert) -> None:
        lasted = (alert.resolved_at - alert.timestamp).total_seconds() if alert.resolved_at else None
        log.info(
            "alert_resolved",
            extra={
                "alert": alert.id,
                "alert_level": alert.level.word,
                "source": alert.source,
                "endpoint": alert.endpoint,
                "code": alert.code,
                "occurrences": alert.occurrences,
                "seconds": lasted,
            },
        )
