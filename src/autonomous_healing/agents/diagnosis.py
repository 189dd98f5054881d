"""Says what is wrong with each failed probe."""

from typing import NamedTuple

from autonomous_healing.agents.agent import Agent, Inbox
from autonomous_healing.agents.belt import Belt
from autonomous_healing.endpoint_healing.call import FailedCall
from autonomous_healing.endpoint_healing.codes import CALLER_ERROR
from autonomous_healing.endpoint_healing.diagnosis import diagnose
from autonomous_healing.endpoint_healing.healer import EndpointHealer
from autonomous_healing.healing import Diagnosis
from autonomous_healing.resilience import Clock


class DiagnosedCall(NamedTuple):
    """A failed call with what is believed to be wrong."""

    failed: FailedCall
    diagnosis: Diagnosis


class DiagnosisAgent(Agent[FailedCall]):
    """The same pure diagnosis as inside a request, with the endpoint's status for severity."""

    def __init__(
        self, inbox: Inbox[FailedCall], line: Belt[DiagnosedCall], healer: EndpointHealer, clock: Clock
    ) -> None:
        super().__init__("diagnosis", inbox, clock, feeds=(line,))
        self._line = line
        self._healer = healer

    async def handle(self, item: FailedCall) -> None:
        diagnosis = diagnose(item.failure, self._healer.severity(item.call))
        if diagnosis.code == CALLER_ERROR:
            self.last_error = f"the watched question itself is wrong: {item}"
            return
        await self._line.put(DiagnosedCall(item, diagnosis))
