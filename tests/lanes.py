"""The proxy's door and all behind it but the database, over real sockets, with origins on loopback."""

import asyncio
import random
import re
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import UUID

import msgspec

from autonomous_healing import wire
from autonomous_healing.drills.twins.providers import PROVIDERS, Ask, truthful
from autonomous_healing.endpoint_healing.assembly import EndpointParts, Mind, build_healer, build_parts
from autonomous_healing.endpoint_healing.caching.shared import Behind, SharedCache
from autonomous_healing.endpoint_healing.catalog import build_endpoints, default_sources
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.freshness import AlwaysOpen, MarketHours
from autonomous_healing.endpoint_healing.healer import EndpointHealer
from autonomous_healing.endpoint_healing.health import Health
from autonomous_healing.endpoint_healing.healthy_path import HealthyPath
from autonomous_healing.endpoint_healing.kept_copies import KeptCopies, SecondLayer
from autonomous_healing.endpoint_healing.options import HealingSettings, SourceSettings
from autonomous_healing.endpoint_healing.trail import EndpointReport
from autonomous_healing.healing import Journal
from autonomous_healing.learning import LearningSettings, NestedLearner
from autonomous_healing.proxy import (
    Door,
    HealingProxy,
    ProxyServer,
    RawSources,
    Request,
    Ways,
    build_shared_cache,
)
from autonomous_healing.proxy.provenance import Reply
from autonomous_healing.resilience import CircuitBreaker, uuid7_from
from autonomous_healing.safety import FailSafe, Guard, SafetySettings
from tests.clock import HurriedClock, ManualClock
from tests.wire_origins import (
    HERE,
    Asked,
    Line,
    RawOrigin,
    Said,
    Script,
    answer,
    client,
    listening,
    own_answer,
)
from tests.world import MARKET, SECRETS, settings_of

#: The default levels, asked for: the answer is the same, the way to it the ordinary one.
WISH = "exact, equivalent, stale"

_TRAIL = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class WatchedProxy(HealingProxy):
    """Remembers who came the ordinary way."""

    handled: list[str]

    async def handle(self, request: Request) -> Reply:
        self.handled.append(request.path)
        return await super().handle(request)


@dataclass(kw_only=True, slots=True)
class House:
    """Everything between a caller's socket and a provider's."""

    parts: EndpointParts
    healer: EndpointHealer
    journal: Journal
    clock: ManualClock
    settings: HealingSettings
    proxy: WatchedProxy
    path: HealthyPath
    limits: wire.ServerLimits
    kept: KeptCopies | None
    raw_seconds: float  #: for a whole exchange with a raw source
    shared: SharedCache
    server: ProxyServer = field(init=False)

    def __post_init__(self) -> None:
        parts, most = self.parts, self.limits.buffer_bytes
        raw = RawSources(parts, parts.admission, self.clock, self.shared, self.raw_seconds, most)
        ways = Ways(
            proxy=self.proxy,
            path=self.path,
            fetcher=self.parts.fetcher,
            views={"/livez": lambda: b'{"status":"alive"}'},
            passthroughs=raw.build,
        )
        door = Door(host=HERE, port=0, drain_seconds=0.0, limits=self.limits)
        self.server = ProxyServer(door, ways)

    async def ask(
        self, target: str, *, method: str = "GET", body: bytes = b"", port: int = 0, **headers: str
    ) -> Said:
        """One request on a connection of its own; `healing_allow="exact"` is a header."""
        async with self.line(port) as line:
            await line.send(request(target, method=method, body=body, **headers))
            return await line.answer(method)

    def line(self, port: int = 0) -> AbstractAsyncContextManager[Line]:
        """A client's connection to the door, or to another of its ports."""
        return client(port or self.server.port)

    def endpoint(self, place: str) -> Endpoint:
        return next(one for one in self.parts.endpoints if one.place == place)

    def health(self, place: str) -> Health:
        """What is counted, of what is still to be counted too."""
        self.path.count()
        return self.parts.admission.window(self.endpoint(place)).read()

    def breaker(self, place: str) -> CircuitBreaker:
        """Of the endpoint's first host."""
        endpoint = self.endpoint(place)
        return self.parts.admission.breaker(endpoint, endpoint.source.hosts[0])

    @property
    def reports(self) -> list[EndpointReport]:
        return self.journal.recent()

    def trail(self, said: Said) -> dict[str, Any]:
        """The trail that an answer names."""
        [trail] = said.all("healing-trail")
        found = self.healer.trails.find(UUID(trail))
        assert found is not None
        return found.to_json()


