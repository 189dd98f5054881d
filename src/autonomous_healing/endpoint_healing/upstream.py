"""Exchanges with providers. Turns a source and a path into what the wire needs, and its answers into ours."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.call import Trouble
from autonomous_healing.endpoint_healing.endpoints import Source
from autonomous_healing.wire import Phase, WireError


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole and decompressed; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Unanswered(Exception):
    """No whole answer came: how, and in words without any address or key."""

    def __init__(self, trouble: Trouble, message: str, *, connected: bool = True) -> None:
        super().__init__(message)
        self.trouble = trouble
        self.connected = connected  #: False where it ended before there was a connection


@dataclass(frozen=True, kw_only=True, slots=True)
class UpstreamLimits:
    """What one exchange, and one host, may use."""

    max_body: int  #: bytes of an answer, compressed or not
    connect_seconds: float = 2.0
    per_host: int = 64  #: connections
    waiting: int = 1024  #: requests that wait for one of them
    stall_seconds: float = 30.0  #: without progress in an answer that streams


class Route:
    """The way to one host of a source."""

    def __init__(self, origin: wire.Origin, prefix: str, pool: wire.Pool, options: wire.DialOptions) -> None:
        self.origin = origin
        self.prefix = prefix  #: the path that stands before every path
        self._pool = pool
        self._options = options

    @cached_property
    def connections(self) -> wire.OriginPool:
        """Begun with the first question: an origin that is never asked costs nothing."""
        return self._pool.origin(self.origin, self._options)


class Upstream:
    """A pool of connections. Follows no redirect, keeps no cookie, never repeats what was answered."""

    def __init__(self, *, user_agent: str, limits: UpstreamLimits) -> None:
        self.limits = limits
        self._usual = (
            (b"user-agent", user_agent.encode()),
            (b"accept", b"application/json"),
            (b"accept-encoding", b"gzip"),
        )
        self._pool: wire.Pool | None = None
        self._routes: dict[tuple[str, str], Route] = {}

    async def start(self) -> None:
        limits = self.limits
        self._pool = wire.Pool(
            wire.PoolLimits(
                connections=limits.per_host, waiting=limits.waiting, stall_seconds=limits.stall_seconds
            )
        )

    async def stop(self) -> None:
        if self._pool is not None:
            await self._pool.stop()

    def route(self, source: Source, host: str) -> Route:
        """The connections to `host`, one of the source's base URLs."""
        known = self._routes.get((source.id, host))
        if known is None:
            if self._pool is None:
                raise RuntimeError("Upstream.start() was not awaited")
            origin, prefix = wire.read_base_url(host)
            options = wire.DialOptions(
                connect_seconds=self.limits.connect_seconds,
                allow_private=source.allow_private,
                ca_file=source.ca_file,
            )
            known = self._routes[source.id, host] = Route(origin, prefix, self._pool, options)
        return known

    def request_head(self, route: Route, path: str, headers: Mapping[str, str]) -> bytes:
        """A GET as it is sent; raises `ValueError` where a header or the path would break it."""
        fields = [
            *self._usual,
            *((name.encode(), value.encode("latin-1")) for name, value in headers.items()),
        ]
        return wire.request_bytes(route.origin, b"GET", (route.prefix + path).encode(), fields)

    async def get(
        self, source: Source, host: str, path: str, headers: Mapping[str, str], seconds: float
    ) -> Answer:
        """The whole answer within `seconds`; raises `Unanswered`."""
        route = self.route(source, host)
        head = self.request_head(route, path, headers)
        try:
            answer = await route.connections.fetch(b"GET", head, seconds=seconds, most=self.limits.max_body)
        except WireError as error:
            raise unanswered(error, seconds) from None
        return read(answer, self.limits.max_body)


def read(answer: wire.Answer, most: int) -> Answer:
    """Decompressed; raises `Unanswered` where that fails or brings more than `most` bytes."""
    head, body = answer.head, answer.body
    coding = head.first(b"content-encoding")
    if coding is not None and coding.lower() != b"identity" and body:
        body = _decompressed(body, coding, most)
    return Answer(head.status, {name.decode(): value.decode("latin-1") for name, value in head.fields}, body)


def unanswered(error: WireError, seconds: float) -> Unanswered:
    """What the wire says, in the words of this room."""
    if error.phase is Phase.WAIT:
        return Unanswered(Trouble.NOT_SENT, f"{error}: too many requests wait for its host")
    if error.timed_out:
        connected = error.phase not in (Phase.CONNECT, Phase.TLS)
        message = f"no answer within {seconds:.1f}s ({error.phase})"
        return Unanswered(Trouble.TIMED_OUT, message, connected=connected)
    if error.too_large:
        return Unanswered(Trouble.TOO_LARGE, str(error))
    match error.phase:
        case Phase.CONNECT:
            return Unanswered(Trouble.UNREACHABLE, f"connection failed: {error}")
        case Phase.TLS:
            return Unanswered(Trouble.UNREACHABLE, f"TLS refused: {error}")
        case Phase.FRAMING:
            return Unanswered(Trouble.UNREACHABLE, f"no valid HTTP: {error}")
        case _:
            return Unanswered(Trouble.UNREACHABLE, str(error))


def _decompressed(body: bytes, coding: bytes, most: int) -> bytes:
    if coding.lower() not in (b"gzip", b"x-gzip"):
        raise Unanswered(Trouble.UNREACHABLE, "answer in a content coding that was not asked for")
    reading = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = reading.decompress(body, most + 1)
    except zlib.error:
        raise Unanswered(Trouble.UNREACHABLE, "answer cannot be decompressed") from None
    if len(plain) > most:
        raise Unanswered(Trouble.TOO_LARGE, f"answer larger than {most} bytes")
    if not reading.eof or reading.unused_data:
        raise Unanswered(Trouble.UNREACHABLE, "compressed answer is not whole")
    return plain
