"""Writing never waits; readers follow at their own pace."""

import asyncio
from uuid import UUID

from tests.clock import ManualClock, let_others_run

from autonomous_healing.healing import Diagnosis, Follower, HealingReport, Journal, Outcome, Severity
from autonomous_healing.healing.journal import Report
from autonomous_healing.healing.report import Attempt

NOW = ManualClock().now()


def report(number: int = 0, *outcomes: Outcome) -> Report:
    attempts = tuple(
        Attempt(strategy=f"strategy_{n}", outcome=outcome, started_at=NOW)
        for n, outcome in enumerate(outcomes)
    )
    return HealingReport(
        id=UUID(int=number),
        patient="endpoint",
        origin="live",
        case="case",
        diagnosis=Diagnosis(
            code="API.TIMEOUT", cluster="API.TIMEOUT:x", severity=Severity.DEGRADED, confidence=0.95
        ),
        attempts=attempts,
        cure="cure" if Outcome.HEALED in outcomes else None,
        observed_at=NOW,
        diagnosed_at=NOW,
        ended_at=NOW,
        detect_seconds=0.1,
        heal_seconds=0.25,
    )


async def read_all(follower: Follower) -> list[int]:
    return [one.id.int async for one in follower]


async def test_a_follower_hears_of_everything_in_order_until_the_end() -> None:
    journal = Journal()
    follower = journal.follow("reader")
    for number in range(5):
        journal.record(report(number))
    journal.close()
    assert await read_all(follower) == [0, 1, 2, 3, 4]
    assert follower.missed == 0


async def test_a_waiting_follower_is_woken() -> None:
    journal = Journal()
    reading = asyncio.create_task(read_all(journal.follow("reader")))
    await let_others_run()
    journal.record(report(1))
    await let_others_run()
    journal.record(report(2))
    journal.close()
    assert await reading == [1, 2]


async def test_a_slow_follower_loses_the_oldest_and_counts_them() -> None:
    journal = Journal()
    slow, quick = journal.follow("slow", size=3), journal.follow("quick")
    for number in range(10):
        journal.record(report(number))
    assert (len(slow), slow.missed) == (3, 7)
    journal.close()
    assert await read_all(slow) == [7, 8, 9]
    assert len(await read_all(quick)) == 10


async def test_a_late_follower_hears_only_what_comes_after() -> None:
    journal = Journal()
    journal.record(report(1))
    late = journal.follow("late")
    journal.record(report(2))
    journal.close()
    assert await read_all(late) == [2]


async def test_following_a_closed_journal_ends_at_once() -> None:
    journal = Journal()
    journal.close()
    assert await read_all(journal.follow("too late")) == []


async def test_closing_twice_is_no_trouble() -> None:
    journal = Journal()
    follower = journal.follow("reader")
    journal.close()
    journal.close()
    assert await read_all(follower) == []
    assert await read_all(follower) == []


def test_remembers_the_last_reports_and_counts_all() -> None:
    journal = Journal(recent=3)
    for number in range(10):
        journal.record(report(number))
    assert [one.id.int for one in journal.recent()] == [7, 8, 9]
    assert journal.recorded == 10


def test_a_recorder_is_given_every_report_at_once_and_before_any_follower() -> None:
    journal = Journal()
    follower = journal.follow("learning", size=1)
    heard: list[tuple[int, int]] = []
    journal.write_to(lambda one: heard.append((one.id.int, len(follower))))
    for number in range(3):
        journal.record(report(number))
    assert heard == [(0, 0), (1, 1), (2, 1)]
    assert follower.missed == 2


def test_counts_reports_by_patient() -> None:
    journal = Journal()
    journal.record(report(1))
    assert (journal.recorded_of("endpoint"), journal.recorded_of("code")) == (1, 0)


def test_knows_its_followers_by_name() -> None:
    journal = Journal()
    journal.follow("learning")
    journal.follow("alerts")
    assert [one.name for one in journal.followers] == ["learning", "alerts"]


def test_a_report_names_its_cure() -> None:
    healed = report(1, Outcome.SKIPPED, Outcome.FAILED, Outcome.HEALED)
    assert (healed.healed, healed.strategy) == (True, "strategy_2")
    assert str(healed) == "API.TIMEOUT:x: healed by strategy_2 in 0.25s"
    assert [one.tried for one in healed.attempts] == [False, True, True]


def test_a_report_without_a_cure_says_so() -> None:
    failed = report(1, Outcome.FAILED, Outcome.DENIED)
    assert (failed.healed, failed.strategy) == (False, None)
    assert str(failed) == "API.TIMEOUT:x: not healed in 0.25s"
    assert [one.tried for one in failed.attempts] == [True, False]
    assert str(failed.diagnosis) == "API.TIMEOUT:x (0.95)"


def test_severity_in_a_person_s_words() -> None:
    assert [one.word for one in Severity] == ["low", "medium", "high", "critical"]