def request(target: str, *, method: str = "GET", body: bytes = b"", **headers: str) -> bytes:
    """As it is sent; `x_request_id="1"` is a header."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@asynccontextmanager
async def house(
    sources: Mapping[str, Mapping[str, Any]],
    *,
    healing: Mapping[str, Any] | None = None,
    secrets: Mapping[str, Sequence[str]] = SECRETS,
    clock: ManualClock | None = None,
    hours: MarketHours | None = None,
    limits: wire.ServerLimits | None = None,
    raw_seconds: float = 10.0,
    behind: Behind | None = None,
    layer: SecondLayer | None = None,
) -> AsyncIterator[House]:
    """Started, with these sources only, and stopped in the end. Sources have no quota unless they say so."""
    clock = clock or HurriedClock()
    known = _sources(sources)
    settings = settings_of({"breaker": {"jitter": 0.0}, **(healing or {})})
    endpoints = build_endpoints(known)
    parts = build_parts(endpoints, known, secrets, settings, hours or AlwaysOpen(), clock)
    journal = Journal()
    mind = Mind(
        guard=Guard(SafetySettings(), FailSafe(SafetySettings().mode)),
        learner=NestedLearner(LearningSettings(), random.Random(1)),
        learning=LearningSettings(),
    )
    kept = KeptCopies(parts.cache, parts.fetcher, clock, layer) if layer else None
    healer = build_healer(parts, settings, mind, journal, clock, random.Random(1), kept)
    proxy = WatchedProxy(endpoints, healer, settings, clock, uuid7_from(clock))
    proxy.handled = []
    await parts.upstream.start()
    built = House(
        parts=parts,
        healer=healer,
        journal=journal,
        clock=clock,
        settings=settings,
        proxy=proxy,
        path=HealthyPath(parts.fetcher, parts.upstream, parts.cache, parts.observations, clock),
        limits=limits or wire.ServerLimits(),
        kept=kept,
        raw_seconds=raw_seconds,
        shared=build_shared_cache(settings.cache, clock, behind),
    )
    await built.server.start()
    try:
        yield built
    finally:
        await built.server.stop()
        await healer.stop()
        await parts.upstream.stop()


def _sources(changes: Mapping[str, Mapping[str, Any]]) -> dict[str, SourceSettings]:
    known = {source: one.model_dump() for source, one in default_sources().items()}
    return {
        source: SourceSettings.model_validate(
            {**known.get(source, {}), "quota": (), "allow_private": True, **change}
        )
        for source, change in changes.items()
    }


class Provider:
    """Plays one source: truthful, unless it is told what to do next."""

    def __init__(self, source: str, clock: ManualClock) -> None:
        self.source = source
        self.turns: deque[bytes | Script] = deque()  #: whole answers, or what is done instead of one
        self._clock = clock

    def truth(self, target: bytes) -> bytes:
        """The body that the source truthfully answers now."""
        path, _, query = target.decode().partition("?")
        found = PROVIDERS[self.source].find_key(path, dict(parse_qsl(query)), "")
        ask = Ask(
            source=self.source,
            market=MARKET,
            path=unquote(found.path),
            query=found.query,
            at=self._clock.now(),
        )
        return truthful(ask).body

    async def __call__(self, asked: Asked) -> None:
        turn = self.turns.popleft() if self.turns else said(self.truth(asked.target))
        if isinstance(turn, bytes):
            await asked.line.send(turn)
        else:
            await turn(asked)


class Held:
    """A turn that waits until it is let go."""

    def __init__(self, then: bytes | Script) -> None:
        self._then = then
        self._since: float | None = None
        self._go = asyncio.Event()

    def has_come(self, seconds: float = 0.0) -> bool:
        """Whether the question came so long ago."""
        return self._since is not None and asyncio.get_running_loop().time() - self._since >= seconds

    def let_go(self) -> None:
        self._go.set()

    async def __call__(self, asked: Asked) -> None:
        self._since = asyncio.get_running_loop().time()
        await self._go.wait()
        if isinstance(self._then, bytes):
            await asked.line.send(self._then)
        else:
            await self._then(asked)


def said(body: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer in JSON."""
    return answer(body, b"Content-Type: application/json", *fields, status=status)


