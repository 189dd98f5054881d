"""Work without an inbox that goes on until the product stops."""

from collections.abc import Awaitable, Callable

from autonomous_healing.agents.agent import Worker
from autonomous_healing.resilience import Clock


class Background(Worker):
    """A coroutine function under supervision; its own last sign of life is that it still runs."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], clock: Clock) -> None:
        super().__init__(name, clock)
        self._work = work

    async def run(self) -> None:
        self.succeeded()
        await self._work()
