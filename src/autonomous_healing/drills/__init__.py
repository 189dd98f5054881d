"""Trying the product out: twins, a script of faults, clients, and a judge who knows the truth."""

from autonomous_healing.drills.judge import Judge, Judged, Met, Verdict
from autonomous_healing.drills.questions import questions
from autonomous_healing.drills.rehearsal import NotReady, overhead_ms, warm_up
from autonomous_healing.drills.report import DrillReport, write_report
from autonomous_healing.drills.scenario import KEYS, Planned, Scenario, write_scenario
from autonomous_healing.drills.stage import Stage
from autonomous_healing.drills.traffic import Answer, Clients

__all__ = [
    "KEYS",
    "Answer",
    "Clients",
    "DrillReport",
    "Judge",
    "Judged",
    "Met",
    "NotReady",
    "Planned",
    "Scenario",
    "Stage",
    "Verdict",
    "overhead_ms",
    "questions",
    "warm_up",
    "write_report",
    "write_scenario",
]
