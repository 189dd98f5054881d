"""Whatever happens to a circuit breaker, it does what a few plain rules say, over crashes too."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.clock import ManualClock

from autonomous_healing.resilience import BreakerSettings, BreakerState, CircuitBreaker, Force

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
PLAIN = BreakerSettings(jitter=0.0, open_base=30.0, open_cap=120.0, reset_cap=1000.0, calm=300.0)
FAST, SLOW, SLOW_AFTER, TRIAL_SECONDS = 0.1, 9.0, 5.0, 60.0


@dataclass
class Rules:
    """The circuit as the documents tell it, in plain lists and without any thought of speed."""

    now: float = 0.0
    state: BreakerState = CLOSED
    openings: int = 0
    due: float = 0.0
    reset: float = 0.0
    calm_since: float = 0.0
    calls: list[tuple[float, bool]] = field(default_factory=list)
    row: int = 0
    slow: list[bool] = field(default_factory=list)
    trial: float | None = None
    good_trials: int = 0
    forced: Force | None = None
    forced_until: float = 0.0

    def is_forced(self) -> bool:
        if self.now >= self.forced_until:
            self.forced = None
        return self.forced is not None

    def wait(self) -> float:
        if self.state is not OPEN:
            return 0.0
        return max(0.0, (self.forced_until if self.is_forced() else max(self.due, self.reset)) - self.now)

    def admits(self, *, early: bool) -> bool:
        """Admit a call, and hand out the trial."""
        if self.state is CLOSED:
            return True
        busy = self.trial is not None and self.now - self.trial < TRIAL_SECONDS
        is_due = self.wait() == 0 and not (self.state is OPEN and self.is_forced())
        may_be_early = early and not self.is_forced() and self.now >= self.reset
        if busy or not (is_due or may_be_early):
            return False
        if is_due and self.state is OPEN:
            self.state, self.good_trials = HALF_OPEN, 0
        self.trial = self.now
        return True

    def succeeds(self, seconds: float) -> None:
        if self.state is OPEN and self.trial is not None and not self.is_forced():
            self.state, self.good_trials = HALF_OPEN, 0
        self.row = 0
        if self.state is HALF_OPEN:
            self.trial = None
            self.good_trials += 1
            if self.good_trials == PLAIN.half_open_successes:
                self.closes()
                return
        self.forgives()
        self.counts(bad=False, seconds=seconds)
        if self.state is CLOSED and not self.is_forced() and self.crawls():
            self.opens(None)

    def fails(self, seconds: float, reset: float | None) -> None:
        self.row += 1
        self.counts(bad=True, seconds=seconds)
        if self.is_forced():
            return
        if self.state is OPEN:
            self.trial = None
            if reset is not None:
                self.reset = max(self.reset, self.now + min(reset, PLAIN.reset_cap))
        elif self.state is HALF_OPEN or self.row >= PLAIN.consecutive or self.half_fail() or self.crawls():
            self.opens(reset)

    def counts(self, *, bad: bool, seconds: float) -> None:
        self.calls = [*(one for one in self.calls if one[0] > self.now - PLAIN.window), (self.now, bad)]
        self.slow = [*self.slow, seconds > SLOW_AFTER][-PLAIN.slow_calls :]

    def half_fail(self) -> bool:
        failed = sum(bad for _, bad in self.calls)
        return len(self.calls) >= PLAIN.min_calls and 2 * failed >= len(self.calls)

    def crawls(self) -> bool:
        return len(self.slow) == PLAIN.slow_calls and 2 * sum(self.slow) >= PLAIN.slow_calls

    def forgives(self) -> None:
        while self.state is CLOSED and self.openings and self.now - self.calm_since >= PLAIN.calm:
            self.openings -= 1
            self.calm_since += PLAIN.calm

    def opens(self, reset: float | None) -> None:
        again = self.state is HALF_OPEN
        self.forgives()
        self.openings += 1
        self.state, self.trial = OPEN, None
        own = self.now + min(PLAIN.open_cap, PLAIN.open_base * self.openings)
        self.reset = 0.0 if reset is None else self.now + min(reset, PLAIN.reset_cap)
        self.due = own if reset is None or again else self.now

    def closes(self) -> None:
        self.state, self.calls, self.slow, self.row, self.trial = CLOSED, [], [], 0, None
        self.calm_since = self.now

    def force(self, kind: Force, seconds: float) -> None:
        self.forced, self.forced_until = kind, self.now + seconds
        if kind is Force.OPEN:
            self.state, self.due, self.reset, self.trial = OPEN, self.forced_until, 0.0, None
        else:
            self.closes()

    def unforce(self) -> None:
        if self.is_forced() and self.state is OPEN:
            self.due = self.now
        self.forced, self.forced_until = None, 0.0

    def crash(self) -> None:
        """A restart knows nothing of calls; a trial starts again."""
        self.is_forced()
        left, reset = max(0.0, self.due - self.now), max(0.0, self.reset - self.now)
        if self.state is CLOSED:
            self.closes()
        else:
            self.closes()
            self.state = OPEN
            self.due, self.reset = self.now + left, self.now + reset


class AnyLife(RuleBasedStateMachine):
    """The real one beside the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.plain = Rules()
        self.breaker = self._made()

    def _made(self) -> CircuitBreaker:
        return CircuitBreaker(
            name="x",
            clock=self.clock,
            settings=PLAIN,
            trial_seconds=TRIAL_SECONDS,
            slow_after=SLOW_AFTER,
            has_alternate=True,
        )

    def _admitted(self, *, early: bool = False) -> bool:
        """Both say the same, and whoever only asks changes nothing."""
        would = self.breaker.would_allow_early() if early else self.breaker.would_allow()
        admitted = self.breaker.allow_early() if early else self.breaker.allow()
        assert admitted is self.plain.admits(early=early) is would
        return admitted

    @rule(early=st.booleans(), seconds=st.sampled_from([FAST, FAST, SLOW]), many=st.integers(1, 12))
    def calls_go_well(self, early: bool, seconds: float, many: int) -> None:
        for _ in range(many):
            if self._admitted(early=early):
                self.breaker.record_success(seconds)
                self.plain.succeeds(seconds)

    @rule(
        early=st.booleans(),
        seconds=st.sampled_from([FAST, SLOW]),
        reset=st.sampled_from([None, None, 0.0, 12.0, 5000.0]),
        many=st.integers(1, 6),
    )
    def calls_fail(self, early: bool, seconds: float, reset: float | None, many: int) -> None:
        for _ in range(many):
            if self._admitted(early=early):
                self.breaker.record_failure("API.TIMEOUT", reset, seconds)
                self.plain.fails(seconds, reset)

    @rule(early=st.booleans())
    def a_caller_vanishes(self, early: bool) -> None:
        self._admitted(early=early)

    @rule()
    def a_call_tells_nothing(self) -> None:
        if self._admitted():
            self.breaker.release_trial()
            self.plain.trial = None

    @rule(seconds=st.sampled_from([1, 7, 30, 61, 120, 300, 1000]))
    def time_passes(self, seconds: int) -> None:
        self.clock.pass_time(seconds)
        self.plain.now += seconds

    @rule(kind=st.sampled_from(Force), seconds=st.sampled_from([10, 400]))
    def an_operator_decides(self, kind: Force, seconds: int) -> None:
        self.breaker.force(kind, seconds=seconds, reason="because", by="ann")
        self.plain.force(kind, seconds)

    @rule()
    def an_operator_lets_it_decide(self) -> None:
        self.breaker.unforce()
        self.plain.unforce()

    @rule()
    def the_product_crashes(self) -> None:
        memory = self.breaker.memory()
        self.breaker = self._made()
        self.breaker.restore(memory)
        self.plain.crash()

    @invariant()
    def both_are_the_same(self) -> None:
        one, plain = self.breaker, self.plain
        assert (one.state, one.openings) == (plain.state, plain.openings)
        assert one.retry_after() == plain.wait()
        assert one.is_closed is (plain.state is CLOSED)
        assert not one.is_steady or one.is_closed
        assert one.is_forced() is plain.is_forced()


AnyLife.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAnyLife = AnyLife.TestCase
