"""Who is told, how and how often. Knows reports and health, not how anything is healed."""

from autonomous_healing.alerts.alert import Alert, AlertLevel, Felt
from autonomous_healing.alerts.alert_json import to_json
from autonomous_healing.alerts.channels import LogChannel, WebChannel
from autonomous_healing.alerts.facts import Telling, TroubleSeen, Truthful
from autonomous_healing.alerts.manager import AlertManager
from autonomous_healing.alerts.options import AlertSettings
from autonomous_healing.alerts.store import AlertStore

__all__ = [
    "Alert",
    "AlertLevel",
    "AlertManager",
    "AlertSettings",
    "AlertStore",
    "Felt",
    "LogChannel",
    "Telling",
    "TroubleSeen",
    "Truthful",
    "WebChannel",
    "to_json",
]
