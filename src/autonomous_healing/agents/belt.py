"""A bounded queue between two agents, with an end."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")

#: Places on a belt (spec: agents, section 1).
BELT_SIZE = 256


class BeltClosed(Exception):
    """Something was put on a belt that has ended."""


class Belt(Generic[ItemT]):
    """Read by `async for`; `put` waits when the reader is behind, so pressure goes back up the line.

    With `key`, an item whose like already waits is counted as merged instead of queued twice.
    """

    def __init__(
        self, name: str, size: int = BELT_SIZE, key: Callable[[ItemT], Hashable] | None = None
    ) -> None:
        self.name = name
        self.merged = 0
        self._size = size
        self._key = key
        self._items: deque[ItemT] = deque()
        self._waiting: set[Hashable] = set()
        self._changed = asyncio.Condition()
        self._ended = False

    def __len__(self) -> int:
        return len(self._items)

    async def put(self, item: ItemT) -> None:
        """Raises `BeltClosed` after the end."""
        async with self._changed:
            key = self._key(item) if self._key else None
            # Another with the same key may get on while this one waits for room.
            await self._changed.wait_for(
                lambda: key in self._waiting or len(self._items) < self._size or self._ended
            )
            if key in self._waiting:
                self.merged += 1
                return
            if self._ended:
                raise BeltClosed(self.name)
            self._items.append(item)
            if key is not None:
                self._waiting.add(key)
            self._changed.notify_all()

    async def close(self) -> None:
        """Nothing more will come; the reader ends when it has read what is there."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    def __aiter__(self) -> AsyncIterator[ItemT]:
        return self

    async def __anext__(self) -> ItemT:
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._items) or self._ended)
            if not self._items:
                raise StopAsyncIteration
            item = self._items.popleft()
            if self._key:
                self._waiting.discard(self._key(item))
            self._changed.notify_all()
            return item
