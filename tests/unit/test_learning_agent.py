"""What the journal tells reaches the learner, and what was learned outlives a database that comes late."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from tests.clock import ManualClock
from tests.world import World, timed_out

from autonomous_healing.agents import LearningAgent
from autonomous_healing.database import Database, DatabaseAway, DatabaseSettings
from autonomous_healing.healing import Attempt, Diagnosis, HealingReport, Journal, Outcome, Report, Severity
from autonomous_healing.learning import LearningSettings, LearningStore, NestedLearner
from autonomous_healing.learning.nested import LayerEntry
from autonomous_healing.resilience import uuid7_from

Knowledge = dict[tuple[str, str, str], dict[str, float]]

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Shelf(LearningStore):
    """Keeps what was learned in memory, and is away when a test says so."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(Database(DatabaseSettings(), clock))
        self.entries: tuple[LayerEntry, ...] = ()
        self.away = False

    async def save(self, entries: Iterable[LayerEntry]) -> None:
        self._look()
        self.entries = tuple(entries)

    async def load(self) -> tuple[LayerEntry, ...]:
        self._look()
        return self.entries

    def _look(self) -> None:
        if self.away:
            raise DatabaseAway("no connection")


class Pupil:
    """A learning agent with its learner, its shelf and a journal to read."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self.clock = ManualClock(NOON)
        self.shelf = shelf or Shelf(self.clock)
        self.learner = new_learner()
        self.journal = Journal()
        self.agent = LearningAgent(self.journal.follow("learning"), self.learner, self.shelf, self.clock)

    @property
    def knows(self) -> Knowledge:
        return knowledge(self.learner)

    async def reads(self, *reports: Report) -> None:
        for report in reports:
            self.journal.record(report)
        self.journal.close()
        await self.agent.run()


def knowledge(learner: NestedLearner) -> Knowledge:
    """What it knows, in no order."""
    return {(one.layer, one.key, one.strategy): dict(one.state) for one in learner.snapshot()}


def new_learner() -> NestedLearner:
    return NestedLearner(LearningSettings(), random.Random(1))


def report(*outcomes: tuple[str, Outcome], origin: str = "live") -> Report:
    clock = ManualClock(NOON)
    return HealingReport(
        id=uuid7_from(clock)(),
        patient="endpoint",
        origin=origin,
        case=None,
        diagnosis=Diagnosis(
            code="API.SERVER_ERROR",
            cluster="API.SERVER_ERROR:fred_api",
            severity=Severity.DEGRADED,
            confidence=0.9,
        ),
        attempts=tuple(
            Attempt(strategy=name, outcome=outcome, started_at=NOON, seconds=0.25)
            for name, outcome in outcomes
        ),
        cure=None,
        observed_at=NOON,
        diagnosed_at=NOON,
        ended_at=NOON,
        detect_seconds=0.1,
        heal_seconds=0.5,
    )


def taught(*lessons: tuple[str, bool]) -> NestedLearner:
    """What a learner knows that was told directly."""
    learner = new_learner()
    for strategy, healed in lessons:
        learner.learn(
            "API.SERVER_ERROR", "API.SERVER_ERROR:fred_api", strategy, healed, 0.25, NOON.timestamp()
        )
    return learner


HEALED = report(("retry", Outcome.FAILED), ("copy", Outcome.HEALED))


async def test_each_attempt_that_says_something_is_a_lesson() -> None:
    pupil = Pupil()
    await pupil.reads(
        report(
            ("other_host", Outcome.SKIPPED),
            ("smaller", Outcome.DENIED),
            ("broken", Outcome.CRASHED),
            ("retry", Outcome.TIMED_OUT),
            ("copy", Outcome.HEALED),
        )
    )

    assert pupil.knows == knowledge(taught(("retry", False), ("copy", True)))
    assert pupil.agent.processed == 1


async def test_probes_teach_just_as_users_requests_do() -> None:
    by_users, by_probes = Pupil(), Pupil()
    await by_users.reads(HEALED)
    await by_probes.reads(report(("retry", Outcome.FAILED), ("copy", Outcome.HEALED), origin="probe"))

    assert by_users.knows == by_probes.knows != knowledge(new_learner())


async def test_what_was_learned_is_saved_and_known_after_a_restart() -> None:
    before = Pupil()
    await before.reads(HEALED, HEALED)
    await before.agent.save()

    after = Pupil(before.shelf)
    await after.agent.load()

    assert after.knows == before.knows


async def test_what_is_kept_is_never_overwritten_unread() -> None:
    before = Pupil()
    await before.reads(HEALED, HEALED)
    await before.agent.save()

    after = Pupil(before.shelf)
    await after.agent.save()

    assert {entry.strategy for entry in before.shelf.entries} >= {"retry", "copy"}


async def test_lessons_from_before_the_database_came_are_learned_on_top_of_what_it_keeps() -> None:
    before = Pupil()
    await before.reads(HEALED)
    await before.agent.save()

    after = Pupil(before.shelf)
    after.shelf.away = True
    with pytest.raises(DatabaseAway):
        await after.agent.load()
    await after.reads(HEALED)
    after.shelf.away = False
    await after.agent.load()

    straight_on = taught(("retry", False), ("copy", True), ("retry", False), ("copy", True))
    assert after.knows == knowledge(straight_on)


async def test_loading_twice_changes_nothing() -> None:
    pupil = Pupil()
    await pupil.agent.load()
    await pupil.reads(HEALED)
    known = pupil.knows
    await pupil.agent.load()

    assert pupil.knows == known


async def test_nothing_can_be_saved_while_the_database_is_away() -> None:
    pupil = Pupil()
    pupil.shelf.away = True
    with pytest.raises(DatabaseAway):
        await pupil.agent.save()


async def test_no_strategy_is_judged_by_what_it_did_in_a_hurry() -> None:
    world = World()
    world.upstream.says("https", timed_out())
    await world.get("/api/yahoo/chart/AAPL", healing_deadline="3")
    world.clock.pass_time(10.0)  # the retry budget returns
    await world.get("/api/yahoo/chart/AAPL")
    hurried, patient = world.reports
    pupil = Pupil()
    before = pupil.knows
    await pupil.agent.handle(hurried)
    assert pupil.knows == before
    await pupil.agent.handle(patient)
    assert pupil.knows != before
