"""What a source lets us ask in a window of time, counted before each call."""

from collections import deque
from collections.abc import Sequence
from itertools import repeat

from autonomous_healing.endpoint_healing.codes import QUOTA_EXHAUSTED, RATE_LIMITED
from autonomous_healing.endpoint_healing.options import QuotaWindowSettings
from autonomous_healing.resilience import Clock

#: A limit over a longer window is a plan's quota, over a shorter one a pace.
PACE_SECONDS = 3600.0


class QuotaSpent(Exception):
    """The call would pass a limit: under which code to refuse it, and in how many seconds there is room."""

    def __init__(self, code: str, retry_after: float, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class _Window:
    """One limit and the calls that count against it; what is the same for every call is told once."""

    __slots__ = ("calls", "probe_room", "room", "seconds", "settings")

    def __init__(self, settings: QuotaWindowSettings) -> None:
        self.settings = settings
        self.seconds = settings.seconds
        self.room = settings.limit
        self.probe_room = max(1, int(settings.limit * settings.probe_share))
        self.calls: deque[float] = deque()

    def forget(self, now: float) -> None:
        """Calls that count no more."""
        edge = now - self.seconds
        while self.calls and self.calls[0] <= edge:
            self.calls.popleft()

    def counted(self, now: float) -> int:
        """Calls that count against the limit now."""
        edge = now - self.seconds
        return sum(1 for at in self.calls if at > edge)

    def no_room(self, source: str, room: int, now: float) -> QuotaSpent:
        code = RATE_LIMITED if self.seconds <= PACE_SECONDS else QUOTA_EXHAUSTED
        return QuotaSpent(
            code,
            self.calls[len(self.calls) - room] + self.seconds - now,
            f"own limit of {room} calls in {self.seconds:.0f}s to {source} is reached",
        )


class QuotaLedger:
    """Sliding windows of one source. In memory: a restart starts them empty."""

    def __init__(self, source: str, windows: Sequence[QuotaWindowSettings], clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._windows = tuple(map(_Window, windows))

    def charge(self, *, probe: bool) -> None:
        """Count one call about to be made; raises `QuotaSpent` and counts nothing when there is no room.

        Probes may use only a small share, so that watching never eats what users need.
        """
        if not self._windows:
            return
        now = self._clock.monotonic()
        for window in self._windows:
            calls = window.calls
            edge = now - window.seconds
            while calls and calls[0] <= edge:
                calls.popleft()
            room = window.probe_room if probe else window.room
            if len(calls) >= room:
                raise window.no_room(self._source, room, now)
        for window in self._windows:
            window.calls.append(now)

    def left(self) -> int | None:
        """Calls for which there is room now; None where nothing limits them."""
        now = self._clock.monotonic()
        for window in self._windows:
            window.forget(now)
        return min((window.room - len(window.calls) for window in self._windows), default=None)

    def charge_block(self, count: int, at: float) -> None:
        """Count calls that others will have made by `at`, for which `left` has found room."""
        for window in self._windows:
            window.calls.extend(repeat(at, count))

    def give_back(self, count: int, at: float) -> None:
        """Of those calls, so many were not made."""
        for window in self._windows:
            back = min(count, window.calls.count(at))
            for _ in range(back):
                window.calls.remove(at)

    def used(self) -> list[tuple[QuotaWindowSettings, int]]:
        """Calls counted in each window now."""
        now = self._clock.monotonic()
        return [(window.settings, window.counted(now)) for window in self._windows]
