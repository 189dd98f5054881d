"""More processes on the proxy's port. Knows how they share what one of them owns, not how it heals."""

from autonomous_healing.workers.attempts import Attempts
from autonomous_healing.workers.crew import Crew, Orders, OrdersTooLong, WorkersLate
from autonomous_healing.workers.desk import Desk

__all__ = ["Attempts", "Crew", "Desk", "Orders", "OrdersTooLong", "WorkersLate"]
