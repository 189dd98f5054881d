"""What people see: pages, API, live socket and metrics. Reads every room, and heals nothing."""

from autonomous_healing.dashboard.options import ServerSettings
from autonomous_healing.dashboard.rooms import Rooms
from autonomous_healing.dashboard.server import Dashboard

__all__ = ["Dashboard", "Rooms", "ServerSettings"]
