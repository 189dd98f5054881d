"""What must outlive a restart is written down at its own pace, and reports go to the writer one by one."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.clock import HurriedClock, ManualClock
from tests.world import TRUTH, World, said

from autonomous_healing.agents import Bookkeeper, Chore, MissedReports, ReportWriter
from autonomous_healing.database import Database, DatabaseAway, DatabaseSettings, EventWriter, Spool
from autonomous_healing.endpoint_healing.store import rows_of
from autonomous_healing.endpoint_healing.trail import EndpointReport
from autonomous_healing.healing import Journal
from autonomous_healing.healing.journal import FOLLOWER_SIZE


class Ledger:
    """Notes when each chore was done."""

    def __init__(self, clock: ManualClock) -> None:
        self.done: list[tuple[str, float]] = []
        self.away: set[str] = set()
        self._clock = clock

    def chore(self, name: str, every: float) -> Chore:
        async def save() -> None:
            if name in self.away:
                raise DatabaseAway("no connection")
            self.done.append((name, self._clock.monotonic()))

        return Chore(name, every, save)

    def times(self, name: str) -> list[float]:
        return [at for done, at in self.done if done == name]


async def let_run(bookkeeper: Bookkeeper, clock: ManualClock, seconds: float) -> None:
    running = asyncio.create_task(bookkeeper.run())
    await clock.advance(seconds)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_each_chore_is_done_at_its_own_pace_from_the_start() -> None:
    clock = ManualClock()
    ledger = Ledger(clock)
    await let_run(Bookkeeper([ledger.chore("often", 1.0), ledger.chore("rarely", 5.0)], clock), clock, 10.5)

    assert ledger.times("often") == [float(second) for second in range(11)]
    assert ledger.times("rarely") == [0.0, 5.0, 10.0]


async def test_what_cannot_be_saved_now_is_tried_at_its_next_turn_and_stops_no_other() -> None:
    clock = ManualClock()
    ledger = Ledger(clock)
    ledger.away = {"first"}
    bookkeeper = Bookkeeper([ledger.chore("first", 2.0), ledger.chore("second", 2.0)], clock)
    await bookkeeper.save_due()
    assert (ledger.done, bookkeeper.last_error) == (
        [("second", 0.0)],
        "first not saved: database is away",
    )

    ledger.away = set()
    clock.pass_time(1.0)
    await bookkeeper.save_due()
    assert ledger.times("first") == []
    clock.pass_time(1.0)
    await bookkeeper.save_due()
    assert ledger.times("first") == [2.0]


async def test_before_a_stop_everything_is_saved_due_or_not() -> None:
    clock = ManualClock()
    ledger = Ledger(clock)
    bookkeeper = Bookkeeper([ledger.chore("often", 1.0), ledger.chore("rarely", 500.0)], clock)
    await bookkeeper.save_due()
    await bookkeeper.save_due(everything=True)

    assert [name for name, _ in ledger.done] == ["often", "rarely", "often", "rarely"]
    assert bookkeeper.processed == 4


async def test_every_failure_goes_to_the_writer_with_all_its_rows(tmp_path: Path) -> None:
    world = World(clock=HurriedClock())
    spool = Spool(tmp_path, 1_048_576)
    writer = EventWriter(Database(DatabaseSettings(), world.clock), spool, world.clock)
    agent = ReportWriter(writer, world.clock)
    world.journal.write_to(agent.take)
    world.upstream.says("exchangerate", said(503), TRUTH)
    await world.get("/api/exchange-rate/latest/USD")
    world.upstream.says("exchangerate", said(503))
    await world.get("/api/exchange-rate/pair/USD/GBP")
    agent.stop()
    await agent.run()
    spool.close()

    attempts = sum(len(report.attempts) for report in world.reports)
    assert (agent.events, len(world.reports)) == (2, 2)
    assert writer.counts.accepted == 2 * 3 + attempts  # an event, a report and a trail each, and attempts


async def test_more_failures_at_once_than_a_follower_can_hold_are_all_written(tmp_path: Path) -> None:
    clock = ManualClock()
    spool = Spool(tmp_path, 8 * 1_048_576)
    writer = EventWriter(Database(DatabaseSettings(), clock), spool, clock)
    agent = ReportWriter(writer, clock)
    journal = Journal()
    journal.write_to(agent.take)
    slow = journal.follow("learning")
    report = await failure_report()
    for _ in range(FOLLOWER_SIZE + 100):
        journal.record(report)
    spool.close()

    assert slow.missed == 100
    assert agent.events == journal.recorded_of("endpoint") == FOLLOWER_SIZE + 100
    assert writer.counts.accepted == (FOLLOWER_SIZE + 100) * len(rows_of(report))
    assert writer.counts.dropped == 0


async def failure_report() -> EndpointReport:
    world = World()
    world.upstream.says("exchangerate", said(503))
    await world.get("/api/exchange-rate/latest/USD")
    return world.reports[0]


async def test_a_report_that_cannot_be_written_costs_neither_its_giver_nor_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    spool = Spool(tmp_path, 1_048_576)
    writer = EventWriter(Database(DatabaseSettings(), clock), spool, clock)
    agent = ReportWriter(writer, clock)
    journal = Journal()
    journal.write_to(agent.take)
    report = await failure_report()
    journal.record(replace(report, diagnosis=replace(report.diagnosis, code="API.UNHEARD_OF")))
    journal.record(report)
    spool.close()

    assert (journal.recorded, agent.events) == (2, 1)
    assert agent.last_error == "KeyError on one item"
    assert [one.message for one in caplog.records] == ["agent_item_failed"]


async def test_what_a_slow_follower_missed_is_told_once_and_shown_in_its_status(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock()
    journal = Journal()
    ledger = Ledger(clock)
    slow = Bookkeeper([ledger.chore("never", 1.0)], clock)
    slow.name = "slow"
    journal.follow("slow", size=2)
    journal.follow("quick", size=9)
    missed = MissedReports(journal, [slow])
    report = await failure_report()
    for _ in range(5):
        journal.record(report)
    await missed.look()
    await missed.look()

    assert [(one.message, vars(one)["follower"], vars(one)["missed"]) for one in caplog.records] == [
        ("reports_missed", "slow", 3)
    ]
    assert slow.status().last_error == "too slow for 3 reports so far, which it missed"
