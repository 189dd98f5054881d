"""The read models: what people see, as typed values. Knows nothing of HTTP, HTML or sockets."""

from autonomous_healing.dashboard.views.border import to_json
from autonomous_healing.dashboard.views.healing import (
    HealingStatus,
    Numbers,
    ReportRow,
    report_row,
    source_of,
)
from autonomous_healing.dashboard.views.health import EndpointHealth, HealthSummary, SourceHealth
from autonomous_healing.dashboard.views.reading import Board, UnknownCursor, Views
from autonomous_healing.dashboard.views.running import AgentRow

__all__ = [
    "AgentRow",
    "Board",
    "EndpointHealth",
    "HealingStatus",
    "HealthSummary",
    "Numbers",
    "ReportRow",
    "SourceHealth",
    "UnknownCursor",
    "Views",
    "report_row",
    "source_of",
    "to_json",
]
