"""What only FRED offers: keys that may be rotated when limited, and monthly twins of daily series."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from autonomous_healing.endpoint_healing.call import FailedCall, Response
from autonomous_healing.endpoint_healing.fetch import Fetcher, Hop
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.endpoint_healing.strategies.general import RotateApiKey
from autonomous_healing.resilience import Deadline

#: Daily Treasury yields and their monthly averages: other series, never equivalent.
MONTHLY = {"DGS10": "GS10", "DGS2": "GS2", "DGS30": "GS30"}


@dataclass(frozen=True, kw_only=True)
class FredRotateApiKey(RotateApiKey):
    """As the general one, for the source whose terms allow it on limits too."""

    name: ClassVar[str] = "fred_rotate_api_key"


@dataclass(frozen=True, kw_only=True)
class FredUseAlternateSeries:
    """The monthly average in place of the daily series: a substitute, for those who ask for one."""

    name: ClassVar[str] = "fred_use_alternate_series"
    levels: ClassVar[frozenset[Fidelity]] = frozenset({Fidelity.SUBSTITUTE})
    cost: ClassVar[float] = 0.5

    fetcher: Fetcher
    alternates: Mapping[str, str] = field(default_factory=lambda: MONTHLY)

    def obstacle(self, case: FailedCall) -> str | None:
        if case.call.params.get("series_id", "") not in self.alternates:
            return "no alternate series is known"
        return self.fetcher.cannot_ask_again(case.call)

    async def apply(self, case: FailedCall, deadline: Deadline) -> Response:
        asked = case.call.params["series_id"]
        instead = self.alternates[asked]
        call = case.call.with_params(series_id=instead)
        answer = await self.fetcher.ask_again(call, deadline, Hop())
        return replace(answer, fidelity=Fidelity.SUBSTITUTE, original=asked, actual=instead)
