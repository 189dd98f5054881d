"""Slots for calls to a host, and the line of those that wait for one, most urgent first."""

import asyncio
from typing import Protocol

from autonomous_healing.endpoint_healing.flow_options import ConcurrencySettings
from autonomous_healing.endpoint_healing.priority import Priority
from autonomous_healing.resilience import AdaptiveLimit, Clock


class Crowded(Exception):
    """No slot is free, and none will be in time; the message says why."""


class Line:
    """The places of one source in which calls may wait, whatever the host they wait for."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._hosts: list[Slots] = []
        self.length = 0

    def add(self, slots: "Slots") -> None:
        """One more host that calls may wait for."""
        self._hosts.append(slots)

    def make_room(self, priority: Priority) -> None:
        """Where all places are taken, the last of the least urgent goes; `Crowded` where none is less."""
        if self.length < self._places:
            return
        for lower in reversed(Priority):
            for slots in self._hosts if lower > priority else ():
                if slots.send_away(lower):
                    return
        raise Crowded("too many calls to this source wait already")


class Waiter(Protocol):
    """One who waits for a slot."""

    def turn(self, *, granted: bool) -> None:
        """The slot is taken for it already; or it has to go, for one who is more urgent."""


class Slots(AdaptiveLimit):
    """Of one host.

    Whoever finds `in_flight` below `limit` may take a slot by counting `in_flight` up: nobody waits then.
    Each slot is given back once.
    """

    __slots__ = ("_line", "_waiting")

    def __init__(self, clock: Clock, settings: ConcurrencySettings, connections: int, line: Line) -> None:
        """`connections` there may be to the host: nobody with a slot waits for one, in no order, there."""
        most = min(settings.max, connections)
        super().__init__(clock, start=settings.start, least=min(settings.min, most), most=most)
        self._line = line
        self._waiting: tuple[list[Waiter], ...] = tuple([] for _ in Priority)
        line.add(self)

    async def take(self, priority: Priority, seconds: float) -> None:
        """A slot, now or when its turn comes within `seconds`. Raises `Crowded`; it may be cancelled."""
        if self.in_flight < self.limit:
            self.in_flight += 1
            return
        waiter = _Awaited()
        self.wait(waiter, priority)
        try:
            await asyncio.wait({waiter.granted}, timeout=seconds)
        except asyncio.CancelledError:
            if waiter.granted.done() and waiter.granted.result():
                self.give_back()  # its turn came in the moment in which it left
            raise
        finally:
            if not waiter.granted.done():
                self.leave(waiter, priority)
        if not waiter.granted.done():
            raise Crowded(f"no call to this host ended within {seconds:.1f}s")
        if not waiter.granted.result():
            raise Crowded("more urgent calls to this source wait")

    def wait(self, waiter: Waiter, priority: Priority) -> None:
        """Have it called when its turn comes. Raises `Crowded`."""
        self._line.make_room(priority)
        self._waiting[priority].append(waiter)
        self._line.length += 1

    def leave(self, waiter: Waiter, priority: Priority) -> None:
        """It waits no longer."""
        self._waiting[priority].remove(waiter)
        self._line.length -= 1

    def give_back(self) -> None:
        """A call has ended, whatever came of it."""
        self.in_flight -= 1
        if self._line.length:
            self.call_next()

    def count_good(self, count: int = 1) -> None:
        super().count_good(count)
        if self._line.length:
            self.call_next()

    def send_away(self, priority: Priority) -> bool:
        """The last of those that wait with this priority; False where there is none."""
        waiting = self._waiting[priority]
        if not waiting:
            return False
        self._line.length -= 1
        waiting.pop().turn(granted=False)
        return True

    def call_next(self) -> None:
        """Those whose turn it is."""
        for waiting in self._waiting:
            while waiting and self.in_flight < self.limit:
                self.in_flight += 1
                self._line.length -= 1
                waiting.pop(0).turn(granted=True)


class _Awaited:
    """A task that waits."""

    def __init__(self) -> None:
        self.granted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def turn(self, *, granted: bool) -> None:
        self.granted.set_result(granted)
