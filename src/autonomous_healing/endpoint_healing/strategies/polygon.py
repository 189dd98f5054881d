"""What only Polygon.io offers: daily bars where finer ones fail."""

from dataclasses import dataclass, replace
from typing import ClassVar

from autonomous_healing.endpoint_healing.call import FailedCall, Response
from autonomous_healing.endpoint_healing.endpoints import DataKind
from autonomous_healing.endpoint_healing.fetch import Fetcher, Hop
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.resilience import Deadline


@dataclass(frozen=True, kw_only=True)
class PolygonUseDaily:
    """Daily bars of the same days: coarser, and marked so."""

    name: ClassVar[str] = "polygon_use_daily"
    levels: ClassVar[frozenset[Fidelity]] = frozenset({Fidelity.REDUCED})
    cost: ClassVar[float] = 0.4

    fetcher: Fetcher

    def obstacle(self, case: FailedCall) -> str | None:
        if case.call.endpoint.name != "/v2/aggs" or case.call.kind is not DataKind.INTRADAY:
            return "only bars shorter than a day have a coarser form"
        return self.fetcher.cannot_ask_again(case.call)

    async def apply(self, case: FailedCall, deadline: Deadline) -> Response:
        call = case.call.with_params(timespan="day", multiplier="1")
        answer = await self.fetcher.ask_again(call, deadline, Hop())
        return replace(answer, fidelity=Fidelity.REDUCED)
