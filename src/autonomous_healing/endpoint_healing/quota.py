"""What a source lets us ask in a window of time, counted before each call."""

from collections import deque
from collections.abc import Sequence

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


class QuotaLedger:
    """Sliding windows of one source. In memory: a restart starts them empty."""

    def __init__(self, source: str, windows: Sequence[QuotaWindowSettings], clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._windows = [(window, deque[float]()) for window in windows]

    def charge(self, *, probe: bool) -> None:
        """Count one call about to be made; raises `QuotaSpent` and counts nothing when there is no room.

        Probes may use only a small share, so that watching never eats what users need.
        """
        now = self._clock.monotonic()
        for window, calls in self._windows:
            while calls and calls[0] <= now - window.seconds:
                calls.popleft()
            room = max(1, int(window.limit * window.probe_share)) if probe else window.limit
            if len(calls) >= room:
                code = RATE_LIMITED if window.seconds <= PACE_SECONDS else QUOTA_EXHAUSTED
                raise QuotaSpent(
                    code,
                    calls[len(calls) - room] + window.seconds - now,
                    f"own limit of {room} calls in {window.seconds:.0f}s to {self._source} is reached",
                )
        for _, calls in self._windows:
            calls.append(now)

    def used(self) -> list[tuple[QuotaWindowSettings, int]]:
        """Calls counted in each window now."""
        now = self._clock.monotonic()
        return [
            (window, sum(1 for at in calls if at > now - window.seconds)) for window, calls in self._windows
        ]
