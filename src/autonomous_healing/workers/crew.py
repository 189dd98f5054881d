"""The processes beside this one: started, told what to do, started again when they end, drained at last."""

import asyncio
import logging
import os
import random
import shutil
import signal
import socket
import struct
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.caching.shared import SharedCache
from autonomous_healing.proxy import Door, ProxyServer
from autonomous_healing.resilience import Backoff, Clock
from autonomous_healing.workers.attempts import Attempts
from autonomous_healing.workers.channel import MOST_BYTES, BrokenChannel, Channel
from autonomous_healing.workers.desk import Desk
from autonomous_healing.workers.messages import (
    ATTEMPTS,
    CHANNEL,
    LIFE_SECONDS,
    REQUESTS,
    Changed,
    Configuration,
    Drain,
    FromOwner,
    FromWorker,
    Hello,
    Keys,
    Ready,
    Revoke,
)

log = logging.getLogger(__name__)

#: Waits before a worker is started again; one that worked for so long begins anew.
RESTART = Backoff(base=0.2, cap=10.0)
WORKED_SECONDS = 30.0

#: Seconds in which all must listen: a start takes one or two, on a machine that does more very much longer.
START_SECONDS = 60.0

#: A worker that has said nothing for so long is stuck: it gives a sign of life every second.
SILENT_SECONDS = 10.0

#: Between two looks at whether leases still hold.
_WATCH_SECONDS = 0.05

#: Seconds that a worker gets beyond its draining, and to say hello.
_GRACE, _HELLO_SECONDS = 2.0, 5.0

#: What a message may need beyond the answer in it.
_ENVELOPE = 1_048_576


#: Where this package is: not every Python that runs it has it installed.
_PACKAGES = str(Path(__file__).resolve().parents[2])


class WorkersLate(OSError):
    """Not all workers came up in time."""


