"""Has diagnosed calls healed, a few at a time and one per target."""

import asyncio
from collections import defaultdict

from autonomous_healing.agents.agent import Agent, Inbox
from autonomous_healing.agents.diagnosis import DiagnosedCall
from autonomous_healing.endpoint_healing.healer import EndpointHealer
from autonomous_healing.resilience import Clock

#: Healings at once (spec: agents, section 1).
CONCURRENCY = 8


class HealingCoordinator(Agent[DiagnosedCall]):
    """The healer writes the journal, so there is nothing to pass on."""

    def __init__(self, inbox: Inbox[DiagnosedCall], healer: EndpointHealer, clock: Clock) -> None:
        super().__init__("healing_coordinator", inbox, clock, slots=CONCURRENCY)
        self._healer = healer
        self._targets: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def handle(self, item: DiagnosedCall) -> None:
        async with self._targets[item.failed.call.endpoint.place]:
            await self._healer.heal(item.failed, item.diagnosis)
