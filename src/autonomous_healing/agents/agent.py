"""What every agent is: one inbox, one verb, a measured state."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from autonomous_healing.agents.belt import Belt
from autonomous_healing.resilience import Clock

log = logging.getLogger(__name__)

In = TypeVar("In")
Out = TypeVar("Out", covariant=True)


class AgentState(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentStatus:
    """What was measured of one agent."""

    name: str
    state: AgentState
    last_success: datetime | None
    last_error: str
    restarts: int
    inbox_depth: int
    processed: int
    waits: bool = False  #: at work, with nothing to do: its last success may be long ago

    def health(self, now: datetime) -> str:
        """By the age of the last success: the words of the status page."""
        if self.waits:
            return "HEALTHY"
        if self.last_success is None:
            return "FAILED"
        age = now - self.last_success
        if age < timedelta(minutes=5):
            return "HEALTHY"
        return "WARNING" if age < timedelta(minutes=15) else "CRITICAL"


class Worker(ABC):
    """Something that runs until its work ends, and can say how it is."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self.state = AgentState.STARTING
        self.restarts = 0
        self.last_error = ""
        self.processed = 0
        self.last_success: datetime | None = None
        self._clock = clock

    @abstractmethod
    async def run(self) -> None:
        """Work until the work ends."""

    @property
    def inbox_depth(self) -> int:
        return 0

    @property
    def waits(self) -> bool:
        """Whether it is at work with nothing to do."""
        return False

    def succeeded(self) -> None:
        self.processed += 1
        self.last_success = self._clock.now()

    def status(self) -> AgentStatus:
        return AgentStatus(
            name=self.name,
            state=self.state,
            last_success=self.last_success,
            last_error=self.last_error,
            restarts=self.restarts,
            inbox_depth=self.inbox_depth,
            processed=self.processed,
            waits=self.waits,
        )


class Recorder(Worker, Generic[In]):
    """Takes each item at once, on the giver's time; at work until it is stopped."""

    def __init__(self, name: str, clock: Clock) -> None:
        super().__init__(name, clock)
        self._stopping = asyncio.Event()

    @property
    def waits(self) -> bool:
        return self.state is AgentState.RUNNING

    @abstractmethod
    def record(self, item: In) -> None:
        """The one thing this agent does; must not wait."""

    def take(self, item: In) -> None:
        """Never raises."""
        try:
            self.record(item)
            self.succeeded()
        except Exception as bug:  # one poisoned item must not cost its giver, for whom a user may wait
            self.last_error = f"{type(bug).__name__} on one item"
            log.exception("agent_item_failed", extra={"agent": self.name})

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        await self._stopping.wait()


class Inbox(Protocol[Out]):
    """What an agent reads: a belt, or a follower of the journal."""

    def __aiter__(self) -> AsyncIterator[Out]: ...

    def __len__(self) -> int: ...


class Agent(Worker, Generic[In]):
    """Works through its inbox until it ends, then ends what it feeds."""

    def __init__(
        self,
        name: str,
        inbox: Inbox[In],
        clock: Clock,
        *,
        feeds: tuple[Belt[Any], ...] = (),
        slots: int = 1,
    ) -> None:
        super().__init__(name, clock)
        self._inbox = inbox
        self._feeds = feeds
        self._slots = asyncio.Semaphore(slots)
        self._busy = 0  #: items being handled

    @property
    def inbox_depth(self) -> int:
        return len(self._inbox)

    @property
    def waits(self) -> bool:
        return self.state is AgentState.RUNNING and not len(self._inbox) and not self._busy

    @abstractmethod
    async def handle(self, item: In) -> None:
        """The one thing this agent does."""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as working:
            async for item in self._inbox:
                await self._slots.acquire()
                working.create_task(self._handle_one(item))
        for feed in self._feeds:
            await feed.close()

    async def _handle_one(self, item: In) -> None:
        self._busy += 1
        try:
            await self.handle(item)
            self.succeeded()
        except Exception as bug:  # one poisoned item must not end the agent
            self.last_error = f"{type(bug).__name__} on one item"
            log.exception("agent_item_failed", extra={"agent": self.name})
        finally:
            self._busy -= 1
            self._slots.release()
