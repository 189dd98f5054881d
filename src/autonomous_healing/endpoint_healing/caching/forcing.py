"""How often one caller may have a fresh answer asked for again: `no-cache` must not burn a paid quota."""

from collections import OrderedDict

#: One a second on average: more than a person reloads, and no flood.
MOST, SECONDS = 60, 60.0

#: Callers that are remembered.
_MOST_CALLERS = 10_000


class ForcedRevalidations:
    """Counts them for each caller, by windows of a minute."""

    def __init__(self, most: int = MOST, seconds: float = SECONDS) -> None:
        self._most = most
        self._seconds = seconds
        self._callers: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self.refused = 0

    def allows(self, caller: str, now: float) -> bool:
        """Whether it may have one more; `now` in monotonic seconds."""
        since, count = self._callers.get(caller, (now, 0))
        if now - since >= self._seconds:
            since, count = now, 0
        if count >= self._most:
            self.refused += 1
            return False
        self._callers[caller] = (since, count + 1)
        self._callers.move_to_end(caller)
        if len(self._callers) > _MOST_CALLERS:
            self._callers.popitem(last=False)
        return True
