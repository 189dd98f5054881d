"""The proxy's sockets: plain questions go to the lane, what is for raw sources to them, the rest on."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import parse_qsl

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.healthy_path import HealthyPath, Question
from autonomous_healing.endpoint_healing.priority import Priority, priority_said
from autonomous_healing.proxy.doorkeeper import Doorkeeper
from autonomous_healing.proxy.healing_proxy import FORWARDED, PlainQuestions, Request
from autonomous_healing.proxy.lane import Asked, Lane
from autonomous_healing.proxy.passthrough import Passthrough
from autonomous_healing.proxy.wire_form import send
from autonomous_healing.safety.hosts import OwnHosts

#: Parameters in one query at most.
MOST_PARAMETERS = 100

#: Targets of which it is remembered what they ask for.
_MOST_QUESTIONS = 4096

_UNKNOWN = object()

#: A caller who sends one of these wants more than a plain answer.
_WISHES = frozenset({b"cache-control", b"if-modified-since", b"if-none-match", b"pragma"})

_FORWARDED = frozenset(name.encode() for name in FORWARDED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """Where the proxy listens, and how."""

    host: str
    port: int
    drain_seconds: float
    limits: wire.ServerLimits
    shared: bool = False  #: other processes listen on the same ports
    hosts: OwnHosts = field(default_factory=OwnHosts)  #: what may be asked for besides loopback


class Reception(ABC):
    """Accepts, tells plain questions from others, drains. Its kinds say what becomes of the others."""

    def __init__(
        self,
        door: Door,
        questions: PlainQuestions,
        path: HealthyPath,
        passthroughs: Callable[[], Sequence[Passthrough]],
    ) -> None:
        """`passthroughs` are made once there are connections."""
        self._door = door
        self._doorkeeper = Doorkeeper(door.hosts)
        self._plain_questions = questions
        self._path = path
        self._passthroughs = passthroughs
        self._server: wire.Server | None = None
        self._own: list[tuple[Passthrough, wire.Server]] = []
        self._mounted: dict[bytes, Passthrough] = {}
        self._raw: set[object] = set()  #: the same, which keep what they worked out of a head
        self._deepest = 0  #: segments of the longest mount
        self._lane: Lane | None = None
        self._questions: dict[bytes, Question | None] = {}

    @property
    def port(self) -> int:
        """The port that is really bound."""
        return self._server.port if self._server else self._door.port

    def port_of(self, source: str) -> int:
        """The port that a raw source has of its own."""
        return next(server.port for one, server in self._own if one.source.id == source)

    @property
    def own_ports(self) -> dict[str, int]:
        """The ports of all raw sources that have one, by source."""
        return {one.source.id: server.port for one, server in self._own}

    @property
    def in_flight(self) -> int:
        """Requests that are taken and not yet answered, on all ports."""
        servers = [server for _, server in self._own]
        return sum(one.in_flight for one in (*servers, self._server) if one is not None)

    async def start(self) -> None:
        """Raises `PortTaken`."""
        door = self._door
        self._lane = self.new_lane(door.limits.buffer_bytes)
        self._lane.rest = self.rest
        self._server = wire.Server(self.handle, door.limits)
        try:
            await self._listen(self._server, door.port)
            for one in self._passthroughs():
                if one.source.port is None:
                    mount = one.source.mount.encode()
                    self._mounted[mount] = one
                    self._raw.add(one)
                    self._deepest = max(self._deepest, mount.count(b"/"))
                else:
                    server = wire.Server(self._at_own_port(one), door.limits)
                    self._own.append((one, server))
                    await self._listen(server, one.source.port)
        except BaseException:
            await self._drain(0.0)
            raise

    async def drain(self, most: float | None = None) -> None:
        """Take no more requests, let those in flight end, for as long as draining may take, or `most`."""
        await self._drain(self._door.drain_seconds if most is None else min(most, self._door.drain_seconds))

    async def stop(self) -> None:
        """Drain, if that was not done, and end what still runs."""
        await self.drain()
        if self._lane is not None:
            await self._lane.stop()

    @abstractmethod
    def new_lane(self, buffer_bytes: int) -> Lane:
        """Where plain questions go; made once there is a loop."""

    @abstractmethod
    def rest(self, exchange: wire.Exchange, asked: Asked | None) -> None:
        """What is neither a raw source's nor taken by the lane."""

    def handle(self, exchange: wire.Exchange) -> None:
        """Answer it, now or later."""
        request, lane = exchange.request, self._lane
        if lane is None:
            raise RuntimeError("start() was not awaited")
        if request.kept is not None and request.kept[0] in self._raw:
            request.kept[0].handle(exchange)
            return
        asked = self._plain(request) if request.method == b"GET" else None
        if asked is not None and lane.take(exchange, asked):
            return
        if (refused := self._doorkeeper.refusal(request)) is not None:
            send(exchange, refused)
            return
        if (one := self._mounted_at(request.target)) is not None:
            one.handle(exchange)
        else:
            self.rest(exchange, asked)

    def _at_own_port(self, one: Passthrough) -> Callable[[wire.Exchange], None]:
        """As `handle`, where there is nothing but one raw source."""

        def handle(exchange: wire.Exchange) -> None:
            kept = exchange.request.kept
            known = kept is not None and kept[0] is one
            if known or (refused := self._doorkeeper.refusal(exchange.request)) is None:
                one.handle(exchange)
            else:
                send(exchange, refused)

        return handle

    def _mounted_at(self, target: bytes) -> Passthrough | None:
        """The raw source below whose mount a target lies; no mount lies below another."""
        path, end = target.partition(b"?")[0], 0
        for _ in range(self._deepest):
            end = path.find(b"/", end + 1)
            one = self._mounted.get(path if end < 0 else path[:end])
            if one is not None or end < 0:
                return one
        return None

    async def _listen(self, server: wire.Server, port: int) -> None:
        await server.listen(self._door.host, port, shared=self._door.shared)

    async def _drain(self, seconds: float) -> None:
        servers = [server for _, server in self._own]
        if self._server is not None:
            servers.append(self._server)
        if not all(server.draining for server in servers):
            await wire.drain(servers, seconds)

    def _plain(self, request: wire.RequestHead) -> Asked | None:
        """The plain question in a head; worked out once for each."""
        known = request.kept
        if known is None or known[0] is not self:
            known = request.kept = (self, self._read_plain(request))
        return known[1]  # type: ignore[no-any-return]

    def _read_plain(self, request: wire.RequestHead) -> Asked | None:
        if self._doorkeeper.refusal(request) is not None:
            return None
        forwarded = []
        for name, value in request.fields:
            if name in _FORWARDED:
                forwarded.append((name, value))
            elif (
                name.startswith(b"healing")
                or name in _WISHES
                or (name == b"priority" and priority_said(value.decode("latin-1")) is Priority.BATCH)
            ):
                return None
        question = self.question(request.target)
        if question is None:
            return None
        headers = _by_name(forwarded)
        more = "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode("latin-1")
        return Asked(question, headers, more)

    def question(self, target: bytes) -> Question | None:
        """What a target asks for, if it is one question to one endpoint; worked out once."""
        question: object = self._questions.get(target, _UNKNOWN)
        if question is _UNKNOWN:
            try:
                path, query = _read_target(target)
            except ValueError:
                return None
            match = self._plain_questions.plain(path, query)
            question = self._path.question(match.endpoint, match.params) if match else None
            if len(self._questions) >= _MOST_QUESTIONS:
                self._questions.clear()
            self._questions[target] = question
        return cast(Question | None, question)


def read_request(request: wire.RequestHead, caller: str) -> Request:
    """Raises `ValueError` for a query with too many parameters."""
    path, pairs = _read_target(request.target)
    return Request(path, pairs, _by_name(request.fields), caller)


def _by_name(fields: wire.Fields) -> dict[str, str]:
    """Those of one name put together (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for raw, value in fields:
        name, said = raw.decode(), value.decode("latin-1")
        headers[name] = f"{headers[name]}, {said}" if name in headers else said
    return headers


def _read_target(target: bytes) -> tuple[str, list[tuple[str, str]]]:
    path, _, query = target.decode().partition("?")
    return path, parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
