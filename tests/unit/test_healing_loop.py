"""The one loop: order, guard, budget, bulkhead."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from tests.clock import HurriedClock

from autonomous_healing.healing import (
    CannotHeal,
    Diagnosis,
    Healing,
    HealingLoop,
    Outcome,
    Ranking,
    Severity,
)
from autonomous_healing.resilience import Deadline
from autonomous_healing.safety import Action, FailSafe, Guard, Mode, Origin, SafetySettings

FEVER = Diagnosis(code="API.TIMEOUT", cluster="API.TIMEOUT:x", severity=Severity.DEGRADED, confidence=0.9)


@dataclass
class Cure:
    """A strategy that does as it is told: cures with its name, or raises, after a while."""

    name: str
    fails: Exception | None = None
    takes: float = 0.0
    reason: str | None = None
    origin: Origin = Origin.RULE
    clock: HurriedClock = field(default_factory=HurriedClock)
    applied: int = 0

    def obstacle(self, case: str) -> str | None:
        return self.reason

    def action(self, case: str) -> Action:
        return Action(
            domain="endpoint",
            name=self.name,
            origin=self.origin,
            confidence=0.9,
            risk=1,
            single_answer=True,
        )

    async def apply(self, case: str, deadline: Deadline) -> str:
        self.applied += 1
        self.clock.pass_time(self.takes)
        if self.fails:
            raise self.fails
        return f"{case} cured by {self.name}"


class Stuck(Cure):
    """Waits for what never comes."""

    async def apply(self, case: str, deadline: Deadline) -> str:
        self.applied += 1
        await asyncio.Event().wait()
        return ""


class BrokenEarly(Cure):
    """Cannot even say whether it could help."""

    def obstacle(self, case: str) -> str | None:
        raise KeyError("symbol")


def as_declared(diagnosis: Diagnosis, names: Sequence[str], seconds_left: float) -> Ranking:
    return Ranking(tuple(names))


def last_first(diagnosis: Diagnosis, names: Sequence[str], seconds_left: float) -> Ranking:
    return Ranking(tuple(reversed(names)), predicted=0.75)


def strangers(diagnosis: Diagnosis, names: Sequence[str], seconds_left: float) -> Ranking:
    return Ranking(("nobody", "somebody"), predicted=0.9)


async def heal(
    *strategies: Cure,
    rank: object = as_declared,
    guard: Guard | None = None,
    seconds: float = 3.0,
    clock: HurriedClock | None = None,
) -> Healing[str]:
    clock = clock or HurriedClock()
    assert callable(rank)
    loop: HealingLoop[str, str] = HealingLoop(rank=rank, guard=guard or Guard(), clock=clock)
    return await loop.heal("fever", FEVER, strategies, Deadline.after(clock, seconds))


def story(healing: Healing[str]) -> list[tuple[str, Outcome, str]]:
    return [(one.strategy, one.outcome, one.reason) for one in healing.attempts]


async def test_the_first_cure_wins_and_the_rest_is_not_tried() -> None:
    second = Cure("second")
    healing = await heal(Cure("first"), second)
    assert healing.cure == "fever cured by first"
    assert story(healing) == [("first", Outcome.HEALED, "")]
    assert second.applied == 0


async def test_goes_on_to_the_next_in_declared_order() -> None:
    healing = await heal(
        Cure("a", CannotHeal("no copy")), Cure("b", CannotHeal("no key")), Cure("c"), Cure("d")
    )
    assert story(healing) == [
        ("a", Outcome.FAILED, "no copy"),
        ("b", Outcome.FAILED, "no key"),
        ("c", Outcome.HEALED, ""),
    ]


async def test_follows_the_rank_and_remembers_its_first_promise() -> None:
    healing = await heal(Cure("a"), Cure("b", CannotHeal("no")), rank=last_first)
    assert [one.strategy for one in healing.attempts] == ["b", "a"]
    assert healing.predicted == 0.75


async def test_the_promise_stands_although_something_was_passed_over() -> None:
    healing = await heal(Cure("idle", reason="needs a limit"), Cure("able"), rank=last_first)
    assert healing.predicted == 0.75


async def test_a_declared_order_promises_nothing() -> None:
    assert (await heal(Cure("a"))).predicted is None


async def test_asks_for_the_order_again_after_each_failure() -> None:
    asked: list[tuple[tuple[str, ...], float]] = []
    clock = HurriedClock()

    def rank(diagnosis: Diagnosis, names: Sequence[str], seconds_left: float) -> Ranking:
        asked.append((tuple(names), seconds_left))
        return Ranking(tuple(names))

    await heal(Cure("a", CannotHeal("no"), takes=1.0, clock=clock), Cure("b"), rank=rank, clock=clock)
    assert asked == [(("a", "b"), 3.0), (("b",), 2.0)]


async def test_a_rank_of_strangers_leaves_the_declared_order() -> None:
    healing = await heal(Cure("a", CannotHeal("no")), Cure("b"), rank=strangers)
    assert story(healing) == [("a", Outcome.FAILED, "no"), ("b", Outcome.HEALED, "")]
    assert healing.predicted is None


def nobody(diagnosis: Diagnosis, names: Sequence[str], seconds_left: float) -> Ranking:
    return Ranking(())


async def test_what_does_not_fit_the_time_left_is_not_begun() -> None:
    slow = Cure("slow")
    healing = await heal(slow, rank=nobody)
    assert story(healing) == [("slow", Outcome.SKIPPED, "no time left")]
    assert (slow.applied, healing.predicted) == (0, None)


async def test_passes_over_what_cannot_be_tried_and_says_why() -> None:
    idle = Cure("idle", reason="needs a limit")
    healing = await heal(idle, Cure("able"))
    assert story(healing) == [("idle", Outcome.SKIPPED, "needs a limit"), ("able", Outcome.HEALED, "")]
    assert idle.applied == 0
    assert not healing.attempts[0].tried


async def test_a_crashed_strategy_does_not_cost_the_next_one() -> None:
    healing = await heal(Cure("broken", RuntimeError("oh")), Cure("sound"))
    assert story(healing) == [
        ("broken", Outcome.CRASHED, "crashed: RuntimeError"),
        ("sound", Outcome.HEALED, ""),
    ]


async def test_a_strategy_that_breaks_before_its_turn_costs_only_itself() -> None:
    healing = await heal(BrokenEarly("broken"), Cure("sound"))
    assert story(healing) == [
        ("broken", Outcome.CRASHED, "crashed: KeyError"),
        ("sound", Outcome.HEALED, ""),
    ]


async def test_a_crash_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    await heal(Cure("broken", RuntimeError("oh")))
    [record] = caplog.records
    assert (record.message, record.__dict__["strategy"]) == ("strategy_crashed", "broken")
    assert record.exc_info is not None


async def test_a_stuck_strategy_is_cut_at_the_deadline() -> None:
    stuck = Stuck("stuck")
    healing = await heal(stuck, seconds=0.01)
    assert story(healing) == [("stuck", Outcome.TIMED_OUT, "the healing budget ended")]
    assert stuck.applied == 1


async def test_nothing_is_begun_after_the_deadline() -> None:
    clock = HurriedClock()
    late = Cure("late")
    healing = await heal(Cure("slow", CannotHeal("no"), takes=5.0, clock=clock), late, clock=clock)
    assert story(healing) == [("slow", Outcome.FAILED, "no"), ("late", Outcome.SKIPPED, "no time left")]
    assert late.applied == 0


async def test_a_denied_strategy_is_never_applied() -> None:
    guard = Guard(SafetySettings(deny=("denied",)))
    denied = Cure("denied")
    healing = await heal(denied, Cure("allowed"), guard=guard)
    assert story(healing) == [
        ("denied", Outcome.DENIED, "on the deny list"),
        ("allowed", Outcome.HEALED, ""),
    ]
    assert denied.applied == 0
    assert not healing.attempts[0].tried


async def test_nothing_acts_while_only_observing() -> None:
    strategies = [Cure("a"), Cure("b")]
    healing = await heal(*strategies, guard=Guard(fail_safe=FailSafe(Mode.OBSERVE_ONLY)))
    assert healing.cure is None
    assert {one.outcome for one in healing.attempts} == {Outcome.DENIED}
    assert [one.applied for one in strategies] == [0, 0]


@pytest.mark.parametrize(
    ("rank", "origin", "outcome"),
    [
        (as_declared, Origin.RULE, Outcome.HEALED),
        (last_first, Origin.RULE, Outcome.DENIED),
        (as_declared, Origin.LEARNED, Outcome.DENIED),
        (as_declared, Origin.GENERATED, Outcome.DENIED),
    ],
)
async def test_an_order_that_was_learned_is_no_rule(rank: object, origin: Origin, outcome: Outcome) -> None:
    healing = await heal(
        Cure("a", origin=origin), rank=rank, guard=Guard(fail_safe=FailSafe(Mode.RULES_ONLY))
    )
    assert [one.outcome for one in healing.attempts] == [outcome]


async def test_measures_each_attempt() -> None:
    clock = HurriedClock()
    healing = await heal(
        Cure("a", CannotHeal("no"), takes=0.5, clock=clock), Cure("b", takes=0.25, clock=clock), clock=clock
    )
    assert [one.seconds for one in healing.attempts] == [0.5, 0.25]
    assert healing.attempts[0].started_at < healing.attempts[1].started_at


async def test_no_strategies_heal_nothing() -> None:
    healing = await heal()
    assert (healing.attempts, healing.cure) == ((), None)


async def test_a_caller_who_goes_takes_the_healing_along() -> None:
    healing = asyncio.create_task(heal(Stuck("stuck"), Cure("next")))
    await asyncio.wait({healing}, timeout=0)
    healing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await healing
