"""Who works round the clock. Thinks in the rooms below; here is only who does what, and when."""

from autonomous_healing.agents.agent import Agent, AgentState, AgentStatus, Worker
from autonomous_healing.agents.belt import Belt
from autonomous_healing.agents.coordinator import HealingCoordinator
from autonomous_healing.agents.diagnosis import DiagnosedCall, DiagnosisAgent
from autonomous_healing.agents.learning import LearningAgent
from autonomous_healing.agents.monitoring import MonitoringAgent, build_targets
from autonomous_healing.agents.options import MonitoringSettings, SupervisionSettings
from autonomous_healing.agents.orchestrator import Orchestrator

__all__ = [
    "Agent",
    "AgentState",
    "AgentStatus",
    "Belt",
    "DiagnosedCall",
    "DiagnosisAgent",
    "HealingCoordinator",
    "LearningAgent",
    "MonitoringAgent",
    "MonitoringSettings",
    "Orchestrator",
    "SupervisionSettings",
    "Worker",
    "build_targets",
]
