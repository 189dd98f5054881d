"""Keeps the agents at work: one that crashes is restarted, the others go on."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from autonomous_healing.agents.agent import AgentState, AgentStatus, Worker
from autonomous_healing.agents.options import SupervisionSettings
from autonomous_healing.resilience import Backoff, Clock

log = logging.getLogger(__name__)

#: Waits before a restart: 1, 2, 4 ... 60 s (spec: agents, section 6).
RESTART = Backoff(base=1.0, cap=60.0)


class Orchestrator:
    """Supervises workers one for one. The order of the line is the order in which they end."""

    def __init__(
        self,
        workers: Sequence[Worker],
        settings: SupervisionSettings,
        clock: Clock,
        on_failed: Callable[[AgentStatus], None],
    ) -> None:
        self._workers = tuple(workers)
        self._settings = settings
        self._clock = clock
        self._on_failed = on_failed
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        for worker in self._workers:
            self._tasks[worker.name] = asyncio.create_task(self._supervise(worker), name=worker.name)

    async def wait(self, seconds: float) -> None:
        """Until every agent has ended by itself, or the time is up and it is cancelled."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks.values(), timeout=seconds)
        for task in late:
            if seconds > 0:
                log.warning("agent_did_not_end", extra={"agent": task.get_name()})
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def cancel(self) -> None:
        """End those that never end by themselves."""
        await self.wait(0)

    def statuses(self) -> list[AgentStatus]:
        return [worker.status() for worker in self._workers]

    async def _supervise(self, worker: Worker) -> None:
        crashes: deque[float] = deque()
        while True:
            worker.state = AgentState.RUNNING
            try:
                await worker.run()
            except Exception as bug:  # a crashed agent is restarted, the rest goes on
                worker.last_error = f"{type(bug).__name__}: {bug}"
                log.exception("agent_crashed", extra={"agent": worker.name})
            else:
                worker.state = AgentState.STOPPED
                return
            if self._gives_up(crashes):
                worker.state = AgentState.FAILED
                self._on_failed(worker.status())
                return
            worker.state = AgentState.RESTARTING
            worker.restarts += 1
            await self._clock.sleep(RESTART.ceiling(len(crashes) - 1))

    def _gives_up(self, crashes: deque[float]) -> bool:
        now = self._clock.monotonic()
        crashes.append(now)
        while crashes[0] <= now - self._settings.window:
            crashes.popleft()
        return len(crashes) > self._settings.max_restarts
