"""How late the event loop is: what waits for it in vain is no fault of anybody else."""

import math

from autonomous_healing.resilience.clock import Clock

#: Between two looks, and how late one may be, in seconds (the second: spec, endpoint healing, section 5).
EVERY, LATE = 0.25, 1.0


class Punctuality:
    """Wakes at fixed times, and notes when it could not."""

    def __init__(self, clock: Clock) -> None:
        self.worst = 0.0  #: seconds, since the start
        self._clock = clock
        self._due = math.inf  #: monotonic seconds, of the next waking
        self._late_at = -math.inf  #: the last late waking

    async def run(self) -> None:
        """Go on until it is cancelled."""
        try:
            while True:
                self._due = self._clock.monotonic() + EVERY
                await self._clock.sleep(EVERY)
                self._look()
        finally:
            self._due = math.inf

    def was_late_since(self, moment: float) -> bool:
        """Whether the loop stood still for longer than it may since then (monotonic seconds), or does now."""
        self._look()
        return self._late_at >= moment

    def _look(self) -> None:
        # Who asks may run before the waking that is due.
        now = self._clock.monotonic()
        late = now - self._due
        self.worst = max(self.worst, late)
        if late > LATE:
            self._late_at = now
