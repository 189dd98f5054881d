"""What happened in one healing, whoever asked for it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import UUID

from autonomous_healing.healing.diagnosis import Diagnosis

CaseT = TypeVar("CaseT")
CureT = TypeVar("CureT")


class Outcome(StrEnum):
    """How one strategy fared."""

    HEALED = "healed"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    SKIPPED = "skipped"  #: a precondition did not hold; no evidence about the strategy
    DENIED = "denied"  #: the guard said no


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One strategy, tried or passed over."""

    strategy: str
    outcome: Outcome
    reason: str = ""
    started_at: datetime
    seconds: float = 0.0

    @property
    def healed(self) -> bool:
        return self.outcome is Outcome.HEALED

    @property
    def tried(self) -> bool:
        """Whether it says anything about how well the strategy works."""
        return self.outcome not in (Outcome.SKIPPED, Outcome.DENIED)


@dataclass(frozen=True, kw_only=True, slots=True)
class HealingReport(Generic[CaseT, CureT]):
    """One healing from the diagnosis to the cure or to the end of the means."""

    id: UUID
    patient: str  #: "endpoint", "code" or "system"
    origin: str  #: "live", "probe" or "drill"
    case: CaseT
    diagnosis: Diagnosis
    attempts: tuple[Attempt, ...]
    cure: CureT | None
    observed_at: datetime  #: start of what failed
    diagnosed_at: datetime
    ended_at: datetime
    detect_seconds: float  #: start of the failing exchange to the diagnosis
    heal_seconds: float  #: diagnosis to the cure, or to giving up
    predicted: float | None = (
        None  #: the learner's chance of success for the order it gave; None: declared order
    )

    @property
    def healed(self) -> bool:
        return self.cure is not None

    @property
    def strategy(self) -> str | None:
        """The strategy that cured."""
        return next((attempt.strategy for attempt in self.attempts if attempt.healed), None)

    def __str__(self) -> str:
        end = f"healed by {self.strategy}" if self.healed else "not healed"
        return f"{self.diagnosis.cluster}: {end} in {self.heal_seconds:.2f}s"
