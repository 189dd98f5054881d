"""What the product may do by itself. Knows no patient and no strategy, only actions."""

from autonomous_healing.safety.guard import (
    Action,
    FailSafe,
    Guard,
    GuardSettings,
    Mode,
    Origin,
    Review,
    Verdict,
)

__all__ = ["Action", "FailSafe", "Guard", "GuardSettings", "Mode", "Origin", "Review", "Verdict"]
