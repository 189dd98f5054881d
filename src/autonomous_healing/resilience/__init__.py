"""Time and patience: clocks, deadlines, backoff, breakers, budgets. Knows nothing of HTTP or of healing."""

from autonomous_healing.resilience.adaptive_limit import AdaptiveLimit
from autonomous_healing.resilience.backoff import Backoff
from autonomous_healing.resilience.breaker_state import BreakerMemory, BreakerState, Force
from autonomous_healing.resilience.circuit_breaker import CircuitBreaker
from autonomous_healing.resilience.clock import Clock, SystemClock
from autonomous_healing.resilience.deadline import Deadline
from autonomous_healing.resilience.ids import NewId, uuid7_from
from autonomous_healing.resilience.options import BreakerSettings, Options, RetryBudgetSettings
from autonomous_healing.resilience.punctuality import Punctuality
from autonomous_healing.resilience.retry_budget import RetryBudget
from autonomous_healing.resilience.rolling_histogram import RollingHistogram

__all__ = [
    "AdaptiveLimit",
    "Backoff",
    "BreakerMemory",
    "BreakerSettings",
    "BreakerState",
    "CircuitBreaker",
    "Clock",
    "Deadline",
    "Force",
    "NewId",
    "Options",
    "Punctuality",
    "RetryBudget",
    "RetryBudgetSettings",
    "RollingHistogram",
    "SystemClock",
    "uuid7_from",
]
