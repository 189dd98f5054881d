"""What a circuit can be, what an operator may want of it, and what of it outlives a restart."""

from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


#: The allowed moves; anything else is a bug.
ALLOWED: dict[BreakerState, frozenset[BreakerState]] = {
    BreakerState.CLOSED: frozenset({BreakerState.OPEN}),
    BreakerState.OPEN: frozenset({BreakerState.HALF_OPEN}),
    BreakerState.HALF_OPEN: frozenset({BreakerState.OPEN, BreakerState.CLOSED}),
}


class IllegalMove(RuntimeError):
    """A circuit breaker was asked for a move that its table does not allow."""


class Force(StrEnum):
    """What an operator may want of a circuit, whatever becomes of its calls."""

    OPEN = "open"  #: no call is made, not even a trial
    CLOSED = "closed"  #: calls are made
    PINNED = "pinned"  #: calls are made, and before all alternates


@dataclass(frozen=True, slots=True)
class Forced:
    """An operator's word."""

    kind: Force
    reason: str
    by: str
    until: float  #: monotonic seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerMemory:
    """What outlives a restart. Seconds are counted from the moment at which it was taken."""

    state: BreakerState
    openings: int
    reason: str = ""
    opened_ago: float = 0.0
    seconds_left: float = 0.0  #: of its own open time
    reset_left: float = 0.0  #: until the upstream's stated reset
    steady_in: float = 0.0  #: of the slow start
    forced: Force | None = None
    forced_reason: str = ""
    forced_by: str = ""
    forced_left: float = 0.0


@dataclass(slots=True)
class Trial:
    """The one call that may be made while a circuit is not closed, and how many went well in a row."""

    since: float | None = None  #: monotonic seconds; None while none is under way
    successes: int = 0


#: That of all circuits that are closed; nothing is written to it.
NO_TRIAL = Trial()
