"""The part of the injected clock that a database needs, and a wait for the first of several things."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from typing import Any, Protocol


class Clock(Protocol):
    """Structural, because this floor imports no other package of ours; the product's own clock fits it."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less only lets others run."""


async def first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Return as soon as one of the waits is over; the others are cancelled."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
