"""What keeps the calls to a target in measure: slots of its host, trouble of its source, a rest it wants."""

import random
from collections.abc import Sequence

from autonomous_healing.endpoint_healing.admission import Admission, Refused
from autonomous_healing.endpoint_healing.call import Failure
from autonomous_healing.endpoint_healing.codes import (
    CLIENT_BLOCKED,
    RATE_LIMITED,
    SERVER_ERROR,
    TIMEOUT,
    UNREACHABLE,
    Blame,
)
from autonomous_healing.endpoint_healing.concurrency import Crowded, Line, Slots
from autonomous_healing.endpoint_healing.diagnosis import code_of_status, diagnose
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.health import HealthWindow
from autonomous_healing.endpoint_healing.options import HealingSettings
from autonomous_healing.endpoint_healing.priority import Priority
from autonomous_healing.endpoint_healing.shedding import Shedding
from autonomous_healing.resilience import Clock, Deadline

#: What tells that a host has too much to do, if it is its own fault (spec: endpoint healing, section 13).
OVERLOADED = frozenset({TIMEOUT, RATE_LIMITED, CLIENT_BLOCKED, SERVER_ERROR})

#: With this status `Retry-After` speaks for the target; with that of a throttle it does for a key or a quota.
UNAVAILABLE = 503

#: Seconds after which it makes sense to come back to our own full line.
BACK_IN_LINE = 1.0


class LeftOut(Refused):
    """A call that is not made for the good of its source, which is in trouble."""


class Flow:
    """Of one endpoint at one host. Whoever has entered leaves once, whatever came of it.

    Whoever finds `has_room` may enter by counting `slots.in_flight` up, in the same step.
    """

    __slots__ = ("_clock", "_prior", "_rest_code", "_window", "rests_until", "shedding", "slots")

    def __init__(
        self, slots: Slots, shedding: Shedding, window: HealthWindow, prior: float, clock: Clock
    ) -> None:
        """`prior`: seconds that are usual until that is known."""
        self.slots = slots
        self.shedding = shedding
        self.rests_until = 0.0  #: monotonic seconds; 0 where it asked for no rest
        self._rest_code = SERVER_ERROR
        self._window = window
        self._prior = prior
        self._clock = clock

    def has_room(self) -> bool:
        """Whether it has a slot and asked for no rest; where not, `enter` waits, or finds out what is so."""
        slots = self.slots
        return slots.in_flight < slots.limit and not (self.rests_until and self._rest())

    @property
    def is_full(self) -> bool:
        """Whether nothing but a slot is missing."""
        slots = self.slots
        return slots.in_flight >= slots.limit and not self.rests_until

    @property
    def is_spared(self) -> bool:
        """Whether a share of the calls is left out: each has to ask `shedding` then."""
        return self.shedding.active

    async def enter(self, priority: Priority, seconds: float, *, trial: bool = False) -> None:
        """A slot, now or within `seconds`. Raises `Refused`. The trial of a circuit waits for nobody."""
        if wait := self._rest():
            raise Refused(self._rest_code, wait, f"its provider asks not to be called for {wait:.0f}s more")
        if trial:
            self.slots.in_flight += 1
            return
        if not self.shedding.admits(priority):
            raise self.left_out()
        try:
            await self.slots.take(priority, seconds)
        except Crowded as crowded:
            raise Refused(UNREACHABLE, BACK_IN_LINE, str(crowded), Blame.PROXY) from None

    def left_out(self) -> LeftOut:
        """What a call is told that `shedding` does not admit."""
        share = self.shedding.refused_share()
        message = f"{share:.0%} of the calls to this source are not made while it is in trouble"
        return LeftOut(self.shedding.code, None, message)

    def leave(self) -> None:
        """The call has ended."""
        self.slots.give_back()

    def record_good(self, seconds: float) -> None:
        """One call was answered well after so many seconds."""
        self.slots.count_good(seconds <= self._usual())
        self.shedding.record_good()

    def record_unasked(self, seconds: Sequence[float]) -> None:
        """The times of good calls that entered because there was room."""
        usual = self._usual()
        self.slots.count_good(sum(took <= usual for took in seconds))
        self.shedding.record_unasked(len(seconds))

    def record_failed(self, failure: Failure) -> None:
        """One call was made in vain; its blame is known."""
        code, blame = diagnose(failure).code, failure.blame
        if code in OVERLOADED and blame in (Blame.PROVIDER, Blame.KEY):
            self.slots.cut()
        if blame is not Blame.PROVIDER:
            return
        self.shedding.record_failed(code)
        if failure.retry_after and failure.status == UNAVAILABLE:
            self._rest_code = code
            self.rests_until = max(self.rests_until, self._clock.monotonic() + failure.retry_after)

    def record_handed_over(self, status: int | None) -> None:
        """A failure that another process counts; None: no answer came in time."""
        if status is None or code_of_status(status)[0] in OVERLOADED:
            self.slots.cut()

    def _usual(self) -> float:
        return self._window.p95_seconds() or self._prior

    def _rest(self) -> float:
        """Seconds until it may be called again; forgets a rest that is over."""
        left = self.rests_until - self._clock.monotonic() if self.rests_until else 0.0
        if left <= 0.0:
            self.rests_until = 0.0
            return 0.0
        return left

    def __repr__(self) -> str:
        return f"<Flow {self.slots!r}, {self.shedding!r}>"


class Flows:
    """By target; hosts of a source share a line, endpoints at a host its slots."""

    def __init__(
        self, admission: Admission, settings: HealingSettings, clock: Clock, rng: random.Random
    ) -> None:
        self._admission = admission
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._flows: dict[tuple[str, str], Flow] = {}
        self._lines: dict[str, Line] = {}
        self._slots: dict[tuple[str, str], Slots] = {}
        self._sheddings: dict[str, Shedding] = {}
        admission.spares = lambda source: self.shedding(source).active

    def of(self, endpoint: Endpoint, host: str) -> Flow:
        """Made when it is first asked for."""
        known = self._flows.get((endpoint.place, host))
        if known is None:
            source = endpoint.source
            known = self._flows[endpoint.place, host] = Flow(
                self.slots(source.id, host),
                self.shedding(source.id),
                self._admission.window(endpoint),
                2 * source.expected_response,
                self._clock,
            )
        return known

    def slots(self, source: str, host: str) -> Slots:
        """Of one host of a source."""
        if (source, host) not in self._slots:
            settings = self._settings.concurrency
            line = self._lines.setdefault(source, Line(settings.queue))
            connections = self._settings.connections_per_host
            self._slots[source, host] = Slots(self._clock, settings, connections, line)
        return self._slots[source, host]

    def shedding(self, source: str) -> Shedding:
        """Of a source as a whole."""
        if source not in self._sheddings:
            self._sheddings[source] = Shedding(source, self._clock, self._settings.admission, self._rng)
        return self._sheddings[source]

    def seconds_to_wait(self, deadline: Deadline) -> float:
        """How long a call with this deadline may wait for a slot."""
        return self._settings.concurrency.wait_share * deadline.remaining()
