"""Plain questions that wait for a slot of their host without leaving the short way."""

import asyncio
from functools import partial

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.priority import Priority
from autonomous_healing.proxy.lane import Asked, Lane

#: Seconds; whoever waits longer does so on the ordinary way, which knows of deadlines and of healing.
STANDING = 1.0


class Standing:
    """Clients with one question in the line of a host: at their turn they are taken as if they came then."""

    __slots__ = ("_asked", "_clients", "_lane", "_slots", "_timer")

    def __init__(self, lane: Lane, exchange: wire.Exchange, asked: Asked) -> None:
        """Raises `Crowded`."""
        self._lane = lane
        self._asked = asked
        self._clients: list[wire.Exchange] = []
        self._slots = asked.question.target.flow.slots
        self._slots.wait(self, Priority.INTERACTIVE)
        self._timer = asyncio.get_running_loop().call_later(STANDING, self._go)
        self.joined_by(exchange)
        if not asked.question.alone:
            asked.question.leader = self

    @property
    def is_live(self) -> bool:
        """It will be asked, as long as anybody waits."""
        return bool(self._clients)

    def joined_by(self, exchange: wire.Exchange) -> bool:
        """One more client with the same question takes no place in line."""
        self._clients.append(exchange)
        exchange.on_gone = partial(self._left, exchange)
        return True

    def turn(self, *, granted: bool) -> None:
        self._timer.cancel()
        if granted:
            self._slots.in_flight -= 1  # it is counted anew in this very step, if it is needed still
        self._disperse(taken=granted)

    def _go(self) -> None:
        self._slots.leave(self, Priority.INTERACTIVE)
        self._disperse(taken=False)

    def _disperse(self, *, taken: bool) -> None:
        if self._asked.question.leader is self:
            self._asked.question.leader = None
        clients, self._clients = self._clients, []
        for one in clients:
            if not (taken and self._lane.take(one, self._asked)):
                self._lane.rest(one, self._asked)

    def _left(self, exchange: wire.Exchange) -> None:
        self._clients.remove(exchange)
        if not self._clients:
            self._timer.cancel()
            self._slots.leave(self, Priority.INTERACTIVE)
            self._disperse(taken=False)
