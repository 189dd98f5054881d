"""What only Yahoo Finance offers: a second host, and a second API for quotes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from autonomous_healing.endpoint_healing.call import Call, FailedCall, Response
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.fetch import Fetcher, Hop
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.healing import CannotHeal
from autonomous_healing.resilience import Deadline


@dataclass(frozen=True, kw_only=True)
class YahooAlternateEndpoint:
    """The other host (exact); for quotes then the session API (equivalent)."""

    name: ClassVar[str] = "yahoo_alternate_endpoint"
    levels: ClassVar[frozenset[Fidelity]] = frozenset({Fidelity.EXACT, Fidelity.EQUIVALENT})
    cost: ClassVar[float] = 0.3

    fetcher: Fetcher
    session_quote: Endpoint | None

    def obstacle(self, case: FailedCall) -> str | None:
        if not any(self._ways(case)):
            return "no other host or path is open"
        return self.fetcher.cannot_ask_again(case.call)

    async def apply(self, case: FailedCall, deadline: Deadline) -> Response:
        setback = "no time left"
        for call, host, level in self._ways(case):
            try:
                answer = await self.fetcher.ask_again(call, deadline, Hop(host=host))
            except CannotHeal as again:
                setback = f"alternate: {again}"
            else:
                return replace(answer, fidelity=level)
        raise CannotHeal(setback)

    def _ways(self, case: FailedCall) -> Iterator[tuple[Call, str, Fidelity]]:
        call, failed = case.call, case.failure.host
        for host in call.endpoint.source.hosts:
            if host != failed and self.fetcher.admission.breaker(call.endpoint, host).would_allow():
                yield call, host, Fidelity.EXACT
        if call.endpoint.name != "/quote" or self.session_quote is None:
            return
        if call.policy.allows(Fidelity.EQUIVALENT):
            other = replace(call, endpoint=self.session_quote, params={"symbols": call.params["symbol"]})
            yield other, self.fetcher.admission.choose_host(self.session_quote), Fidelity.EQUIVALENT
