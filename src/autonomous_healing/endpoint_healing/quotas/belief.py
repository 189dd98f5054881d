"""What a limit is believed to be, between what is declared and what throttles and answers say of it. Pure."""

import math

#: Where nothing is known of a limit.
UNLIMITED = 10**12

#: After a throttle a limit is believed to be this part of the calls that met it; after each window without
#: one it grows by the other (spec: endpoint healing, section 10).
_THROTTLED, _CLEAN = 0.95, 1.05

#: Windows that passed in one go are counted up to here: by then any limit is what it was declared.
_MOST_CLEAN = 500

#: So many throttles make a limit where none was expected: at counts of at least that many calls, which differ
#: by no more than this factor, in different windows.
_TIMES, _FEW, _ALIKE = 3, 10, 1.5


class Belief:
    """One limit. Never larger than what is declared, never smaller than one call."""

    __slots__ = ("_met", "_met_at", "declared", "estimated")

    def __init__(self, declared: int | None) -> None:
        self.declared = declared  #: None: nobody has, so that only what is learned counts
        self.estimated: float | None = None  #: None: nothing else was learned
        self._met: tuple[int, ...] = ()  #: the last counts at which unexpected throttles came
        self._met_at = -math.inf

    @property
    def limit(self) -> int:
        """Calls that may be made in a window."""
        known = UNLIMITED if self.declared is None else self.declared
        return known if self.estimated is None else max(1, min(known, int(self.estimated)))

    def throttled(self, used: int, now: float, seconds: float) -> None:
        """A call was refused when so many had been made in the window of that length.

        Where that is less than half of what we go by, something else than our count may be behind it: trouble
        of the provider, another user of the key, a reset at another time than we think. It teaches only what
        it does again and again.
        """
        believed = self.limit
        if 2 * used >= believed:
            self.estimated = max(1.0, min(float(believed), _THROTTLED * used))
        elif self._is_usual(used, now, seconds):
            self.estimated = _THROTTLED * min(self._met)

    def told(self, limit: int) -> None:
        """The source itself has named it. Where we have a limit of our own, only a smaller one counts."""
        if self.declared is None or limit < self.limit:
            self.estimated = float(limit)

    def clean(self, windows: int) -> None:
        """So many windows have passed without a throttle."""
        if self.estimated is None:
            return
        self.estimated *= _CLEAN ** min(windows, _MOST_CLEAN)
        if self.estimated >= (UNLIMITED if self.declared is None else self.declared):
            self.estimated = None

    def restore(self, declared: int | None, estimated: float | None) -> None:
        """What was learned before, unless it was learned of another plan."""
        if estimated is not None and declared == self.declared and math.isfinite(estimated):
            self.estimated = max(1.0, min(estimated, float(self.limit)))

    def _is_usual(self, used: int, now: float, seconds: float) -> bool:
        """Whether throttles come at such a count in one window after the other."""
        if used < _FEW or now - self._met_at < seconds / 2:
            return False
        self._met, self._met_at = (*self._met, used)[-_TIMES:], now
        return len(self._met) == _TIMES and max(self._met) <= _ALIKE * min(self._met)
