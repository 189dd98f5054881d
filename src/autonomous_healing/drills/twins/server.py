"""A provider's twin as real HTTP servers on loopback, one port per host."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import cast

from aiohttp import web

from autonomous_healing.drills.twins.breakage import SILENT, broken
from autonomous_healing.drills.twins.earlier import lag
from autonomous_healing.drills.twins.faults import Exchange, Fault, FaultKind, FaultScript
from autonomous_healing.drills.twins.market import Market
from autonomous_healing.drills.twins.providers import HOSTS, PROVIDERS, Ask, truthful
from autonomous_healing.drills.twins.refusals import refuse
from autonomous_healing.drills.twins.rendered import Rendered
from autonomous_healing.resilience import Clock

_LOOPBACK = "127.0.0.1"
_LOG_SIZE = 100_000  #: exchanges kept; a drill has some thousands
_CANCEL_WAIT = 0.05  #: seconds for request tasks to end once their connections are gone


class TwinServer:
    """Answers as the source does at the clock's time, unless the script says otherwise."""

    def __init__(
        self,
        source: str,
        market: Market,
        script: FaultScript,
        clock: Clock,
        hosts: int | None = None,
        keys: frozenset[str] = frozenset(),
    ) -> None:
        """`hosts`: as many as the real source, unless given. `keys`: those accepted; none, any will do."""
        self.source = source
        self.exchanges: deque[Exchange] = deque(maxlen=_LOG_SIZE)
        self._market, self._script, self._clock, self._keys = market, script, clock, keys
        self._hosts = [_Host(self, index) for index in range(hosts or HOSTS[source])]

    @property
    def urls(self) -> tuple[str, ...]:
        """Where each host listens, without a slash at the end; empty until started."""
        return tuple(f"http://{_LOOPBACK}:{host.port}" for host in self._hosts if host.port)

    async def start(self) -> None:
        for host in self._hosts:
            await host.start()

    async def stop(self) -> None:
        """Stop listening and cut every connection at once."""
        for host in self._hosts:
            await host.stop()

    def refuses_connection(self, host: int) -> bool:
        """True, and logged, while an outage resets whoever connects."""
        at = self._clock.now()
        if outage := self._script.outage_for(self.source, host, at):
            self.exchanges.append(
                Exchange(at=at, source=self.source, host=host, endpoint="", query={}, fault=outage)
            )
        return outage is not None

    async def answer(self, request: web.BaseRequest, host: int) -> web.StreamResponse:
        """Do to this request what the script says; log it before anything is sent."""
        ask = self._ask(request)
        seen = self._exchange(request, ask, host)
        fault = self._script.fault_for(seen)
        rendered = None if fault and fault.kind in SILENT else self._rendered(fault, ask)
        if rendered and fault and fault.kind is FaultKind.CUT:
            sent = replace(rendered, body=rendered.body[: len(rendered.body) // 2])
            self._note(seen, fault, sent)
            return await _send_part(request, rendered, sent.body)
        self._note(replace(seen, true_at=_true_at(fault, ask)), fault, rendered)
        if rendered is None:
            return await _stay_silent(request, hang=fault is not None and fault.kind is FaultKind.HANG)
        if fault and fault.kind is FaultKind.LATENCY:
            await self._clock.sleep(fault.seconds)
        return web.Response(status=rendered.status, body=rendered.body, headers=_head(rendered))

    def _ask(self, request: web.BaseRequest) -> Ask:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        found = PROVIDERS[self.source].find_key(request.rel_url.path, dict(request.query), bearer)
        return Ask(
            source=self.source,
            market=self._market,
            path=found.path,
            query=found.query,
            at=self._clock.now(),
            key=found.key,
        )

    def _exchange(self, request: web.BaseRequest, ask: Ask, host: int) -> Exchange:
        return Exchange(
            at=ask.at,
            source=self.source,
            host=host,
            endpoint=ask.endpoint,
            path=ask.path,
            query=ask.query,
            key=ask.key,
            request_id=request.headers.get("X-Request-Id", ""),
            user_agent=request.headers.get("User-Agent", ""),
        )

    def _rendered(self, fault: Fault | None, ask: Ask) -> Rendered:
        if fault and fault.kind not in (FaultKind.LATENCY, FaultKind.CUT):
            return broken(fault, ask)
        needs_key = self._keys and PROVIDERS[self.source].needs_key(ask.path)
        if needs_key and ask.key not in self._keys:
            return refuse(FaultKind.UNAUTHORIZED, ask)
        return truthful(ask)

    def _note(self, seen: Exchange, fault: Fault | None, sent: Rendered | None) -> None:
        status, digest = (sent.status, sent.digest) if sent else (None, "")
        self.exchanges.append(replace(seen, fault=fault, status=status, digest=digest))


class _Host:
    """One listening port of a twin."""

    def __init__(self, twin: TwinServer, index: int) -> None:
        self.port = 0
        self._twin, self._index = twin, index
        self._http: web.Server | None = None
        self._listening: asyncio.Server | None = None

    async def start(self) -> None:
        http = web.Server(self._answer, handler_cancellation=True, access_log=None)
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._greeter(http), _LOOPBACK, 0)
        self._http = http
        self.port = self._listening.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._listening is None or self._http is None:
            return
        self._listening.close()
        for connection in self._http.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await self._http.shutdown(_CANCEL_WAIT)
        await self._listening.wait_closed()
        self._listening, self._http, self.port = None, None, 0

    def _greeter(self, http: web.Server) -> Callable[[], asyncio.BaseProtocol]:
        return lambda: _Refusing() if self._twin.refuses_connection(self._index) else http()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._twin.answer(request, self._index)


class _Refusing(asyncio.Protocol):
    """Resets the connection as soon as it is made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not at once: uvloop never closes a transport that was aborted while it was being made.
        asyncio.get_running_loop().call_soon(_reset, cast(asyncio.Transport, transport))


def _true_at(fault: Fault | None, ask: Ask) -> datetime | None:
    """When the answer of this fault was the truth: now, long ago, at the fault's start, or never."""
    match fault:
        case None | Fault(kind=FaultKind.LATENCY):
            return ask.at
        case Fault(kind=FaultKind.STALE):
            return ask.at - lag(ask)
        case Fault(kind=FaultKind.FROZEN, starts_at=starts_at):
            return starts_at
        case _:
            return None


async def _stay_silent(request: web.BaseRequest, *, hang: bool) -> web.StreamResponse:
    if not hang and request.transport is not None:
        _reset(request.transport)
    # Ends when the connection does: its loss cancels this task.
    await asyncio.Event().wait()
    raise AssertionError("nobody sets this event")


async def _send_part(request: web.BaseRequest, whole: Rendered, part: bytes) -> web.StreamResponse:
    """Announce the whole body, send a part and close."""
    response = web.StreamResponse(status=whole.status, headers=_head(whole))
    response.content_length = len(whole.body)
    await response.prepare(request)
    await response.write(part)
    if request.transport is not None:
        request.transport.close()
    return response


def _head(rendered: Rendered) -> dict[str, str]:
    return {"Content-Type": rendered.content_type, **rendered.headers}


def _reset(transport: asyncio.Transport) -> None:
    """Close with a TCP reset: no lingering, nothing flushed."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