class OrdersTooLong(OSError):
    """What every worker must be told does not go into one message."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the settings of a worker take {size / 1e6:.1f} MB, and {MOST_BYTES / 1e6:.1f} MB can be told: "
            "name fewer sources, or set server.workers to 1"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Orders:
    """What every worker is told."""

    module: str  #: run by the same Python
    settings: bytes
    secrets: dict[str, list[str]] = field(repr=False)
    sessions: Sequence[tuple[datetime, datetime]] | None


@dataclass(slots=True)
class _Seat:
    """The place of one worker; who sits there changes."""

    number: int
    process: asyncio.subprocess.Process | None = None
    heard_at: float = 0.0  #: monotonic seconds
    channel: Channel[FromWorker, FromOwner] | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)


_MESSAGES = msgspec.msgpack.Decoder(FromWorker)


class Crew:
    """All workers of one owner."""

    def __init__(
        self,
        orders: Orders,
        door: Door,
        proxy: ProxyServer,
        desk: Desk,
        attempts: Attempts,
        clock: Clock,
        shared: SharedCache,
    ) -> None:
        """`shared`: what this process keeps of raw sources; of changes that one hears of, all hear."""
        self._orders = orders
        self._door = door
        self._proxy = proxy
        self._desk = desk
        self._attempts = attempts
        self._clock = clock
        self._rng = random.Random()
        self._seats: list[_Seat] = []
        self._shared = shared
        shared.changed = self._tell_of_change
        self._keys: dict[str, Keys] = {}  #: of sources whose keys are not those of the start any more
        self._folder: Path | None = None
        self._servers: list[wire.Server] = []
        self._listening: asyncio.Server | None = None
        self._talks: dict[asyncio.Task[None] | None, Channel[FromWorker, FromOwner]] = {}
        self._draining = False

    @property
    def pids(self) -> list[int]:
        """Of the workers that listen."""
        return [one.process.pid for one in self._seats if one.process and one.ready.is_set()]

    @property
    def _processes(self) -> list[asyncio.subprocess.Process]:
        """Those that have not ended."""
        return [one.process for one in self._seats if one.process and one.process.returncode is None]

    @property
    def in_flight(self) -> int:
        """Requests of workers that this process is busy with."""
        return sum(server.in_flight for server in self._servers)

    def tell_keys(self, source: str, secrets: Mapping[str, str]) -> None:
        """To all workers, now and when they start again: the keys of that source by alias, in order."""
        self._keys[source] = Keys(source, dict(secrets))
        self._tell(self._keys[source])

    async def open(self, workers: int, most_answer: int) -> None:
        """The sockets, in a folder that nobody else may enter. `most_answer`: bytes in an attempt.

        Raises `OrdersTooLong`, and `OSError` where there can be no such folder.
        """
        size = len(msgspec.msgpack.encode(self._configuration(workers)))
        if size > MOST_BYTES:
            raise OrdersTooLong(size)
        self._seats = [_Seat(number) for number in range(1, workers + 1)]
        self._folder = folder = Path(tempfile.mkdtemp(prefix="healing-"))
        limits = self._door.limits
        in_flight, held = limits.in_flight * workers, limits.buffer_bytes
        whole = max(most_answer, held) + _ENVELOPE
        for name, handle, body, buffer in (
            (REQUESTS, self._proxy.handle, limits.body_bytes, held),
            (ATTEMPTS, self._attempts.handle, whole, whole),
        ):
            server = wire.Server(
                handle,
                wire.ServerLimits(
                    body_bytes=body, buffer_bytes=buffer, connections=in_flight, in_flight=in_flight
                ),
            )
            self._servers.append(server)
            await server.listen_unix(str(folder / name))
        self._listening = await asyncio.start_unix_server(self._greet, str(folder / CHANNEL))

    async def run(self) -> None:
        """Keep every seat taken."""
        async with asyncio.TaskGroup() as group:
            for seat in self._seats:
                group.create_task(self._keep(seat))
            group.create_task(self._watch_leases())
            group.create_task(self._watch_silence())

    async def come_up(self) -> None:
        """Until all listen. Raises `WorkersLate`."""
        try:
            async with asyncio.timeout(START_SECONDS):
                for seat in self._seats:
                    await seat.ready.wait()
        except TimeoutError:
            late = [seat.number for seat in self._seats if not seat.ready.is_set()]
            raise WorkersLate(f"workers {late} do not listen after {START_SECONDS:.0f} s") from None

    async def drain(self) -> None:
        """Have all end: with their requests, and at last without."""
        self._draining = True
        for seat in self._seats:
            if seat.channel is not None:
                seat.channel.send(Drain())
            elif seat.process is not None:  # on its way up, and has nothing to end
                _signal(seat.process, signal.SIGTERM)
        for process in await _ended(self._processes, self._door.drain_seconds + _GRACE):
            log.warning("worker_did_not_end", extra={"pid": process.pid})

    async def close(self) -> None:
        """After `drain`: the sockets, and their folder."""
        if self._listening is not None:
            self._listening.close()
        for task, channel in list(self._talks.items()):
            await channel.close()  # which ends the talk; to cancel it would be taken for a fault of ours
            if task is not None:
                await asyncio.wait({task}, timeout=_GRACE)
        for process in self._processes:
            _signal(process, signal.SIGKILL)
        await _ended(self._processes, _GRACE)
        await wire.drain(self._servers, 0.0)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _keep(self, seat: _Seat) -> None:
        short_lives = 0
        while not self._draining:
            began = self._clock.monotonic()
            if seat.process is None:
                seat.process = await self._spawn()
            code = await seat.process.wait()
            pid, seat.process = seat.process.pid, None
            seat.ready.clear()
            if self._draining:
                return
            log.warning("worker_ended", extra={"worker": seat.number, "pid": pid, "code": code})
            worked = self._clock.monotonic() - began >= WORKED_SECONDS
            short_lives = 0 if worked else short_lives + 1
            await self._clock.sleep(RESTART.equal_jitter(short_lives, self._rng))

    async def _spawn(self) -> asyncio.subprocess.Process:
        """Secrets go over the socket: what stands in a command line is seen by everyone."""
        paths = [_PACKAGES, *filter(None, [os.environ.get("PYTHONPATH")])]
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", self._orders.module, str(self._folder)),
            stdin=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One worker, from its hello to its end."""
        task = asyncio.current_task()
        channel: Channel[FromWorker, FromOwner] = Channel(reader, writer, _MESSAGES)
        self._talks[task] = channel
        try:
            said = aiter(channel)
            seat = await self._seat_for(said, writer)
            if seat is not None:
                seat.channel = channel
                channel.send(self._configuration(seat.number))
                for keys in self._keys.values():
                    channel.send(keys)
                await self._listen(seat, said, channel.send)
                if seat.channel is channel:
                    seat.channel = None
        except BrokenChannel as broken:
            log.warning("worker_refused", extra={"reason": str(broken)})
        finally:
            self._talks.pop(task, None)
            await channel.close()

    async def _seat_for(self, said: AsyncIterator[FromWorker], writer: asyncio.StreamWriter) -> _Seat | None:
        """Whose process says hello; None for anybody else's."""
        try:
            async with asyncio.timeout(_HELLO_SECONDS):
                hello = await anext(said, None)
        except TimeoutError:
            return None
        pid = _peer(writer)
        if not isinstance(hello, Hello) or pid not in (None, hello.pid) or self._draining:
            return None
        return next((one for one in self._seats if one.process and one.process.pid == hello.pid), None)

    def _configuration(self, number: int) -> Configuration:
        orders = self._orders
        return Configuration(
            number=number,
            settings=orders.settings,
            secrets=orders.secrets,
            sessions=None if orders.sessions is None else list(orders.sessions),
            port=self._proxy.port,
            ports=self._proxy.own_ports,
        )

    async def _listen(
        self, seat: _Seat, said: AsyncIterator[FromWorker], reply: Callable[[FromOwner], None]
    ) -> None:
        async for message in said:
            seat.heard_at = self._clock.monotonic()
            if isinstance(message, Ready):
                seat.ready.set()
                log.info("worker_ready", extra={"worker": seat.number})
            elif isinstance(message, Changed):
                self._shared.forget(message.resource)
            else:
                self._desk.take(message, reply)

    async def _watch_leases(self) -> None:
        while True:
            await self._clock.sleep(_WATCH_SECONDS)
            for place in self._desk.lender.withdrawn():
                self._tell(Revoke(place))

    def _tell_of_change(self, resource: bytes) -> None:
        """What every process keeps of it is worthless."""
        self._tell(Changed(resource))

    def _tell(self, message: FromOwner) -> None:
        for seat in self._seats:
            if seat.channel is not None:
                seat.channel.send(message)

    async def _watch_silence(self) -> None:
        """One that is stuck keeps its part of the callers waiting, and is better ended."""
        looked_at = self._clock.monotonic()
        while True:
            await self._clock.sleep(LIFE_SECONDS)
            now = self._clock.monotonic()
            for seat in self._seats:
                if now - looked_at > 2 * LIFE_SECONDS:
                    seat.heard_at = now  # it was this process that stood still
                silent = now - seat.heard_at
                if seat.process is not None and seat.ready.is_set() and silent > SILENT_SECONDS:
                    log.warning("worker_silent", extra={"worker": seat.number, "pid": seat.process.pid})
                    _signal(seat.process, signal.SIGKILL)
            looked_at = now


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)


async def _ended(
    processes: Sequence[asyncio.subprocess.Process], seconds: float
) -> list[asyncio.subprocess.Process]:
    """Those that have not, after so many seconds."""
    if not processes:
        return []
    waits = {asyncio.ensure_future(one.wait()): one for one in processes}
    _, late = await asyncio.wait(waits, timeout=seconds)
    for task in late:
        task.cancel()
    return [waits[task] for task in late]


def _peer(writer: asyncio.StreamWriter) -> int | None:
    """The process at the other end, as the system knows it; None where it does not tell.

    The folder lets in nobody else's: this tells one of ours from any other of the same account.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    size = struct.calcsize("3i")
    pid, uid, _ = struct.unpack(
        "3i", writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, option, size)
    )
    return pid if uid == os.getuid() else -1
