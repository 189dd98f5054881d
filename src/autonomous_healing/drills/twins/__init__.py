"""The providers, played on loopback from a model that knows the truth. Knows nothing of healing."""

from autonomous_healing.drills.twins.faults import Exchange, Fault, FaultKind, FaultScript
from autonomous_healing.drills.twins.market import Market
from autonomous_healing.drills.twins.providers import render
from autonomous_healing.drills.twins.server import TwinServer

__all__ = ["Exchange", "Fault", "FaultKind", "FaultScript", "Market", "TwinServer", "render"]
