"""The date as it may be counted on, although somebody may set the machine's clock."""

from autonomous_healing.resilience import Clock

#: A clock that is set forward is not followed, but never left behind further than this: a machine that slept
#: for a night must not lose a day.
MOST_BEHIND = 3600.0

#: Seconds by which clocks are set as a matter of course.
_SLACK = 1.0


class SteadyTime:
    """Unix seconds that run ahead neither of the wall clock nor of the monotonic one.

    They begin with the wall clock. Set back, it is followed at once; set forward, only as far as it was set
    back before. So no window begins anew too early, and none lasts longer than an hour too long.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._believed = self._offset(clock.monotonic())  #: of the two clocks

    def now(self) -> float:
        """Looks at both clocks."""
        now = self._clock.monotonic()
        offset = self._offset(now)
        if abs(offset - self._believed) <= _SLACK:
            self._believed = offset
        self._believed = max(self._believed, offset - MOST_BEHIND)
        return now + min(offset, self._believed)

    def monotonic_at(self, moment: float) -> float:
        """When the monotonic clock shows `moment`, at the earliest."""
        return moment - self._believed

    def _offset(self, now: float) -> float:
        return self._clock.now().timestamp() - now
