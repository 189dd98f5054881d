"""Connections to origins, kept and used again by strict rules. Every request of the product goes out here."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from autonomous_healing.wire.asking import Asking, Fetching, request_bytes
from autonomous_healing.wire.dialer import Dialer, DialOptions, ProtocolT, Resolve, system_resolve
from autonomous_healing.wire.errors import Phase, WireError
from autonomous_healing.wire.message import Answer, Request
from autonomous_healing.wire.origin import Origin
from autonomous_healing.wire.origin_connection import OriginConnection
from autonomous_healing.wire.sweeper import Sweeper
from autonomous_healing.wire.unix import NEIGHBOUR, UnixDialer

#: Seconds between two looks at idle connections and at addresses.
_HOUSEKEEPING = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolLimits:
    """For each origin; seconds where not said otherwise."""

    connections: int = 64
    waiting: int = 256  #: requests that may wait for a connection
    idle_seconds: float = 30.0
    stall_seconds: float = 30.0  #: without progress in a body that streams
    sweep_seconds: float = 0.02  #: how exactly deadlines are kept


class Dials(Protocol):
    """Makes connections to one place."""

    async def dial(self, new_protocol: Callable[[], ProtocolT]) -> tuple[ProtocolT, str]:
        """A connected protocol, and where to. Raises `WireError`."""

    async def look_again(self) -> frozenset[str]:
        """Where connections may lead now; nothing said where that does not change. Raises `WireError`."""


class OriginPool:
    """All connections to one origin."""

    def __init__(self, origin: Origin, dialer: Dials, limits: PoolLimits, sweeper: Sweeper) -> None:
        self.origin = origin
        self.stall_seconds = limits.stall_seconds
        self._dialer = dialer
        self._limits = limits
        self._sweeper = sweeper
        self._loop = asyncio.get_running_loop()
        self._idle: list[OriginConnection] = []
        self._all: set[OriginConnection] = set()
        self._dialing: set[asyncio.Task[None]] = set()
        self._waiting: deque[Asking] = deque()
        self._stopped = False

    @property
    def open(self) -> int:
        """Connections there are, idle ones too."""
        return len(self._all)

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def phase(self) -> Phase:
        """What a request without a connection is waiting for: one that is being made, or one to get free."""
        return Phase.CONNECT if self._dialing else Phase.WAIT

    def ask(self, asking: Asking) -> None:
        """Send it as soon as a connection is free. What becomes of it is told to `asking`."""
        asking.place = self
        self._sweeper.watch(asking)
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh():
                connection.send(asking)
                return
            connection.close()
        self._wait(asking)

    async def fetch(self, method: bytes, request: bytes, *, seconds: float, most: int) -> Answer:
        """The whole answer within `seconds` to a request that is bytes already. Raises `WireError`."""
        asking = Fetching(method, request, self._loop.time() + seconds, most)
        self.ask(asking)
        try:
            return await asking.future
        finally:
            asking.cancel()

    def release(self, one: OriginConnection) -> None:
        if one.retired:
            one.close()
            return
        while self._waiting:
            if self._waiting[0].over:
                self._waiting.popleft()
            elif not one.uses or one.is_fresh():  # behind a handshake, TLS sends tickets unasked
                one.send(self._waiting.popleft())
                return
            else:
                one.close()
                return
        one.idle_since = self._loop.time()
        self._idle.append(one)

    def lost(self, one: OriginConnection) -> None:
        self._all.discard(one)
        if one in self._idle:
            self._idle.remove(one)
        self._dial_for_those_who_wait()

    def resend(self, asking: Asking) -> None:
        """On a new connection: the idle ones may be as stale as this one was."""
        asking.resent = True
        self._waiting.appendleft(asking)
        self._start_dialing()

    def watch(self, asking: Asking) -> None:
        self._sweeper.watch(asking)

    def forget(self, asking: Asking) -> None:
        self._sweeper.forget(asking)

    def keep_house(self) -> None:
        """Close what was idle for too long."""
        edge = self._loop.time() - self._limits.idle_seconds
        for one in [idle for idle in self._idle if idle.idle_since < edge]:
            self._idle.remove(one)
            one.close()

    async def look_again(self) -> None:
        """Follow an origin that has moved: where it no longer is, nothing more is sent."""
        if not self._all:
            return
        try:
            addresses = await self._dialer.look_again()
        except (WireError, OSError, RuntimeError, ValueError):
            return  # a name that cannot be looked up says nothing against connections that work
        for one in self._all:
            if addresses and one.address not in addresses:
                one.retired = True
        for one in [idle for idle in self._idle if idle.retired]:
            self._idle.remove(one)
            one.close()

    async def stop(self) -> None:
        """Close all connections at once; requests under way fail, and so do all to come."""
        self._stopped = True
        self._idle.clear()
        for task in list(self._dialing):
            task.cancel()
        await asyncio.gather(*self._dialing, return_exceptions=True)
        for one in list(self._all):
            one.break_off(_stopping())
        while self._waiting:
            self._fail(self._waiting.popleft(), _stopping())

    def _wait(self, asking: Asking) -> None:
        if self._stopped:
            self._loop.call_soon(self._fail, asking, _stopping())
            return
        if len(self._waiting) >= self._limits.waiting and self._is_full() and not self._made_room():
            self._loop.call_soon(self._fail, asking, WireError(Phase.WAIT, "no free connection"))
            return
        self._waiting.append(asking)
        if not self._is_full():
            self._start_dialing()

    def _made_room(self) -> bool:
        """By forgetting those that no longer wait."""
        self._waiting = deque(one for one in self._waiting if not one.over)
        return len(self._waiting) < self._limits.waiting

    def _is_full(self) -> bool:
        return len(self._all) + len(self._dialing) >= self._limits.connections

    def _start_dialing(self) -> None:
        task = self._loop.create_task(self._dial())
        self._dialing.add(task)
        task.add_done_callback(self._dialed)

    def _dialed(self, task: asyncio.Task[None]) -> None:
        self._dialing.discard(task)
        if not task.cancelled():
            self._dial_for_those_who_wait()

    def _dial_for_those_who_wait(self) -> None:
        while self._waiting and self._waiting[0].over:
            self._waiting.popleft()
        while len(self._waiting) > len(self._dialing) and not self._is_full():
            self._start_dialing()

    async def _dial(self) -> None:
        try:
            connection, address = await self._dialer.dial(lambda: OriginConnection(self))
        except WireError as error:
            self._tell_one(error)
            return
        except (OSError, RuntimeError, ValueError):  # no thread, no memory, a resolver's odd answer
            self._tell_one(WireError(Phase.CONNECT, "no connection"))
            return
        connection.address = address
        if connection.closing:
            self._tell_one(WireError(Phase.CONNECT, "connection closed at once"))
            return
        self._all.add(connection)
        self.release(connection)

    def _tell_one(self, error: WireError) -> None:
        """A dial was begun for one request; that one hears that it failed."""
        while self._waiting:
            asking = self._waiting.popleft()
            if not asking.over:
                self._fail(asking, error)
                return

    def _fail(self, asking: Asking, error: WireError) -> None:
        self._sweeper.forget(asking)
        if not asking.over:
            asking.over = True
            asking.failed(error)


class Pool:
    """The origins, and the one way to ask them."""

    def __init__(self, limits: PoolLimits | None = None, resolve: Resolve = system_resolve) -> None:
        self._limits = limits or PoolLimits()
        self._resolve = resolve
        self._sweeper = Sweeper(self._limits.sweep_seconds)
        self._origins: dict[tuple[Origin, DialOptions] | str, OriginPool] = {}
        self._house: asyncio.Task[None] | None = None

    def origin(self, origin: Origin, options: DialOptions) -> OriginPool:
        """The connections to this origin under these rules; made at the first call."""
        pool = self._origins.get((origin, options))
        if pool is None:
            pool = self._add((origin, options), origin, Dialer(origin, options, self._resolve))
        return pool

    def neighbour(self, path: str) -> OriginPool:
        """The connections to a process on this machine that listens at `path`; made at the first call."""
        return self._origins.get(path) or self._add(path, NEIGHBOUR, UnixDialer(path))

    async def fetch(
        self, origin: Origin, options: DialOptions, request: Request, *, seconds: float, most: int
    ) -> Answer:
        """The whole answer within `seconds`, its body of at most `most` bytes. Raises `WireError`."""
        length = len(request.body)
        head = request_bytes(origin, request.method, request.target, request.fields, length=length)
        place = self.origin(origin, options)
        return await place.fetch(request.method, head + request.body, seconds=seconds, most=most)

    async def stop(self) -> None:
        """Close everything."""
        if self._house is not None:
            self._house.cancel()
            await asyncio.gather(self._house, return_exceptions=True)
            self._house = None
        for pool in self._origins.values():
            await pool.stop()
        self._sweeper.stop()

    def _add(self, key: tuple[Origin, DialOptions] | str, origin: Origin, dialer: Dials) -> OriginPool:
        pool = self._origins[key] = OriginPool(origin, dialer, self._limits, self._sweeper)
        if self._house is None:
            self._house = asyncio.get_running_loop().create_task(self._keep_house())
        return pool

    async def _keep_house(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            tick = loop.create_future()
            loop.call_later(_HOUSEKEEPING, _wake, tick)
            await tick
            pools = list(self._origins.values())
            for pool in pools:
                pool.keep_house()
            await asyncio.gather(*(pool.look_again() for pool in pools))


def _stopping() -> WireError:
    return WireError(Phase.WAIT, "we are stopping")


def _wake(tick: "asyncio.Future[None]") -> None:
    if not tick.done():
        tick.set_result(None)
