"""A worker: the proxy's port and the healthy path, and for everything else the way to the owner."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.assembly import EndpointParts
from autonomous_healing.endpoint_healing.healthy_path import KEYLESS
from autonomous_healing.endpoint_healing.keys import Key
from autonomous_healing.endpoint_healing.options import HealingSettings
from autonomous_healing.proxy import Door, Passthrough, RawSources, build_shared_cache
from autonomous_healing.proxy.healing_proxy import PlainQuestions
from autonomous_healing.proxy.lane import Asked
from autonomous_healing.proxy.reception import Reception
from autonomous_healing.resilience import Clock, NewId
from autonomous_healing.workers.channel import BrokenChannel, Channel
from autonomous_healing.workers.leased_lane import LeasedLane, LeasedPath, OwnersDoors
from autonomous_healing.workers.leases import Leases
from autonomous_healing.workers.messages import (
    ATTEMPTS,
    LIFE_SECONDS,
    REQUESTS,
    Alive,
    AskLease,
    Changed,
    Drain,
    FromOwner,
    FromWorker,
    GiveBack,
    Keys,
    Lease,
    Ready,
    Revoke,
)
from autonomous_healing.workers.seen import Copies, PassedWindows, SharedObservations, Sightings

log = logging.getLogger(__name__)

#: Between two reports to the owner.
TOLD_SECONDS = 0.1

#: For requests under way when the owner is gone: most of them were waiting for it.
ORPHAN_SECONDS = 2.0


class WorkerServer(Reception):
    """What is no plain question is the owner's."""

    def __init__(
        self,
        door: Door,
        questions: PlainQuestions,
        path: LeasedPath,
        parts: EndpointParts,
        passthroughs: Sequence[Passthrough],
        owner: OwnersDoors,
    ) -> None:
        super().__init__(door, questions, path, lambda: passthroughs)
        self._leased_path = path
        self._fetcher = parts.fetcher
        self._owner = owner

    def new_lane(self, buffer_bytes: int) -> LeasedLane:
        return LeasedLane(self._plain_questions, self._leased_path, self._fetcher, buffer_bytes, self._owner)

    def rest(self, exchange: wire.Exchange, asked: Asked | None) -> None:
        """Byte for byte."""
        self._owner.relay(exchange)


@dataclass(frozen=True, kw_only=True, slots=True)
class Duties:
    """What a worker is to do, as its owner said."""

    folder: str  #: with the owner's sockets
    door: Door
    healing: HealingSettings
    parts: EndpointParts


class WorkerProcess:
    """Started once; `run` lasts until the owner wants no more of it, or is gone."""

    def __init__(
        self, duties: Duties, channel: Channel[FromOwner, FromWorker], clock: Clock, new_id: NewId
    ) -> None:
        self._duties = duties
        self._channel = channel
        self._clock = clock
        self._sightings = Sightings()
        self._copies = Copies(channel.send, clock)
        self._leases = Leases(self._ask, self._give_back, channel.send, clock)
        self._shared = build_shared_cache(duties.healing.cache, clock)
        self._shared.changed = lambda resource: channel.send(Changed(resource))
        parts, limits = duties.parts, duties.door.limits
        self._endpoints = {one.place: one for one in parts.endpoints}
        self._path = LeasedPath(
            parts.fetcher,
            parts.upstream,
            parts.cache,
            SharedObservations(self._sightings),
            clock,
            self._leases,
            self._copies,
        )
        self._questions = PlainQuestions(parts.endpoints, duties.healing, clock, new_id)
        # As many as clients may ask at once: what waits for the owner must not wait for a connection as well.
        self._pool = wire.Pool(wire.PoolLimits(connections=limits.in_flight, waiting=limits.in_flight))
        self._server: WorkerServer | None = None
        self.is_orphan = False  #: the owner has gone without a word

    async def start(self) -> None:
        """Listen, and say so. Raises `PortTaken`."""
        duties = self._duties
        await duties.parts.upstream.start()
        owner = OwnersDoors(
            self._pool.neighbour(f"{duties.folder}/{REQUESTS}"),
            self._pool.neighbour(f"{duties.folder}/{ATTEMPTS}"),
            duties.door.limits.buffer_bytes,
            duties.healing.request_deadline,
        )
        self._server = WorkerServer(
            duties.door, self._questions, self._path, duties.parts, self._passthroughs(), owner
        )
        await self._server.start()
        self._channel.send(Ready())

    async def run(self, said: AsyncIterator[FromOwner], told_to_stop: asyncio.Event) -> None:
        """Until somebody says stop, or nobody is there to say it."""
        telling = asyncio.create_task(self._tell_regularly())
        listening = asyncio.create_task(self._listen(said))
        stopping = asyncio.create_task(told_to_stop.wait())
        await asyncio.wait({listening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if self._server is not None:
                await self._server.drain(ORPHAN_SECONDS if self.is_orphan else None)
        finally:
            for task in (telling, listening, stopping):
                task.cancel()
            await asyncio.gather(telling, listening, stopping, return_exceptions=True)
            self._tell()

    async def stop(self) -> None:
        """End what is left."""
        if self._server is not None:
            await self._server.stop()
        await self._pool.stop()
        await self._duties.parts.upstream.stop()
        await self._channel.flush()
        await self._channel.close()

    def _passthroughs(self) -> list[Passthrough]:
        duties, windows = self._duties, PassedWindows(self._sightings)
        deadline, most = duties.healing.request_deadline, duties.door.limits.buffer_bytes
        return RawSources(duties.parts, windows, self._clock, self._shared, deadline, most).build()

    async def _listen(self, said: AsyncIterator[FromOwner]) -> None:
        """Until it says drain, or nothing any more."""
        try:
            async for message in said:
                match message:
                    case Lease(place=place, alias=alias):
                        if key := self._key(place, alias):
                            self._leases.granted(message, key)
                    case Revoke(place=place):
                        self._leases.revoke(place)
                    case Keys():
                        self._use(message)
                    case Changed(resource=resource):
                        self._shared.forget_here(resource)
                    case Drain():
                        return
                    case _:
                        pass
        except BrokenChannel as broken:
            log.warning("owner_lost", extra={"reason": str(broken)})
        else:
            self.is_orphan = True
            log.warning("owner_lost", extra={"reason": "it has ended"})

    def _key(self, place: str, alias: str) -> Key | None:
        if not alias:
            return KEYLESS
        limits = self._duties.parts.admission.limits(self._endpoints[place].source)
        return next((key for key in limits.keys.keys if key.alias == alias), None)

    def _use(self, keys: Keys) -> None:
        """Other keys than before; what is lent with one of those ends within a second."""
        parts = self._duties.parts
        source = next((one.source for one in parts.endpoints if one.source.id == keys.source), None)
        if source is not None:
            for secret in keys.secrets.values():
                parts.redactions.add(source.id, secret)
            parts.admission.limits(source).keys.use(keys.secrets)

    async def _tell_regularly(self) -> None:
        said_at = -LIFE_SECONDS
        while True:
            await self._clock.sleep(TOLD_SECONDS)
            self._tell()
            if self._clock.monotonic() - said_at >= LIFE_SECONDS:
                said_at = self._clock.monotonic()
                self._channel.send(Alive())

    def _tell(self) -> None:
        self._path.count()
        for seen in self._sightings.take():
            self._channel.send(seen)
        self._copies.tell_due()
        self._leases.expire()

    def _ask(self, place: str) -> None:
        self._channel.send(AskLease(place))

    def _give_back(self, number: int, calls: int) -> None:
        self._channel.send(GiveBack(number, calls))
