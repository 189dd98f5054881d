"""While a source as a whole is in trouble some calls to it are not made: more the worse it is, the least
urgent first."""

import logging
import math
import random

from autonomous_healing.endpoint_healing.codes import SERVER_ERROR
from autonomous_healing.endpoint_healing.flow_options import AdmissionSettings
from autonomous_healing.endpoint_healing.priority import Priority
from autonomous_healing.resilience import Clock
from autonomous_healing.resilience.rolling_count import RollingCount

log = logging.getLogger(__name__)

#: Seconds between two looks at the share of good calls. Those of the healthy path are counted a little later
#: than failures are: over less than a second they would be missed.
LOOK = 1.0


class Shedding:
    """Of one source. Nothing that is not made here counts as a failure of anybody."""

    def __init__(self, source: str, clock: Clock, settings: AdmissionSettings, rng: random.Random) -> None:
        self.source = source
        self.active = False  #: whether any call may be refused
        self.code = SERVER_ERROR  #: of the last trouble
        self._clock = clock
        self._settings = settings
        self._rng = rng
        self._offered = tuple(RollingCount(settings.window) for _ in Priority)
        self._good = RollingCount(settings.window)
        self._failed = RollingCount(settings.window)
        self._refused = [0.0 for _ in Priority]  #: share of each priority
        self._look_at = math.inf

    def admits(self, priority: Priority) -> bool:
        """Whether one more call should be made."""
        now = self._clock.monotonic()
        self._offered[priority].add(now)
        self._look(now)
        return not self.active or self._rng.random() >= self._refused[priority]

    def record_good(self, count: int = 1) -> None:
        """So many calls were answered."""
        self._good.add(self._clock.monotonic(), count)

    def record_unasked(self, count: int) -> None:
        """So many calls of callers were answered that ask `admits` only while it is active."""
        now = self._clock.monotonic()
        if not self.active:
            self._offered[Priority.INTERACTIVE].add(now, count)
        self._good.add(now, count)

    def record_failed(self, code: str) -> None:
        """One call failed by the source's own fault."""
        now = self._clock.monotonic()
        self.code = code
        self._failed.forget(now)
        if not self._failed.total:
            self._look_at = now + LOOK
        self._failed.add(now)
        self._look(now)

    def refused_share(self) -> float:
        """Of all calls, how many should not be made now.

        (calls - good / success) / (calls + 1), by Envoy's "Admission control" filter with an aggression of 1:
        https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/admission_control_filter
        """
        calls = self._calls(self._clock.monotonic())
        if calls < self._settings.min_calls:
            return 0.0
        beyond = (calls - self._good.total / self._settings.success) / (calls + 1)
        return min(max(0.0, beyond), self._settings.max_refused)

    def _calls(self, now: float) -> int:
        self._good.forget(now)
        self._failed.forget(now)
        return self._good.total + self._failed.total

    def _look(self, now: float) -> None:
        if now < self._look_at:
            return
        share = self.refused_share()
        if self.active and not share:
            log.info("shedding_ended", extra={"source": self.source})
        elif share and not self.active:
            log.warning("shedding_began", extra={"source": self.source, "code": self.code, "share": share})
        self.active = share > 0.0
        self._look_at = now + LOOK if self.active or self._failed.total else math.inf
        for offered in self._offered:
            offered.forget(now)
        left = share * (sum(offered.total for offered in self._offered) or 1)
        for priority in reversed(Priority):
            count = self._offered[priority].total
            refused = min(self._settings.max_refused, left / count if count else left)
            self._refused[priority] = refused
            left -= refused * count

    def __repr__(self) -> str:
        return f"<Shedding {self.source}: {self.refused_share():.0%}>"
