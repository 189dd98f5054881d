"""The one healing loop. Everything a strategy must not do is done here."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from autonomous_healing.healing.diagnosis import Diagnosis
from autonomous_healing.healing.report import Attempt, Outcome
from autonomous_healing.healing.strategy import CannotHeal, Strategy
from autonomous_healing.resilience import Clock, Deadline
from autonomous_healing.safety import Action, Guard, Origin, Verdict

CaseT = TypeVar("CaseT")
CureT = TypeVar("CureT")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ranking:
    """An order of strategies by name, and what it is expected to achieve."""

    order: tuple[str, ...]
    predicted: float | None = None  #: None where the declared order was kept


#: (diagnosis, the names that can be tried in declared order, seconds left) -> the order to try them in, less
#: those that take longer
Rank = Callable[[Diagnosis, Sequence[str], float], Ranking]


@dataclass(frozen=True, slots=True)
class Healing(Generic[CureT]):
    """What a run of the loop brought."""

    attempts: tuple[Attempt, ...]
    cure: CureT | None
    predicted: float | None


class HealingLoop(Generic[CaseT, CureT]):
    """Tries strategies, best first, under a guard, a budget and a deadline, until one cures."""

    def __init__(self, *, rank: Rank, guard: Guard, clock: Clock) -> None:
        self._rank = rank
        self._guard = guard
        self._clock = clock

    @property
    def may_act(self) -> bool:
        """False while the guard lets nothing happen, whatever it is."""
        return not self._guard.fail_safe.observes_only

    async def heal(
        self,
        case: CaseT,
        diagnosis: Diagnosis,
        strategies: Sequence[Strategy[CaseT, CureT]],
        deadline: Deadline,
    ) -> Healing[CureT]:
        """`strategies` in declared order; the first cure wins."""
        attempts: list[Attempt] = []
        left = self._able(case, strategies, attempts)
        first: Ranking | None = None
        while left and not deadline.passed():
            ranking = self._order(diagnosis, tuple(left), deadline.remaining())
            if not ranking.order:
                break
            first = first or ranking
            strategy = left.pop(ranking.order[0])
            learned = ranking.predicted is not None
            attempt, cure = await self._try(strategy, case, deadline, learned=learned)
            attempts.append(attempt)
            if attempt.healed:
                return Healing(tuple(attempts), cure, first.predicted)
        attempts.extend(self._passed_over(name, "no time left") for name in left)
        return Healing(tuple(attempts), None, first.predicted if first else None)

    def _order(self, diagnosis: Diagnosis, names: tuple[str, ...], seconds_left: float) -> Ranking:
        """Of those that are left and fit; the declared order where the rank names strangers only."""
        ranking = self._rank(diagnosis, names, seconds_left)
        known = tuple(name for name in ranking.order if name in names)
        return Ranking(known, ranking.predicted) if known or not ranking.order else Ranking(names)

    def _able(
        self, case: CaseT, strategies: Sequence[Strategy[CaseT, CureT]], attempts: list[Attempt]
    ) -> dict[str, Strategy[CaseT, CureT]]:
        """Those whose preconditions hold; the others are noted with their reason."""
        able = {}
        for strategy in strategies:
            try:
                reason = strategy.obstacle(case)
            except Exception as bug:  # a broken strategy must not cost the user the others
                log.exception("strategy_crashed", extra={"strategy": strategy.name})
                attempts.append(self._passed_over(strategy.name, _in_words(bug), Outcome.CRASHED))
                continue
            if reason:
                attempts.append(self._passed_over(strategy.name, reason))
            else:
                able[strategy.name] = strategy
        return able

    async def _try(
        self, strategy: Strategy[CaseT, CureT], case: CaseT, deadline: Deadline, *, learned: bool
    ) -> tuple[Attempt, CureT | None]:
        started_at, start = self._clock.now(), self._clock.monotonic()
        cure: CureT | None = None
        try:
            review = self._guard.review(_with_origin(strategy.action(case), learned=learned))
            if review.verdict is not Verdict.APPROVED:
                return self._passed_over(strategy.name, review.reason, Outcome.DENIED), None
            async with asyncio.timeout(deadline.remaining()):
                cure = await strategy.apply(case, deadline)
            outcome, reason = Outcome.HEALED, ""
        except CannotHeal as setback:
            outcome, reason = Outcome.FAILED, str(setback)
        except TimeoutError:
            outcome, reason = Outcome.TIMED_OUT, "the healing budget ended"
        except Exception as bug:  # a broken strategy must not cost the user the next one
            log.exception("strategy_crashed", extra={"strategy": strategy.name})
            outcome, reason = Outcome.CRASHED, _in_words(bug)
        attempt = Attempt(
            strategy=strategy.name,
            outcome=outcome,
            reason=reason,
            started_at=started_at,
            seconds=self._clock.monotonic() - start,
        )
        return attempt, cure

    def _passed_over(self, name: str, reason: str, outcome: Outcome = Outcome.SKIPPED) -> Attempt:
        return Attempt(strategy=name, outcome=outcome, reason=reason, started_at=self._clock.now())


def _in_words(bug: Exception) -> str:
    return f"crashed: {type(bug).__name__}"


def _with_origin(action: Action, *, learned: bool) -> Action:
    """A rule that is acted on in an order that was learned is no longer only a rule."""
    return replace(action, origin=Origin.LEARNED) if learned and action.origin is Origin.RULE else action
