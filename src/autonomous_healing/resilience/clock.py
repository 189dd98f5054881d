"""Time as an argument: everything that waits or dates asks a `Clock`."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What the product knows of time."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC: for dating things."""

    def monotonic(self) -> float:
        """Seconds that never run backwards: for measuring and for deadlines."""

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less only lets others run."""


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    #: The function itself: it is asked several times for each request.
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
