"""Writes the journal to the database, and keeps what must survive a restart."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from autonomous_healing.agents.agent import Recorder, Worker
from autonomous_healing.database import DatabaseAway, EventWriter
from autonomous_healing.endpoint_healing.call import FailedCall
from autonomous_healing.endpoint_healing.store import rows_of
from autonomous_healing.healing import Journal, Report
from autonomous_healing.resilience import Clock

log = logging.getLogger(__name__)


class ReportWriter(Recorder[Report]):
    """Hands every report to the event writer, which never waits and never loses one."""

    def __init__(self, writer: EventWriter, clock: Clock) -> None:
        super().__init__("report_writer", clock)
        self.events = 0  #: failures handed on
        self._writer = writer

    def record(self, item: Report) -> None:
        if isinstance(item.case, FailedCall):
            for row in rows_of(item):
                self._writer.put(row)
            self.events += 1


class MissedReports:
    """Tells, once at each look, which followers of the journal were too slow for it."""

    def __init__(self, journal: Journal, followers: Sequence[Worker]) -> None:
        self._journal = journal
        self._workers = {worker.name: worker for worker in followers}
        self._told: dict[str, int] = {}

    async def look(self) -> None:
        """In the log, and as the last error of an agent of the follower's name."""
        for follower in self._journal.followers:
            missed = follower.missed
            if missed == self._told.get(follower.name, 0):
                continue
            self._told[follower.name] = missed
            log.warning("reports_missed", extra={"follower": follower.name, "missed": missed})
            if worker := self._workers.get(follower.name):
                worker.last_error = f"too slow for {missed} reports so far, which it missed"


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to be written down now and then. `save` may raise `DatabaseAway`."""

    name: str
    every: float  #: seconds
    save: Callable[[], Awaitable[None]]


class Bookkeeper(Worker):
    """Saves health, circuits, alerts and what was learned; what fails now is tried at its next turn."""

    def __init__(self, chores: Sequence[Chore], clock: Clock) -> None:
        super().__init__("bookkeeper", clock)
        self._chores = chores
        self._due = {chore.name: 0.0 for chore in chores}

    async def run(self) -> None:
        while True:
            await self.save_due()
            await self._clock.sleep(1.0)

    async def save_due(self, *, everything: bool = False) -> None:
        """Do the chores whose time has come, or all of them before a stop."""
        now = self._clock.monotonic()
        for chore in self._chores:
            if everything or now >= self._due[chore.name]:
                self._due[chore.name] = now + chore.every
                await self._do(chore)

    async def _do(self, chore: Chore) -> None:
        try:
            await chore.save()
        except DatabaseAway:
            self.last_error = f"{chore.name} not saved: database is away"
        else:
            self.succeeded()
