"""Deadlines for everything under way, by one timer."""

import asyncio
from typing import Protocol


class Watched(Protocol):
    """What must not last longer than it may."""

    due: float  #: by the loop's clock; may be moved at any time

    def overdue(self) -> None:
        """Called once its time has passed, when it is no longer watched."""


class Sweeper:
    """Looks at all that it watches every `period` seconds, and not at all while that is nothing.

    A timer for each request would cost more than the request; deadlines are met with `period` to spare.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self._watched: dict[Watched, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._watched)

    def watch(self, one: Watched) -> None:
        self._watched[one] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._period, self._sweep)

    def forget(self, one: Watched) -> None:
        self._watched.pop(one, None)

    def stop(self) -> None:
        """Watch nothing any more."""
        self._watched.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._timer = loop.call_later(self._period, self._sweep) if self._watched else None
        for one in [late for late in self._watched if late.due <= now]:
            if one in self._watched:  # one that is late may take another along
                del self._watched[one]
                one.overdue()
