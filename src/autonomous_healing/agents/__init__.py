"""Who works round the clock. Thinks in the rooms below; here is only who does what, and when."""

from autonomous_healing.agents.agent import Agent, AgentState, AgentStatus, Worker
from autonomous_healing.agents.alerting import AlertingAgent, RecoveryWatch
from autonomous_healing.agents.background import Background
from autonomous_healing.agents.belt import Belt
from autonomous_healing.agents.coordinator import HealingCoordinator
from autonomous_healing.agents.diagnosis import DiagnosedCall, DiagnosisAgent
from autonomous_healing.agents.learning import LearningAgent
from autonomous_healing.agents.monitoring import MonitoringAgent, build_targets
from autonomous_healing.agents.options import MonitoringSettings, SupervisionSettings
from autonomous_healing.agents.orchestrator import Orchestrator
from autonomous_healing.agents.writing import Bookkeeper, Chore, MissedReports, ReportWriter

__all__ = [
    "Agent",
    "AgentState",
    "AgentStatus",
    "AlertingAgent",
    "Background",
    "Belt",
    "Bookkeeper",
    "Chore",
    "DiagnosedCall",
    "DiagnosisAgent",
    "HealingCoordinator",
    "LearningAgent",
    "MissedReports",
    "MonitoringAgent",
    "MonitoringSettings",
    "Orchestrator",
    "RecoveryWatch",
    "ReportWriter",
    "SupervisionSettings",
    "Worker",
    "build_targets",
]
