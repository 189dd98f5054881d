"""What stands between wanting to call a provider and calling it: breaker, key, quota, budget."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autonomous_healing.endpoint_healing.codes import SERVER_ERROR
from autonomous_healing.endpoint_healing.endpoints import Endpoint, Source
from autonomous_healing.endpoint_healing.health import HealthWindow
from autonomous_healing.endpoint_healing.keys import Key, KeyRing, NoKey
from autonomous_healing.endpoint_healing.options import HealingSettings, QuotaWindowSettings
from autonomous_healing.endpoint_healing.quota import QuotaLedger, QuotaSpent
from autonomous_healing.resilience import BreakerState, CircuitBreaker, Clock, RetryBudget


class Refused(Exception):
    """No call is made: the code that caused it, and in how many seconds it may be made."""

    def __init__(self, code: str, retry_after: float | None, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """What one source's calls share."""

    keys: KeyRing
    ledger: QuotaLedger
    budget: RetryBudget


class Admission:
    """The state of every target: one breaker per (endpoint, host), one health window per endpoint.

    Each is made when it is first asked for: of thousands that are passed through, few ever are.
    """

    def __init__(
        self,
        secrets: Mapping[str, Iterable[str]],
        quotas: Mapping[str, tuple[QuotaWindowSettings, ...]],
        settings: HealingSettings,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._secrets = secrets
        self._quotas = quotas
        self._rng = random.Random()
        self._limits: dict[str, SourceLimits] = {}
        self._breakers: dict[tuple[str, str], CircuitBreaker] = {}
        self._windows: dict[str, HealthWindow] = {}

    def limits(self, source: Source) -> SourceLimits:
        known = self._limits.get(source.id)
        if known is None:
            known = self._limits[source.id] = SourceLimits(
                KeyRing(source, self._secrets.get(source.id, ()), self._clock, self._settings.keys),
                QuotaLedger(source.id, self._quotas.get(source.id, ()), self._clock),
                RetryBudget(clock=self._clock, settings=self._settings.retry_budget),
            )
        return known

    def window(self, endpoint: Endpoint) -> HealthWindow:
        if endpoint.place not in self._windows:
            self._windows[endpoint.place] = HealthWindow(self._clock, self._settings.window)
        return self._windows[endpoint.place]

    def breaker(self, endpoint: Endpoint, host: str) -> CircuitBreaker:
        target = (endpoint.place, host)
        if target not in self._breakers:
            self._breakers[target] = CircuitBreaker(
                name=f"{endpoint.place}@{host}",
                clock=self._clock,
                settings=self._settings.breaker,
                rng=self._rng,
            )
        return self._breakers[target]

    def breakers(self) -> list[CircuitBreaker]:
        return list(self._breakers.values())

    def choose_host(self, endpoint: Endpoint) -> str:
        """The first host whose circuit lets a call through; the first of all when none does."""
        hosts = endpoint.source.hosts
        return next((host for host in hosts if self.breaker(endpoint, host).would_allow()), hosts[0])

    def admit(self, endpoint: Endpoint, host: str, *, avoid_key: str | None, probe: bool) -> Key | None:
        """The key to call with (None where none is needed). Raises `Refused`."""
        limits = self.limits(endpoint.source)
        breaker = self.breaker(endpoint, host)
        if not breaker.allow():
            wait = breaker.retry_after()
            raise Refused(breaker.reason or SERVER_ERROR, wait, f"circuit open for {wait:.0f}s more")
        try:
            key = limits.keys.choose(endpoint.name, exclude=avoid_key, may_check=True)
            limits.ledger.charge(probe=probe)
        except (NoKey, QuotaSpent) as limit:
            if breaker.state is BreakerState.HALF_OPEN:
                breaker.release_trial()
            raise Refused(limit.code, limit.retry_after, str(limit)) from None
        return key
