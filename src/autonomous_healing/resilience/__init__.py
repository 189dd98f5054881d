"""Time and patience: clocks, deadlines, backoff, breakers, budgets. Knows nothing of HTTP or of healing."""

from autonomous_healing.resilience.backoff import Backoff
from autonomous_healing.resilience.circuit_breaker import BreakerState, CircuitBreaker
from autonomous_healing.resilience.clock import Clock, SystemClock
from autonomous_healing.resilience.deadline import Deadline
from autonomous_healing.resilience.ids import NewId, uuid7_from
from autonomous_healing.resilience.options import BreakerSettings, Options, RetryBudgetSettings
from autonomous_healing.resilience.retry_budget import RetryBudget

__all__ = [
    "Backoff",
    "BreakerSettings",
    "BreakerState",
    "CircuitBreaker",
    "Clock",
    "Deadline",
    "NewId",
    "Options",
    "RetryBudget",
    "RetryBudgetSettings",
    "SystemClock",
    "uuid7_from",
]
