"""The one line that everything that heals writes, and that everyone who cares follows."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from autonomous_healing.healing.report import HealingReport

Report = HealingReport[Any, Any]

#: Called with each report before anybody follows it; must neither wait nor raise.
Recorder = Callable[[Report], None]

#: Reports a follower may be behind (spec: agents, section 1).
FOLLOWER_SIZE = 4096


class Follower:
    """One reader's own bounded line of reports. `missed` counts what it was too slow for."""

    def __init__(self, name: str, size: int = FOLLOWER_SIZE) -> None:
        self.name = name
        self.missed = 0
        self._waiting: deque[Report] = deque(maxlen=size)
        self._arrived = asyncio.Event()
        self._ended = False

    def __len__(self) -> int:
        return len(self._waiting)

    def __aiter__(self) -> AsyncIterator[Report]:
        return self

    async def __anext__(self) -> Report:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    def _give(self, report: Report) -> None:
        if len(self._waiting) == self._waiting.maxlen:
            self.missed += 1  # the deque lets its oldest go
        self._waiting.append(report)
        self._arrived.set()

    def _end(self) -> None:
        self._ended = True
        self._arrived.set()


class Journal:
    """Writing never waits, for a user may be on hold; reading is by followers, each at its own pace.

    Followers that fall behind miss the oldest. Whoever may miss none is a recorder.
    """

    def __init__(self, recent: int = 500) -> None:
        self._counts: Counter[str] = Counter()
        self._recorders: list[Recorder] = []
        self._recent: deque[Report] = deque(maxlen=recent)
        self._followers: list[Follower] = []
        self._closed = False

    def record(self, report: Report) -> None:
        self._counts[report.patient] += 1
        self._recent.append(report)
        for recorder in self._recorders:
            recorder(report)
        for follower in self._followers:
            follower._give(report)

    @property
    def recorded(self) -> int:
        """Reports so far."""
        return self._counts.total()

    def recorded_of(self, patient: str) -> int:
        """Reports so far on "endpoint", "code" or "system"."""
        return self._counts[patient]

    def write_to(self, recorder: Recorder) -> None:
        """Hand it every report from now on, at once."""
        self._recorders.append(recorder)

    def follow(self, name: str, size: int = FOLLOWER_SIZE) -> Follower:
        """All reports from now on, in order, until the journal closes."""
        follower = Follower(name, size)
        self._followers.append(follower)
        if self._closed:
            follower._end()
        return follower

    def recent(self) -> list[Report]:
        """The last reports, oldest first."""
        return list(self._recent)

    @property
    def followers(self) -> tuple[Follower, ...]:
        return tuple(self._followers)

    def close(self) -> None:
        """No more reports will come: followers end when they have read what they hold."""
        self._closed = True
        for follower in self._followers:
            follower._end()
