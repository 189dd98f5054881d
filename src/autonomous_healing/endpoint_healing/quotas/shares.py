"""How much of a window a call may use, by its purpose. Pure.

A share is rounded up, so that no window is too small for one: of 5 calls first attempts may use all, of 25
they leave one to healing. `docs/howto/live_with_quotas.md` has the table.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quotas.options import QuotaSettings

BACKGROUND = frozenset({Purpose.PROBE, Purpose.PREFETCH, Purpose.SHADOW, Purpose.DRILL})

#: So that a product which is whole, but for the last digits of a float, is not rounded up.
_WHOLE = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Shares:
    """What an operator has set."""

    settings: QuotaSettings = field(default_factory=QuotaSettings)
    of_fallbacks: float = 0.5  #: of what is left of a source's window, for calls in place of another's

    def rooms(self, limit: int) -> Mapping[Purpose, int]:
        """By purpose, so many calls may have been made in all, that one included."""
        return {purpose: share_of(self._share(purpose), limit) for purpose in Purpose}

    def probes(self, limit: int) -> int:
        """So many of the calls may be probes; one of any window."""
        return max(1, int(self.settings.probes * limit + _WHOLE))

    def fallbacks(self, limit: int, used_by_others: int) -> int:
        """So many calls may be made in place of other sources', where its own callers have made that many."""
        return share_of(self.of_fallbacks, max(0, limit - used_by_others))

    def _share(self, purpose: Purpose) -> float:
        if purpose in BACKGROUND:
            return self.settings.background
        match purpose:
            case Purpose.BATCH:
                return self.settings.batch
            case Purpose.FIRST:
                return self.settings.first
            case _:
                return 1.0


def share_of(share: float, limit: int) -> int:
    """Rounded up."""
    return math.ceil(share * limit - _WHOLE)
