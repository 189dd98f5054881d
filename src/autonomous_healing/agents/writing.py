"""Writes the journal to the database, and keeps what must survive a restart."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from autonomous_healing.agents.agent import Agent, Worker
from autonomous_healing.database import DatabaseAway, EventWriter
from autonomous_healing.endpoint_healing.call import FailedCall
from autonomous_healing.endpoint_healing.store import rows_of
from autonomous_healing.healing import Follower, Report
from autonomous_healing.resilience import Clock


class ReportWriter(Agent[Report]):
    """Hands every report to the event writer, which never waits and never loses one."""

    def __init__(self, inbox: Follower, writer: EventWriter, clock: Clock) -> None:
        super().__init__("report_writer", inbox, clock)
        self.events = 0  #: failures handed on
        self._writer = writer

    async def handle(self, item: Report) -> None:
        if isinstance(item.case, FailedCall):
            for row in rows_of(item):
                self._writer.put(row)
            self.events += 1


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
