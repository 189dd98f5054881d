"""What the healthy path saw: noted in passing, counted later."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import add

from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.flow import Flow
from autonomous_healing.endpoint_healing.health import HealthWindow
from autonomous_healing.endpoint_healing.limits import SourceLimits
from autonomous_healing.resilience import CircuitBreaker

#: Answers noted before they are counted whatever the time; a tenth of a second at 40 000 a second.
RING = 4096

#: Buckets of a histogram: the n-th holds what took less than 2^n microseconds; the last one ends at 67 s.
BUCKETS = 27


def bucket_of(seconds: float) -> int:
    """Of a histogram."""
    return min(int(seconds * 1e6).bit_length(), BUCKETS)


class Target:
    """One host of one endpoint, with everything that is asked before a call and told after it."""

    __slots__ = (
        "breaker",
        "budget",
        "endpoint",
        "flow",
        "histogram",
        "host",
        "limits",
        "patience",
        "place",
        "reused",
        "spent",
        "window",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        host: str,
        window: HealthWindow,
        breaker: CircuitBreaker,
        limits: SourceLimits,
        flow: Flow,
        patience: float,
    ) -> None:
        self.endpoint = endpoint
        self.place = endpoint.place
        self.host = host
        self.window = window
        self.breaker = breaker
        self.limits = limits
        self.budget = limits.budget
        self.flow = flow
        self.patience = patience  #: seconds until healing begins although an answer may still come
        self.reused = 0  #: callers since the last count who got a fresh copy
        self.histogram = [0] * (BUCKETS + 1)
        self.spent = 0.0  #: seconds, by all that is in the histogram and was counted since


@dataclass(slots=True)
class Timing:
    """How long the good answers of an endpoint took."""

    endpoint: Endpoint
    counts: list[int] = field(default_factory=lambda: [0] * (BUCKETS + 1))  #: a histogram
    seconds: float = 0.0  #: of all together

    def add(self, target: Target) -> None:
        """Those of one more host."""
        self.counts[:] = map(add, self.counts, target.histogram)
        self.seconds += target.spent


class PassedThrough:
    """What becomes of one source that is passed through: answers are counted soon, failures at once."""

    def __init__(self, window: HealthWindow, observations: "Observations") -> None:
        self._window = window
        self._observations = observations
        self._seconds: list[float] = []

    def record_success(self, seconds: float) -> None:
        """One that was answered."""
        if not self._seconds:
            self._observations.passed.append(self)
        self._seconds.append(seconds)
        if len(self._seconds) == RING:
            self.count()

    def record_failure(self) -> None:
        """One that was not."""
        self._window.record_failure()

    def count(self) -> None:
        """Tell the window of all since the last time."""
        seconds, self._seconds = self._seconds, []
        self._window.record_successes(seconds)


class Observations:
    """A ring of good answers that are still to be counted. To note one makes no garbage."""

    def __init__(self) -> None:
        self._targets: list[Target | None] = [None] * RING
        self._seconds = [0.0] * RING
        self._next = 0
        self._repeated: Counter[tuple[Target, str]] = Counter()
        self._reusing: list[Target] = []
        self.passed: list[PassedThrough] = []  #: those with answers that are still to be counted

    def note(self, target: Target, seconds: float) -> None:
        """One good answer, `seconds` after it was asked for."""
        target.histogram[min(int(seconds * 1e6).bit_length(), BUCKETS)] += 1
        self._targets[self._next] = target
        self._seconds[self._next] = seconds
        self._next += 1
        if self._next == RING:
            self.count()

    def note_reused(self, target: Target, callers: int = 1) -> None:
        """So many more who got a fresh answer than calls were made; one less where nobody waited."""
        if not target.reused:
            self._reusing.append(target)
        target.reused += callers

    def note_repeated(self, target: Target, felt: str, callers: int = 1) -> None:
        """So many more who got what a healing had just brought."""
        self._repeated[target, felt] += callers

    def count(self) -> list[Target]:
        """Tell windows and breakers of all that was noted since the last time; the targets concerned."""
        by_target: defaultdict[Target, list[float]] = defaultdict(list)
        for target, took in zip(self._targets[: self._next], self._seconds, strict=False):
            if target is not None:
                by_target[target].append(took)
        self._next = 0
        for (target, felt), times in self._repeated.items():
            target.window.record_felt(felt, times)
        self._repeated.clear()
        for target in self._reusing:
            target.window.record_felt("fresh", target.reused)
            target.reused = 0
        self._reusing.clear()
        for one in self.passed:
            one.count()
        self.passed.clear()
        for target, seconds in by_target.items():
            self.tell(target, seconds)
        return list(by_target)

    def tell(self, target: Target, seconds: list[float]) -> None:
        """Good answers, to those who count them."""
        target.spent += sum(seconds)
        target.window.record_successes(seconds)
        target.window.record_felt("fresh", len(seconds))
        target.breaker.record_successes(seconds)
        target.budget.count_first(len(seconds))
        target.flow.record_unasked(seconds)


class CountedSoon:
    """The windows of sources that are passed through, with the observations before them."""

    def __init__(self, window: Callable[[Endpoint], HealthWindow], observations: Observations) -> None:
        self._window = window
        self._observations = observations

    def window(self, endpoint: Endpoint) -> PassedThrough:
        """That of one source."""
        return PassedThrough(self._window(endpoint), self._observations)
