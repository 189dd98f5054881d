"""What must outlive a restart is written down at its own pace, and reports go to the writer one by one."""

import asyncio
from contextlib import suppress
from pathlib import Path

from tests.clock import HurriedClock, ManualClock
from tests.world import TRUTH, World, said

from autonomous_healing.agents import Bookkeeper, Chore, ReportWriter
from autonomous_healing.database import Database, DatabaseAway, DatabaseSettings, EventWriter, Spool


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
    agent = ReportWriter(world.journal.follow("report_writer"), writer, world.clock)
    world.upstream.says("exchangerate", said(503), TRUTH)
    await world.get("/api/exchange-rate/latest/USD")
    world.upstream.says("exchangerate", said(503))
    await world.get("/api/exchange-rate/pair/USD/GBP")
    world.journal.close()
    await agent.run()
    spool.close()

    attempts = sum(len(report.attempts) for report in world.reports)
    assert (agent.events, len(world.reports)) == (2, 2)
    assert writer.counts.accepted == 2 * 3 + attempts  # an event, a report and a trail each, and attempts
