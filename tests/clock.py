"""Time that moves when a test says so."""

import asyncio
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Stands still until `advance`; sleepers wake in the order of their alarms."""

    def __init__(self, start: datetime = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)) -> None:
        self._start = start
        self._seconds = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            return
        alarm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._seconds + seconds, alarm))
        await alarm

    def pass_time(self, seconds: float) -> None:
        """Move on without waking anyone: for tests in which nobody sleeps."""
        self._seconds += seconds

    async def advance(self, seconds: float) -> None:
        """Move on, waking each sleeper at its time and letting it run."""
        end = self._seconds + seconds
        await let_others_run()
        while due := [sleeper for sleeper in self._sleepers if sleeper[0] <= end]:
            sleeper = min(due, key=lambda one: one[0])
            self._sleepers.remove(sleeper)
            self._seconds = max(self._seconds, sleeper[0])
            if not sleeper[1].done():
                sleeper[1].set_result(None)
            await let_others_run()
        self._seconds = end
        await let_others_run()


class HurriedClock(ManualClock):
    """Sleeping takes no real time: it only moves the clock."""

    async def sleep(self, seconds: float) -> None:
        self.pass_time(max(0.0, seconds))
        await let_others_run()


class FlowingClock(HurriedClock):
    """Moves with the time that really passes, too; the date stands still."""

    def monotonic(self) -> float:
        return super().monotonic() + asyncio.get_running_loop().time()


class WallClock(ManualClock):
    """One whose wall clock may be set, and which may sleep through time as a machine does."""

    def __init__(self, start: str = "2026-03-02T15:00") -> None:
        super().__init__(datetime.fromisoformat(start).replace(tzinfo=UTC))
        self.off = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.off

    def set_wall(self, off: float) -> None:
        """So many seconds off the truth, which is where it began and what passed since."""
        self.off = timedelta(seconds=off)

    def to(self, moment: str) -> None:
        """To a moment of truth."""
        wanted = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        self.pass_time((wanted - super().now()).total_seconds())

    @property
    def truth(self) -> float:
        return super().now().timestamp()


async def let_others_run(turns: int = 20) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(turns):
        turn: asyncio.Future[None] = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn
