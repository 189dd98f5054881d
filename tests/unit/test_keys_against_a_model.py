"""Whatever happens to a ring of keys, it does what the table of states says."""

import math
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.clock import ManualClock

from autonomous_healing.endpoint_healing.catalog import build_source, default_sources
from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    PLAN_LIMITED,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
    SERVER_ERROR,
    TIMEOUT,
)
from autonomous_healing.endpoint_healing.key_options import KeySettings
from autonomous_healing.endpoint_healing.keys import KeyRing, NoKey

POLYGON = build_source("polygon_io", default_sources()["polygon_io"])
ENDPOINTS = ("/v2/aggs", "/v2/prev")
REFUSALS = (RATE_LIMITED, QUOTA_EXHAUSTED, AUTH_REJECTED, PLAN_LIMITED)
CODES = (*REFUSALS, SERVER_ERROR, TIMEOUT)
HOUR, DAY, TEN_MINUTES, MINUTE = 3600.0, 86_400.0, 600.0, 60.0

aliases = st.integers(min_value=0, max_value=5)
seconds = st.sampled_from([0.5, 2.0, 30.0, MINUTE, 599.0, TEN_MINUTES, HOUR, 7200.0, DAY, 2 * DAY])


@dataclass
class Twin:
    """What the table says of one key."""

    state: str = "ok"
    until: float = 0.0
    checking: bool = False
    refused: dict[str, float] = field(default_factory=dict)
    plans: dict[str, float] = field(default_factory=dict)


class Rings(RuleBasedStateMachine):
    """A ring and its model: refused, answered, rested, taken out by hand, restarted, changed."""

    @initialize(
        keys=st.sampled_from([2, 3, 1, 0]),
        rotate_on=st.sampled_from([{"invalid"}, {"invalid", "limited"}, {"limited", "drained"}, set()]),
        terms=st.booleans(),
    )
    def begin(self, keys: int, rotate_on: set[str], terms: bool) -> None:
        self.clock = ManualClock()
        self.source = replace(POLYGON, rotate_on=frozenset(rotate_on), terms_allow_rotation=terms)
        self.passable = {"ok", "quarantined", *(rotate_on if terms else rotate_on & {"invalid"})}
        self.weighs = bool(self.passable & {"limited", "drained"})
        self.ring = KeyRing(self.source, (f"secret {n}" for n in range(keys)), self.clock, KeySettings())
        self.twins = {key.alias: Twin() for key in self.ring.keys}
        self.shares: dict[str, float] = {}
        self.ring.remaining_share = self.share
        self.check_from = -math.inf
        self.made = 0

    def share(self, alias: str) -> float:
        return self.shares.get(alias, 1.0)

    def alias(self, n: int) -> str:
        return sorted(self.twins)[n % len(self.twins)]

    @precondition(lambda self: self.twins)
    @rule(n=aliases, code=st.sampled_from(CODES), endpoint=st.sampled_from(ENDPOINTS), wait=seconds)
    def refuse(self, n: int, code: str, endpoint: str, wait: float) -> None:
        alias, now = self.alias(n), self.clock.monotonic()
        self.ring.reject(alias, code, endpoint, wait)
        self.rest_is_over(now)
        twin = self.twins[alias]
        if code == PLAN_LIMITED:
            twin.plans[endpoint] = now + DAY
        if twin.state != "quarantined":
            self.after(twin, code, now, min(wait, DAY))
        twin.checking = False
        if code in REFUSALS:
            twin.refused[code] = now
            recent = [at for at in twin.refused.values() if now - at < TEN_MINUTES]
            if len(recent) >= 3 and twin.state != "quarantined":
                twin.state, twin.until = "quarantined", math.inf

    def after(self, twin: Twin, code: str, now: float, wait: float) -> None:
        if twin.state == "invalid" and not twin.checking:
            return
        match code:
            case "API.RATE_LIMITED" if twin.state != "drained":
                rest = now + max(wait, self.source.retry_delay)
                twin.until = max(twin.until, rest) if twin.state == "limited" else rest
                twin.state = "limited"
            case "API.QUOTA_EXHAUSTED":
                rest = now + max(wait, self.source.quota_rest)
                twin.until = max(twin.until, rest) if twin.state == "drained" else rest
                twin.state = "drained"
            case "API.AUTH_REJECTED":
                twin.until = now + (DAY if twin.checking else HOUR)
                twin.state = "invalid"
            case "API.PLAN_LIMITED" if twin.checking:
                twin.state = "ok"

    @precondition(lambda self: self.twins)
    @rule(n=aliases)
    def answer(self, n: int) -> None:
        alias = self.alias(n)
        self.ring.accept(alias)
        if self.twins[alias].checking:
            self.twins[alias].state, self.twins[alias].checking = "ok", False

    @rule(seconds=seconds, endpoint=st.sampled_from(ENDPOINTS), may_check=st.booleans())
    def ask_wait_and_ask_again(self, seconds: float, endpoint: str, may_check: bool) -> None:
        self.choose(endpoint, may_check=may_check)
        self.clock.pass_time(seconds)
        self.choose(endpoint, may_check=may_check)

    @precondition(lambda self: self.twins)
    @rule(n=aliases)
    def take_out_by_hand(self, n: int) -> None:
        alias = self.alias(n)
        self.ring.quarantine(alias, "by hand")
        self.twins[alias].state, self.twins[alias].until = "quarantined", math.inf
        self.twins[alias].checking = False

    @precondition(lambda self: any(twin.state == "quarantined" for twin in self.twins.values()))
    @rule(n=aliases)
    def put_back_by_hand(self, n: int) -> None:
        out = sorted(alias for alias, twin in self.twins.items() if twin.state == "quarantined")
        alias = out[n % len(out)]
        self.ring.release(alias)
        self.twins[alias].state = "ok"
        self.twins[alias].refused.clear()

    @precondition(lambda self: self.twins)
    @rule(n=aliases)
    def rotate(self, n: int) -> None:
        alias, self.made = self.alias(n), self.made + 1
        self.ring.rotate(alias, f"new {self.made}")
        self.twins[alias] = Twin()

    @precondition(lambda self: len(self.twins) < 4)
    @rule()
    def add(self) -> None:
        self.made += 1
        self.ring.add(f"polygon_io#s{self.made}", f"stored {self.made}")
        self.twins[f"polygon_io#s{self.made}"] = Twin()

    @precondition(lambda self: self.twins)
    @rule(n=aliases)
    def remove(self, n: int) -> None:
        alias = self.alias(n)
        self.ring.remove(alias)
        del self.twins[alias]

    @precondition(lambda self: self.twins)
    @rule(n=aliases, share=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    def use_up(self, n: int, share: float) -> None:
        self.choose(ENDPOINTS[0], may_check=True)
        self.shares[self.alias(n)] = share
        self.clock.pass_time(0.125)  # by then it has been looked at again, and 1/8 adds up exactly
        self.choose(ENDPOINTS[0], may_check=True)

    @rule()
    def crash_and_come_back(self) -> None:
        """What is kept of each key is what the table of the database holds; of a check under way, nothing."""
        before, now = self.ring, self.clock.monotonic()
        self.rest_is_over(now)
        before.readings()  # what is over is not written down
        again = KeyRing(self.source, (), self.clock, KeySettings())
        again.remaining_share = self.share
        for key in before.keys:
            again.add(key.alias, key.secret)
            again.restore(key.alias, key.state, key.seconds_left(now), key.last_error)
            again.exclude(key.alias, before.excluded(key.alias))
        self.ring, self.check_from = again, -math.inf
        for twin in self.twins.values():
            twin.checking = False
            twin.refused.clear()

    @rule(endpoint=st.sampled_from(ENDPOINTS), may_check=st.booleans())
    def ask(self, endpoint: str, may_check: bool) -> None:
        self.choose(endpoint, may_check=may_check)

    def choose(self, endpoint: str, *, may_check: bool) -> None:
        now = self.clock.monotonic()
        self.rest_is_over(now)
        due = self.due(endpoint, now)
        if (due and not may_check) or not (due or self.fit(endpoint, None, now)):
            with pytest.raises(NoKey) as none:
                self.ring.choose(endpoint, may_check=may_check)
            assert none.value.retry_after is None or 0 <= none.value.retry_after <= 2 * DAY
            return
        key = self.ring.choose(endpoint, may_check=may_check)
        assert key is not None
        if due:
            assert key.alias == due
            self.twins[due].checking, self.twins[due].until = True, now + MINUTE
            self.check_from = now + MINUTE
        else:
            fit = self.fit(endpoint, None, now)
            most = max(map(self.share, fit)) if self.weighs else self.share(fit[0])
            assert key.alias == next(one for one in fit if not self.weighs or self.share(one) == most)

    @precondition(lambda self: any(twin.state == "invalid" for twin in self.twins.values()))
    @rule(endpoint=st.sampled_from(ENDPOINTS))
    def try_again(self, endpoint: str) -> None:
        self.clock.pass_time(DAY)
        self.choose(endpoint, may_check=True)

    @precondition(lambda self: self.twins)
    @rule(n=aliases, endpoint=st.sampled_from(ENDPOINTS))
    def rotate_within_a_request(self, n: int, endpoint: str) -> None:
        alias, now = self.alias(n), self.clock.monotonic()
        self.rest_is_over(now)
        assert self.ring.can_rotate(endpoint, alias) == bool(self.fit(endpoint, alias, now))

    def order(self) -> list[str]:
        """Up to the first that may not be gone round."""
        order = []
        for key in self.ring.keys:
            order.append(key.alias)
            if self.twins[key.alias].state not in self.passable:
                break
        return order

    def fit(self, endpoint: str, exclude: str | None, now: float) -> list[str]:
        return [
            alias
            for alias in self.order()
            if self.twins[alias].state == "ok"
            and alias != exclude
            and self.twins[alias].plans.get(endpoint, 0.0) <= now
        ]

    def due(self, endpoint: str, now: float) -> str | None:
        for alias in self.order() if now >= self.check_from else ():
            twin = self.twins[alias]
            if twin.state == "invalid" and now >= twin.until and twin.plans.get(endpoint, 0.0) <= now:
                return alias
        return None

    def rest_is_over(self, now: float) -> None:
        for twin in self.twins.values():
            if twin.state in ("limited", "drained") and now >= twin.until:
                twin.state = "ok"

    @rule()
    def look(self) -> None:
        """Seldom: whoever looks has the rests ended that are over."""
        self.rest_is_over(self.clock.monotonic())
        read = {one.alias: one.state.value for one in self.ring.readings()}
        assert read == {alias: twin.state for alias, twin in self.twins.items()}


Rings.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestRings = Rings.TestCase
