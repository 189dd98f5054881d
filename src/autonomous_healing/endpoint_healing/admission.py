"""What stands between wanting to call a provider and calling it: breaker, key, quota, budget."""

from collections.abc import Callable, Iterable, Mapping

from autonomous_healing.endpoint_healing.circuits import Circuits
from autonomous_healing.endpoint_healing.codes import SERVER_ERROR, UNREACHABLE, Blame
from autonomous_healing.endpoint_healing.endpoints import Endpoint, Source
from autonomous_healing.endpoint_healing.health import HealthWindow
from autonomous_healing.endpoint_healing.keys import Key, KeyRing, NoKey
from autonomous_healing.endpoint_healing.limits import SourceLimits
from autonomous_healing.endpoint_healing.options import HealingSettings
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quota import QuotaLedger, QuotaSpent, Weight
from autonomous_healing.endpoint_healing.quotas.options import QuotaWindowSettings
from autonomous_healing.endpoint_healing.quotas.shares import Shares
from autonomous_healing.resilience import CircuitBreaker, Clock, RetryBudget


class Refused(Exception):
    """No call is made: the code that caused it, and in how many seconds it may be made."""

    def __init__(
        self, code: str, retry_after: float | None, message: str, blame: Blame | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after
        self.blame = blame  #: where more than this source stands behind it


def _spares_nobody(_: str) -> bool:
    return False


class Admission:
    """The state of every target: one circuit per (endpoint, host), one health window per endpoint.

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
        self._shares = Shares(settings=settings.quota, of_fallbacks=settings.fallback_share_max)
        self.circuits = Circuits(settings, clock)
        self._limits: dict[str, SourceLimits] = {}
        self._windows: dict[str, HealthWindow] = {}
        #: Whether a share of the calls to a source is left out now; set by whoever counts its trouble.
        self.spares: Callable[[str], bool] = _spares_nobody

    def limits(self, source: Source) -> SourceLimits:
        known = self._limits.get(source.id)
        if known is None:
            known = self._limits[source.id] = SourceLimits(
                KeyRing(source, self._secrets.get(source.id, ()), self._clock, self._settings.keys),
                QuotaLedger(source.id, self._quotas.get(source.id, ()), self._clock, self._shares),
                RetryBudget(clock=self._clock, settings=self._settings.retry_budget),
            )
        return known

    def ledgers(self) -> list[QuotaLedger]:
        """Of the sources that were asked for anything."""
        return [limits.ledger for limits in self._limits.values()]

    def window(self, endpoint: Endpoint) -> HealthWindow:
        if endpoint.place not in self._windows:
            self._windows[endpoint.place] = HealthWindow(self._clock, self._settings.window)
        return self._windows[endpoint.place]

    def breaker(self, endpoint: Endpoint, host: str) -> CircuitBreaker:
        return self.circuits.breaker(endpoint, host)

    def breakers(self) -> list[CircuitBreaker]:
        return self.circuits.all()

    def choose_host(self, endpoint: Endpoint) -> str:
        """Where the next call of an endpoint goes; the least bad host when all circuits are open."""
        chosen, ledger = self.circuits.choose_host(endpoint), self.limits(endpoint.source).ledger
        if not ledger.rests(chosen):
            return chosen
        awake = (host for host in endpoint.source.hosts if not ledger.rests(host))
        return next((host for host in awake if self.breaker(endpoint, host).would_allow()), chosen)

    def admit(
        self,
        endpoint: Endpoint,
        host: str,
        *,
        avoid_key: str | None,
        purpose: Purpose,
        weight: Weight = 1,
        early: bool = False,
    ) -> Key | None:
        """The key to call with (None where none is needed). Raises `Refused`.

        `early`: an open circuit may be tried before its time, as it may be by a probe.
        """
        limits, network = self.limits(endpoint.source), self.circuits.network
        if wait := network.wait(endpoint.source):
            message = f"the network is down, and tried again in {wait:.0f}s"
            raise Refused(UNREACHABLE, wait, message, Blame.NETWORK)
        breaker = self.breaker(endpoint, host)
        if not (breaker.allow_early() if early or purpose is Purpose.PROBE else breaker.allow()):
            raise _circuit_open(breaker)
        try:
            key = limits.take(
                endpoint.name, weight=weight, purpose=purpose, avoid_key=avoid_key, may_check=True, host=host
            )
        except (NoKey, QuotaSpent) as limit:
            breaker.release_trial()
            raise Refused(limit.code, limit.retry_after, str(limit)) from None
        network.try_now(endpoint.source)
        return key


def _circuit_open(breaker: CircuitBreaker) -> Refused:
    wait = breaker.retry_after()
    holder = "held open by an operator" if breaker.is_forced() else "open"
    return Refused(breaker.reason or SERVER_ERROR, wait, f"circuit {holder} for {wait:.0f}s more")
