"""Where requests come in: accepts, counts, limits and drains. What is answered is the handler's business."""

import asyncio
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate

from autonomous_healing.wire.downstream import Downstream
from autonomous_healing.wire.exchange import Exchange
from autonomous_healing.wire.limits import ServerLimits
from autonomous_healing.wire.sweeper import Sweeper

#: Seconds in which connections without a request may still send one while the server drains.
_GRACE = 0.5

#: Connections that may wait to be accepted.
_BACKLOG = 1024


class Server:
    """`handle` is called with every request, synchronously, and answers now or later."""

    def __init__(self, handle: Callable[[Exchange], None], limits: ServerLimits | None = None) -> None:
        self.handle = handle
        self.limits = limits or ServerLimits()
        self.sweeper = Sweeper(self.limits.sweep_seconds)
        self.in_flight = 0
        self.draining = False
        self._connections: set[Downstream] = set()
        self._by_address: Counter[str] = Counter()
        self._listening: list[asyncio.Server] = []
        self._date = b""
        self._dated_at = -1.0

    @property
    def port(self) -> int:
        """The port that is really bound; 0 before that."""
        return self._listening[0].sockets[0].getsockname()[1] if self._listening else 0

    @property
    def connections(self) -> int:
        return len(self._connections)

    async def listen(self, host: str, port: int, *, shared: bool = False) -> None:
        """`shared`: other processes may listen on the same port. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._listening.append(
            await loop.create_server(
                self._greet, host, port, backlog=_BACKLOG, reuse_port=shared or None, start_serving=True
            )
        )

    async def listen_unix(self, path: str) -> None:
        """On a socket in the file system. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._listening.append(await loop.create_unix_server(self._greet, path, backlog=_BACKLOG))

    async def drain(self, seconds: float) -> None:
        """Stop: requests under way end within `seconds`, and connections in use get a last answer."""
        self.draining = True
        grace = min(_GRACE, seconds)
        for one in list(self._connections):
            one.drain(grace)
        over = asyncio.get_running_loop().time() + seconds
        await self._quiet(grace, self._never)
        for listening in self._listening:
            listening.close()
        left = over - asyncio.get_running_loop().time()
        await self._quiet(left, lambda: not self._connections)
        for one in list(self._connections):
            one.abort()
        await self._quiet(1.0, lambda: not self._connections)
        self.sweeper.stop()
        self._listening.clear()

    def joined(self, one: Downstream, address: str) -> bool:
        """Whether there is room for one more connection."""
        self._connections.add(one)
        if address:
            self._by_address[address] += 1
        most, limits = self._by_address[address] if address else 0, self.limits
        return len(self._connections) <= limits.connections and most <= limits.connections_per_address

    def left(self, one: Downstream, address: str) -> None:
        """A connection is gone."""
        self._connections.discard(one)
        if address:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def date_line(self) -> bytes:
        """Made anew twice a second."""
        now = asyncio.get_running_loop().time()
        if now - self._dated_at > 0.5:
            self._dated_at = now
            self._date = b"date: %b\r\n" % formatdate(usegmt=True).encode()
        return self._date

    def _greet(self) -> Downstream:
        return Downstream(self)

    @staticmethod
    def _never() -> bool:
        return False

    async def _quiet(self, seconds: float, over: Callable[[], bool]) -> None:
        """Wait until it is over, looked at every 20 ms, for at most `seconds`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not over() and (left := end - loop.time()) > 0:
            tick = loop.create_future()
            handle = loop.call_later(min(0.02, left), tick.set_result, None)
            try:
                await tick
            finally:
                handle.cancel()
