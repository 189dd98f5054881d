"""What may be done by itself, and by whom. Knows no patient and no strategy, only actions and callers."""

from autonomous_healing.safety.audit import AuditTrail
from autonomous_healing.safety.guard import (
    Action,
    FailSafe,
    Guard,
    Origin,
    Review,
    Verdict,
)
from autonomous_healing.safety.options import AuthSettings, Mode, SafetySettings
from autonomous_healing.safety.store import AuditStore

__all__ = [
    "Action",
    "AuditStore",
    "AuditTrail",
    "AuthSettings",
    "FailSafe",
    "Guard",
    "Mode",
    "Origin",
    "Review",
    "SafetySettings",
    "Verdict",
]
