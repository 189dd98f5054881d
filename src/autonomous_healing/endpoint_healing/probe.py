"""Asks an endpoint the way a user would, to see how it is; heals nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from autonomous_healing.endpoint_healing.call import Call, FailedCall
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.fetch import Fetcher, FetchFailed
from autonomous_healing.endpoint_healing.fidelity import Policy
from autonomous_healing.resilience import Clock, Deadline, NewId


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """One question that is asked again and again."""

    endpoint: Endpoint
    params: Mapping[str, str]
    timeout: float  #: seconds


class Prober:
    """Sends probes through the same fetcher, validators and windows as users' calls."""

    def __init__(self, fetcher: Fetcher, clock: Clock, new_id: NewId, budget: float) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._new_id = new_id
        self._budget = budget

    async def probe(self, probe: Probe) -> FailedCall | None:
        """None when the endpoint is well, or was not asked. The deadline leaves a healing its budget."""
        call = Call(
            id=self._new_id(),
            endpoint=probe.endpoint,
            params=probe.endpoint.asked(probe.params),
            policy=Policy(),
            deadline=Deadline.after(self._clock, probe.timeout),
            origin="probe",
        )
        try:
            await self._fetcher.fetch(call)
        except FetchFailed as failed:
            if failed.failure.refused:
                return None  # no call was made, so nothing was learned of the endpoint
            return FailedCall(call=self._with_time_to_heal(call), failure=failed.failure)
        self._fetcher.admission.window(probe.endpoint).record_probed(truthful=True)
        return None

    def _with_time_to_heal(self, call: Call) -> Call:
        return Call(
            id=call.id,
            endpoint=call.endpoint,
            params=call.params,
            policy=call.policy,
            deadline=Deadline.after(self._clock, self._budget),
            origin=call.origin,
        )