@dataclass(kw_only=True, slots=True)
class Street:
    """A house, and the one provider that it asks."""

    house: House
    origin: RawOrigin
    provider: Provider

    async def ask(self, target: str, **how: Any) -> Said:
        return await self.house.ask(target, **how)

    @property
    def clock(self) -> ManualClock:
        return self.house.clock


@asynccontextmanager
async def street(
    source: str, clock: ManualClock | None = None, *, sources: Mapping[str, Any] | None = None, **how: Any
) -> AsyncIterator[Street]:
    """`sources`: what is set about the source."""
    clock = clock or HurriedClock()
    provider = Provider(source, clock)
    async with listening(provider) as origin:
        changes = {source: {"hosts": (host(origin.port),), **(sources or {})}}
        async with house(changes, clock=clock, **how) as rooms:
            yield Street(house=rooms, origin=origin, provider=provider)


def host(port: int, prefix: str = "") -> str:
    """The base URL of an origin on this machine."""
    return f"http://{HERE}:{port}{prefix}"


def told(said: Said) -> tuple[int, list[tuple[str, str]], bytes]:
    """An answer less what differs from one to the next: its time, and the name of its trail."""
    fields = [(name, "a trail" if name == "healing-trail" else value) for name, value in said.fields]
    return said.status, [one for one in fields if one[0] != "date"], _TRAIL.sub(b"a trail", said.body)


def json_in(said: Said) -> Any:
    return msgspec.json.decode(said.body)


async def answers(line: Line, count: int) -> list[Said]:
    """So many, one after the other."""
    return [await line.answer() for _ in range(count)]


#: The place of a raw source's one endpoint.
RAW = "my_shop/"

#: How much is held of a body; the rest of a house is as usual.
SMALL: Mapping[str, Any] = {"limits": wire.ServerLimits(buffer_bytes=65_536)}

#: One in which an exchange may not take long.
HASTY: Mapping[str, Any] = {**SMALL, "raw_seconds": 0.3}


@dataclass(kw_only=True, slots=True)
class Shop:
    """A house with one raw source, and its origin."""

    house: House
    origin: RawOrigin

    async def ask(self, target: str, **how: Any) -> Said:
        return await self.house.ask(target, **how)


@asynccontextmanager
async def shop(
    script: Script = own_answer, *, prefix: str = "", house_of: Mapping[str, Any] = SMALL, **settings: Any
) -> AsyncIterator[Shop]:
    """`settings` are the source's."""
    async with listening(script) as origin:
        changes = {"my_shop": {"kind": "raw", "hosts": (host(origin.port, prefix),), **settings}}
        async with house(changes, **house_of) as rooms:
            yield Shop(house=rooms, origin=origin)


def saying(whole: bytes) -> Script:
    """Whatever is asked."""

    async def say(asked: Asked) -> None:
        await asked.line.send(whole)

    return say
