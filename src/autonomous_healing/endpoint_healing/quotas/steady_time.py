"""The date as it may be counted on, although somebody may set the machine's clock."""

from autonomous_healing.resilience import Clock

#: A clock that is set forward is believed after so many seconds; one that was wrong is mended sooner.
PROBATION = 86_400.0

#: And it is never left behind further: a machine that slept for a night must not lose a day.
MOST_BEHIND = 3600.0

#: What clocks are set by as a matter of course.
_SLACK = 1.0


class SteadyTime:
    """Unix seconds that never run ahead of the monotonic clock, and never of the wall clock.

    Set back, it is late at once; set forward, it goes on as before until the new time has stood for a day.
    So no window begins anew too early, and none lasts more than an hour too long.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._believed = self._offset(clock.monotonic())
        self._doubted: tuple[float, float] | None = None  #: another offset, and since when it has stood

    def now(self) -> float:
        """Looks at both clocks."""
        now = self._clock.monotonic()
        offset = self._offset(now)
        self._weigh(offset, now)
        return now + min(offset, self._believed)

    def monotonic_at(self, moment: float) -> float:
        """When the monotonic clock shows `moment`, at the earliest."""
        return moment - self._believed

    def _offset(self, now: float) -> float:
        return self._clock.now().timestamp() - now

    def _weigh(self, offset: float, now: float) -> None:
        if abs(offset - self._believed) <= _SLACK:
            self._believed, self._doubted = offset, None
            return
        if self._doubted is None or abs(offset - self._doubted[0]) > _SLACK:
            self._doubted = (offset, now)
        elif now - self._doubted[1] >= PROBATION:
            self._believed, self._doubted = offset, None
            return
        self._believed = max(self._believed, offset - MOST_BEHIND)
