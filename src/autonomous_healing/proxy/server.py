"""The proxy's sockets in the process that heals: everything that comes in has its way here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.fetch import Fetcher
from autonomous_healing.endpoint_healing.healthy_path import HealthyPath
from autonomous_healing.proxy.fast_lane import FastLane
from autonomous_healing.proxy.healing_proxy import HealingProxy
from autonomous_healing.proxy.lane import Asked
from autonomous_healing.proxy.passthrough import Passthrough
from autonomous_healing.proxy.provenance import Reply, not_allowed, refusal
from autonomous_healing.proxy.reception import MOST_PARAMETERS, Door, Reception, read_request
from autonomous_healing.proxy.wire_form import send

__all__ = ["Door", "ProxyServer", "Views", "Ways"]

#: A read model that the proxy's port shows too: path -> JSON bytes.
Views = Mapping[str, Callable[[], bytes]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ways:
    """What requests can be answered by."""

    proxy: HealingProxy
    path: HealthyPath
    fetcher: Fetcher
    views: Views
    passthroughs: Callable[[], Sequence[Passthrough]]  #: made once there are connections


class ProxyServer(Reception):
    """Accepts, hands on, drains."""

    def __init__(self, door: Door, ways: Ways) -> None:
        super().__init__(door, ways.proxy, ways.path, ways.passthroughs)
        self._ways = ways
        self._fast_lane: FastLane | None = None

    @property
    def lane(self) -> FastLane:
        """Where plain questions are answered and healed; there once it is started."""
        if self._fast_lane is None:
            raise RuntimeError("ProxyServer.start() was not awaited")
        return self._fast_lane

    def new_lane(self, buffer_bytes: int) -> FastLane:
        ways = self._ways
        self._fast_lane = FastLane(ways.proxy, ways.path, ways.fetcher, buffer_bytes)
        return self._fast_lane

    def rest(self, exchange: wire.Exchange, asked: Asked | None) -> None:
        """In a task, with all the time that it takes."""
        self.lane.leave(exchange, self._answer(exchange, asked))

    async def _answer(self, exchange: wire.Exchange, asked: Asked | None) -> None:
        if asked is not None and not self._ways.path.may_begin(asked.question):
            await self._ways.proxy.recall(asked.question.endpoint, asked.question.params)
            if self.lane.take(exchange, asked):
                return
        reply = await self._reply(exchange.request, exchange.address)
        if asked is not None:
            self.lane.reply(exchange, asked.question, reply)
        else:
            send(exchange, reply)

    async def _reply(self, request: wire.RequestHead, caller: str) -> Reply:
        if request.method not in (b"GET", b"HEAD"):
            return not_allowed("data endpoints are asked with GET", "GET, HEAD")
        if view := self._ways.views.get(request.target.decode()):
            return Reply(status=200, content_type="application/json", body=view())
        try:
            asked = read_request(request, caller)
        except ValueError:
            return refusal(400, "Bad request", f"the query has more than {MOST_PARAMETERS} parameters")
        return await self._ways.proxy.handle(asked)
