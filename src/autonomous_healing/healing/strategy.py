"""What a strategy is: a name, a claim and one act."""

from typing import Protocol, TypeVar

from autonomous_healing.resilience import Deadline
from autonomous_healing.safety import Action

CaseT = TypeVar("CaseT", contravariant=True)
CureT = TypeVar("CureT", covariant=True)


class CannotHeal(Exception):
    """A strategy could not cure this case; the message says why."""


class Strategy(Protocol[CaseT, CureT]):
    """One way to cure. It neither logs, nor times, nor counts, nor knows its rank."""

    @property
    def name(self) -> str:
        """What reports, settings and the learner call it."""

    def obstacle(self, case: CaseT) -> str | None:
        """Why it cannot even be tried on this case (a missing precondition), or None."""

    def action(self, case: CaseT) -> Action:
        """What it is about to do, for the guard."""

    async def apply(self, case: CaseT, deadline: Deadline) -> CureT:
        """The cure, or `CannotHeal`. It may be cancelled at `deadline`."""
