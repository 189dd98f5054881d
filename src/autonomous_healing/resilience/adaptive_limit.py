"""How many calls a host takes at once: found out by asking for more while it does well, and less when not."""

from autonomous_healing.resilience.clock import Clock

#: Good answers that make room for one more call; what is left of the room after trouble; seconds between two
#: cuts, since what was under way at the first tells nothing new (spec: endpoint healing, section 13).
ANSWERS_PER_SLOT = 10
CUT = 0.7
CUT_PAUSE = 1.0


class AdaptiveLimit:
    """Additive increase, multiplicative decrease. Whoever asks compares `in_flight` with `limit`."""

    __slots__ = ("_answers", "_clock", "_cut_at", "_least", "_most", "in_flight", "limit")

    def __init__(self, clock: Clock, *, start: int, least: int, most: int) -> None:
        self._clock = clock
        self._least = least
        self._most = most
        self._answers = 0  #: good ones since the last step
        self._cut_at = -CUT_PAUSE
        self.limit = min(max(start, least), most)
        self.in_flight = 0

    def count_good(self, count: int = 1) -> None:
        """So many answers came as fast as is usual."""
        steps, self._answers = divmod(self._answers + count, ANSWERS_PER_SLOT)
        self.limit = min(self._most, self.limit + steps)

    def cut(self) -> None:
        """A call timed out, was throttled, or met a fault of the host."""
        now = self._clock.monotonic()
        if now - self._cut_at >= CUT_PAUSE:
            self._cut_at = now
            self._answers = 0
            self.limit = max(self._least, int(self.limit * CUT))

    def __repr__(self) -> str:
        return f"<AdaptiveLimit {self.in_flight} of {self.limit}>"
