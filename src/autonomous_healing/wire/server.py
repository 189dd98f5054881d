"""Where requests come in: accepts, counts, limits and drains. What is answered is the handler's business."""

import asyncio
import os
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from email.utils import formatdate

from autonomous_healing.wire.client_connection import ClientConnection
from autonomous_healing.wire.exchange import Exchange
from autonomous_healing.wire.limits import ServerLimits
from autonomous_healing.wire.ports import taking
from autonomous_healing.wire.premises import Connected
from autonomous_healing.wire.sweeper import Sweeper

#: Seconds in which connections without a request may still send one while the server drains.
_GRACE = 0.5

#: Seconds that connections take to end once they are aborted.
_LAST_SECONDS = 1.0

#: Connections that may wait to be accepted.
_BACKLOG = 1024


class Server:
    """`handle` is called with every request, synchronously, and answers now or later."""

    def __init__(self, handle: Callable[[Exchange], None], limits: ServerLimits | None = None) -> None:
        self.handle = handle
        self.limits = limits or ServerLimits()
        self._loop = asyncio.get_running_loop()  # asking for it costs a system call each time
        self.sweeper = Sweeper(self.limits.sweep_seconds)
        self.in_flight = 0
        self.draining = False
        self._connections: set[Connected] = set()
        self._by_address: Counter[str] = Counter()
        self._listening: list[asyncio.Server] = []
        self._port = 0
        self._date = b""
        self._dated_at = -1.0

    @property
    def port(self) -> int:
        """The port that is really bound; 0 before that."""
        return self._port

    @property
    def connections(self) -> int:
        return len(self._connections)

    async def listen(self, host: str, port: int, *, shared: bool = False) -> None:
        """`shared`: other processes may listen on the same port. Raises `PortTaken` and `OSError`."""
        with taking(port):
            listening = await self._loop.create_server(
                self._greet, host, port, backlog=_BACKLOG, reuse_port=shared or None
            )
        self._port = listening.sockets[0].getsockname()[1]
        self._listening.append(listening)

    async def listen_unix(self, path: str) -> None:
        """On a socket in the file system. Raises `OSError`."""
        self._listening.append(await self._loop.create_unix_server(self._greet, path, backlog=_BACKLOG))

    def begin_drain(self, grace: float) -> None:
        """Each answer from now on is the last of its connection; the idle get `grace` seconds."""
        self.draining = True
        for one in list(self._connections):
            one.drain(grace)

    @property
    def patience(self) -> float:
        """Seconds in which a new connection must bring something."""
        return _GRACE if self.draining else self.limits.idle_seconds

    async def close(self) -> None:
        """Accept who stands at the door already, and no more: closing it would reset them."""
        for listening in self._listening:
            for sock in listening.sockets:
                await self._let_in(socket.socket(fileno=os.dup(sock.fileno())))
            listening.close()

    async def _let_in(self, door: socket.socket) -> None:
        with door:
            door.setblocking(False)
            while True:
                try:
                    client, _ = door.accept()
                except OSError:
                    return
                client.setblocking(False)
                await self._loop.connect_accepted_socket(self._greet, client)

    def abort(self) -> None:
        """End all connections at once."""
        for one in list(self._connections):
            one.abort()

    def joined(self, one: Connected, address: str) -> bool:
        """Whether there is room for one more connection."""
        self._connections.add(one)
        if address:
            self._by_address[address] += 1
        most, limits = self._by_address[address] if address else 0, self.limits
        return len(self._connections) <= limits.connections and most <= limits.connections_per_address

    def left(self, one: Connected, address: str) -> None:
        """A connection is gone."""
        self._connections.discard(one)
        if address:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def date_line(self) -> bytes:
        """Made anew twice a second."""
        now = self._loop.time()
        if now - self._dated_at > 0.5:
            self._dated_at = now
            self._date = b"date: %b\r\n" % formatdate(usegmt=True).encode()
        return self._date

    def _greet(self) -> ClientConnection:
        return ClientConnection(self)


async def drain(servers: Sequence[Server], seconds: float) -> None:
    """Stop: requests under way end within `seconds`, and connections in use get a last answer."""
    over = asyncio.get_running_loop().time() + seconds
    grace = min(_GRACE, seconds)
    for server in servers:
        server.begin_drain(grace)
    await _quiet(servers, grace, connected=False)
    for server in servers:
        await server.close()
    await _quiet(servers, over - asyncio.get_running_loop().time(), connected=True)
    for server in servers:
        server.abort()
    await _quiet(servers, _LAST_SECONDS, connected=True)
    for server in servers:
        server.sweeper.stop()


async def _quiet(servers: Sequence[Server], seconds: float, *, connected: bool) -> None:
    """At most `seconds`, looked at every 20 ms; `connected`: no longer than anybody is."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 0 and (not connected or any(one.connections for one in servers)):
        tick = loop.create_future()
        handle = loop.call_later(min(0.02, left), tick.set_result, None)
        try:
            await tick
        finally:
            handle.cancel()
