"""What a limit is believed to be, between what is declared and what throttles and answers say of it. Pure."""

import math

#: Where nothing is known of a limit.
UNLIMITED = 10**12

#: After a throttle a limit is believed to be this part of the calls that met it; after each window without
#: one it grows by the other (spec: endpoint healing, section 10).
_THROTTLED, _CLEAN = 0.95, 1.05

#: Windows that passed in one go are counted up to here: by then any limit is what it was declared.
_MOST_CLEAN = 500


class Belief:
    """One limit. Never larger than what is declared, never smaller than one call."""

    __slots__ = ("_halved_at", "_throttled_before", "declared", "estimated")

    def __init__(self, declared: int | None) -> None:
        self.declared = declared  #: None: nobody has, so that only what is learned counts
        self.estimated: float | None = None  #: None: nothing else was learned
        self._halved_at = -math.inf
        self._throttled_before = declared is not None

    @property
    def limit(self) -> int:
        """Calls that may be made in a window."""
        known = UNLIMITED if self.declared is None else self.declared
        return known if self.estimated is None else max(1, min(known, int(self.estimated)))

    def throttled(self, used: int, now: float, seconds: float, *, pace: bool) -> None:
        """A call was refused when so many had been made in the window of that length.

        A limit that nobody declared is believed in from the second throttle on. Where less than half of what
        we go by was used, something else than our count was behind it: another user of the key, or a reset at
        another time than we think. That halves a pace, once in a window, and says nothing of a plan's quota.
        """
        if not self._throttled_before:
            self._throttled_before = True
            return
        believed = self.limit
        found = _THROTTLED * used
        if 2 * used < believed < UNLIMITED:
            if not pace or now - self._halved_at < seconds:
                return
            self._halved_at = now
            found = believed / 2
        self.estimated = max(1.0, min(float(believed), found))

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
