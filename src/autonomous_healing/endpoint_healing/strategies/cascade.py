"""Which strategies may cure which fault of which source, in the order declared before anything is learned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from autonomous_healing.endpoint_healing.call import FailedCall, Response
from autonomous_healing.endpoint_healing.codes import ERROR_TYPE, PLAN_LIMITED, TOO_LARGE
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.healing import CannotHeal, Diagnosis
from autonomous_healing.resilience import Deadline
from autonomous_healing.safety import Action, Origin


class EndpointStrategy(Protocol):
    """One way to cure an endpoint's failure."""

    levels: ClassVar[frozenset[Fidelity]]  #: what its cures can be
    cost: ClassVar[float]  #: seconds it is expected to take before any were measured

    @property
    def name(self) -> str: ...

    def obstacle(self, case: FailedCall) -> str | None: ...

    async def apply(self, case: FailedCall, deadline: Deadline) -> Response: ...


RETRY = "exponential_backoff_retry"
COPY = "use_cached_data"
SMALLER = "reduce_request_size"
HOST = "yahoo_alternate_endpoint"
FRED_KEY = "fred_rotate_api_key"
SERIES = "fred_use_alternate_series"
DAILY = "polygon_use_daily"
KEY = "rotate_api_key"

#: error type -> source -> names in declared order; the copy is always the last resort.
CASCADE: Mapping[str, Mapping[str, Sequence[str]]] = {
    "timeout": {
        "yahoo_finance": (HOST, RETRY, COPY, SMALLER),
        "fred_api": (RETRY, COPY, SMALLER),
        "polygon_io": (RETRY, COPY, SMALLER, DAILY),
        "alpha_vantage": (RETRY, SMALLER, COPY),
        "exchange_rate_api": (RETRY, COPY),
    },
    "rate_limit_429": {
        "yahoo_finance": (COPY, HOST),
        "fred_api": (FRED_KEY, COPY),
        "polygon_io": (KEY, COPY, DAILY),
        "alpha_vantage": (KEY, COPY),
        "exchange_rate_api": (KEY, COPY),
    },
    "auth_error_403": {
        "yahoo_finance": (HOST, COPY),
        "fred_api": (FRED_KEY, COPY),
        "polygon_io": (KEY, COPY, DAILY),
        "alpha_vantage": (KEY, COPY),
        "exchange_rate_api": (KEY, COPY),
    },
    "server_error_5xx": {
        "yahoo_finance": (HOST, RETRY, COPY, SMALLER),
        "fred_api": (RETRY, COPY, SMALLER),
        "polygon_io": (RETRY, COPY, SMALLER, DAILY),
        "alpha_vantage": (RETRY, SMALLER, COPY),
        "exchange_rate_api": (RETRY, COPY),
    },
    "invalid_data": {
        "yahoo_finance": (HOST, RETRY, COPY),
        "fred_api": (RETRY, COPY, SERIES),
        "polygon_io": (COPY, DAILY),
        "alpha_vantage": (RETRY, COPY),
        "exchange_rate_api": (COPY, RETRY),
    },
    "network_error": {
        "yahoo_finance": (HOST, RETRY, COPY),
        "fred_api": (RETRY, COPY),
        "polygon_io": (RETRY, COPY),
        "alpha_vantage": (RETRY, COPY),
        "exchange_rate_api": (RETRY, COPY),
    },
    "parsing_error": {
        "yahoo_finance": (HOST, RETRY, COPY),
        "fred_api": (RETRY, COPY),
        "polygon_io": (RETRY, COPY),
        "alpha_vantage": (RETRY, COPY),
        "exchange_rate_api": (RETRY, COPY),
    },
    "missing_data": {
        "yahoo_finance": (HOST, COPY),
        "fred_api": (COPY, SERIES),
        "polygon_io": (COPY, DAILY),
        "alpha_vantage": (COPY,),
        "exchange_rate_api": (COPY,),
    },
    "stale_data": {
        "yahoo_finance": (HOST, RETRY, COPY),
        "fred_api": (RETRY, SERIES, COPY),
        "polygon_io": (DAILY, COPY),
        "alpha_vantage": (COPY,),
        "exchange_rate_api": (RETRY, COPY),
    },
    "quota_exceeded": {
        "yahoo_finance": (COPY, HOST),
        "fred_api": (FRED_KEY, COPY),
        "polygon_io": (KEY, COPY, DAILY),
        "alpha_vantage": (KEY, COPY),
        "exchange_rate_api": (KEY, COPY),
    },
}

#: What a plan that lacks the data makes pointless.
NOT_FOR_PLANS = frozenset({RETRY, FRED_KEY, KEY})

#: The same question would bring as much again.
FOR_THE_LARGE = (SMALLER, COPY)

#: Risk of giving each level (spec: safety, section 1).
RISK = {
    Fidelity.EXACT: 1,
    Fidelity.EQUIVALENT: 1,
    Fidelity.STALE: 1,
    Fidelity.REDUCED: 2,
    Fidelity.SUBSTITUTE: 3,
}


@dataclass(frozen=True, slots=True)
class Permitted:
    """A strategy held to what the caller allows: before it is tried, and again on what it brings."""

    strategy: EndpointStrategy
    origin: Origin
    confidence: float

    @property
    def name(self) -> str:
        return self.strategy.name

    def obstacle(self, case: FailedCall) -> str | None:
        if not self._allowed(case):
            return "not_allowed"
        return self.strategy.obstacle(case)

    def action(self, case: FailedCall) -> Action:
        risk = max((RISK[level] for level in self._allowed(case)), default=10)
        return Action(
            domain="endpoint",
            name=self.name,
            origin=self.origin,
            confidence=self.confidence,
            risk=risk,
            single_answer=True,
        )

    async def apply(self, case: FailedCall, deadline: Deadline) -> Response:
        response = await self.strategy.apply(case, deadline)
        if not case.call.policy.allows(response.fidelity):
            raise CannotHeal(f"brought a {response.fidelity.word} answer, which is not allowed")
        return response

    def _allowed(self, case: FailedCall) -> list[Fidelity]:
        return [level for level in self.strategy.levels if case.call.policy.allows(level)]


class Cascade:
    """The strategies that claim a fault, each held to the caller's policy."""

    def __init__(self, strategies: Sequence[EndpointStrategy], disabled: frozenset[str]) -> None:
        self.strategies = {one.name: one for one in strategies if one.name not in disabled}

    def claim(self, diagnosis: Diagnosis, source: str, origin: Origin) -> list[Permitted]:
        """In declared order; nothing heals a source that is passed through."""
        row = CASCADE[ERROR_TYPE[diagnosis.code]]
        if source not in row:
            return []
        names = row[source]
        if diagnosis.code == PLAN_LIMITED:
            names = [name for name in names if name not in NOT_FOR_PLANS]
        if diagnosis.code == TOO_LARGE:
            names = FOR_THE_LARGE
        return [
            Permitted(self.strategies[name], origin, diagnosis.confidence)
            for name in names
            if name in self.strategies
        ]
