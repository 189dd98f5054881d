"""Alerts for whoever has the dashboard open."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import ClassVar

from autonomous_healing.alerts.alert import Alert

#: Messages a subscriber may be behind (spec: dashboard, section 4).
SUBSCRIBER_SIZE = 256


@dataclass(frozen=True, slots=True)
class AlertFired:
    """An alert was opened or has risen; a later one with the same id replaces the earlier."""

    alert: Alert


@dataclass(frozen=True, slots=True)
class AlertResolved:
    """An alert is over."""

    alert_id: str
    resolved_at: datetime


Message = AlertFired | AlertResolved


class Subscription:
    """One subscriber's own bounded line of messages, read by `async for` until it is closed.

    `missed` counts those let go because the reader was too slow: when it grows, what is open has to be
    asked for anew.
    """

    def __init__(self, size: int) -> None:
        self.missed = 0
        self._waiting: deque[Message] = deque(maxlen=size)
        self._arrived = asyncio.Event()
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """No more will come: the reader ends when it has read what waits."""
        self._closed = True
        self._arrived.set()

    def _give(self, message: Message) -> None:
        if len(self._waiting) == self._waiting.maxlen:
            self.missed += 1  # the deque lets its oldest go
        self._waiting.append(message)
        self._arrived.set()

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()


class WebChannel:
    """Gives every message to every subscriber; a slow one costs nobody else anything."""

    name: ClassVar[str] = "web_ui"

    def __init__(self, size: int = SUBSCRIBER_SIZE) -> None:
        self._size = size
        self._subscriptions: list[Subscription] = []
        self._closed = False

    def subscribe(self) -> Subscription:
        """All messages from now on; ask the manager for what is open, after subscribing."""
        subscription = Subscription(self._size)
        self._subscriptions = [*self._live(), subscription]
        if self._closed:
            subscription.close()
        return subscription

    def firing(self, alert: Alert) -> None:
        self._send(AlertFired(alert))

    def resolved(self, alert: Alert) -> None:
        if alert.resolved_at is not None:
            self._send(AlertResolved(alert.id, alert.resolved_at))

    def close(self) -> None:
        """Nothing more will be told: subscribers end when they have read what they hold."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()

    @property
    def subscribers(self) -> int:
        """How many listen now."""
        return len(self._live())

    def _send(self, message: Message) -> None:
        for subscription in self._live():
            subscription._give(message)

    def _live(self) -> list[Subscription]:
        return [subscription for subscription in self._subscriptions if not subscription.closed]
