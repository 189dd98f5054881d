"""The one healing loop and its vocabulary. Knows no patient: not endpoints, not code."""

from autonomous_healing.healing.diagnosis import Diagnosis, Severity
from autonomous_healing.healing.journal import Follower, Journal, Report
from autonomous_healing.healing.loop import Healing, HealingLoop, Rank, Ranking
from autonomous_healing.healing.report import Attempt, HealingReport, Outcome
from autonomous_healing.healing.store import report_rows
from autonomous_healing.healing.strategy import CannotHeal, Strategy

__all__ = [
    "Attempt",
    "CannotHeal",
    "Diagnosis",
    "Follower",
    "Healing",
    "HealingLoop",
    "HealingReport",
    "Journal",
    "Outcome",
    "Rank",
    "Ranking",
    "Report",
    "Severity",
    "Strategy",
    "report_rows",
]
