"""What the product may do by itself. Knows no patient and no strategy, only actions."""

from autonomous_healing.safety.guard import (
    Action,
    FailSafe,
    Guard,
    Origin,
    Review,
    Verdict,
)
from autonomous_healing.safety.options import Mode, SafetySettings

__all__ = ["Action", "FailSafe", "Guard", "Mode", "Origin", "Review", "SafetySettings", "Verdict"]
