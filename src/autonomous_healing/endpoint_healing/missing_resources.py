"""Tells a caller who asks for what never was from a provider that has lost what it had. Pure."""

from collections import OrderedDict
from dataclasses import dataclass

#: Of so many resources that answered within a day, more than half not found within ten minutes are the
#: provider's fault (spec: endpoint healing, section 3).
AT_LEAST, DAY, LATELY = 10, 86_400.0, 600.0

#: Resources of one endpoint that are remembered, those that were asked for last.
MOST = 1000


@dataclass(slots=True)
class _Known:
    found_at: float  #: monotonic seconds
    missed_at: float | None = None  #: since it was found


class MissingResources:
    """Of one endpoint: which resources it had, and which of them it says are not there."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def found(self, resource: str, now: float) -> None:
        """It answered well."""
        known = self._known.get(resource)
        if known is None:
            self._known[resource] = _Known(now)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
            return
        known.found_at, known.missed_at = now, None
        self._known.move_to_end(resource)

    def not_found(self, resource: str, now: float) -> bool:
        """It gave a 404; whether that is the provider's fault, as far as can be told by now."""
        known = self._known.get(resource)
        if known is None:
            return False
        known.missed_at = now
        had = [one for one in self._known.values() if now - one.found_at <= DAY]
        missing = sum(one.missed_at is not None and now - one.missed_at <= LATELY for one in had)
        asked = sum(now - max(one.found_at, one.missed_at or 0.0) <= LATELY for one in had)
        # Where enough were asked for lately, the others say nothing.
        return len(had) >= AT_LEAST and 2 * missing > (asked if asked >= AT_LEAST else len(had))

    def __len__(self) -> int:
        return len(self._known)
