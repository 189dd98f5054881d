"""Copies that outlive the process: what a restart would make us ask for again, quota included."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from datetime import timedelta
from typing import Protocol

from autonomous_healing.endpoint_healing.cache import OF_EXCHANGES, Copy, ResponseCache
from autonomous_healing.endpoint_healing.caching.rows import CacheRow
from autonomous_healing.endpoint_healing.call import Call
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.fetch import Fetcher
from autonomous_healing.endpoint_healing.flights import Flights
from autonomous_healing.endpoint_healing.upstream import Answer
from autonomous_healing.resilience import Clock

#: An exchange is closed for so long at most (seconds); the windows of its copies do not run meanwhile.
LONGEST_CLOSE = 5 * 86_400.0

#: So much earlier than it was true a copy is over that may only heal.
DOUBTED = timedelta(seconds=1)

#: Copies that wait to be put; more are not.
MOST_WAITING = 1000


class SecondLayer(Protocol):
    """Where rows are kept. It never raises, and never keeps anybody waiting for long."""

    async def find(self, resource: bytes) -> CacheRow | None:
        """The row, if it is there and is found within a moment."""

    def put(self, row: CacheRow) -> None:
        """Keep it, if there is room."""

    def remove(self, resource: bytes) -> None:
        """It is found no more."""

    async def forget_source(self, source: str, endpoint: str | None = None) -> None:
        """Nor is anything of this source, or of one endpoint. Raises `DatabaseAway`."""


class KeptCopies:
    """Puts each new copy into the second layer, and brings back what is not in memory."""

    def __init__(self, cache: ResponseCache, fetcher: Fetcher, clock: Clock, layer: SecondLayer) -> None:
        self._cache = cache
        self._fetcher = fetcher
        self._clock = clock
        self._layer = layer
        self._waiting: OrderedDict[str, Copy] = OrderedDict()
        self._looks: Flights[None] = Flights()
        cache.kept = self._put
        cache.revised = self._remove
        cache.has_second_layer = True

    async def recall(self, call: Call) -> None:
        """Take into memory what is kept of this question, judged anew; looked for once for all who ask."""
        if self._cache.must_look(call.resource):
            await self._looks.join(call.resource, lambda: self._recall(call))

    async def _recall(self, call: Call) -> None:
        looked_at = self._clock.monotonic()
        row = await self._layer.find(_digest(call.resource))
        self._cache.looked(call.resource)
        if row is None or self._cache.latest(call.resource) is not None:
            return
        age = (self._clock.now() - row.stored_at).total_seconds()
        if age < 0:  # the clock was put back, by who knows how much
            return
        answer = Answer(row.status, dict(row.headers), row.body)
        judged = await self._fetcher.judge_kept(call, answer)
        if judged is not None:
            response, is_old = judged
            doubted = is_old or row.fresh_until < row.stored_at
            self._cache.put_back(call, response, age=age, doubted=doubted, looked_at=looked_at)

    async def flush(self) -> None:
        """Put what was kept since the last time."""
        while self._waiting:
            resource, copy = self._waiting.popitem()
            self._layer.put(self._row(resource, copy))

    async def forget(self, resource: str) -> None:
        """Keep no copy of one question."""
        self._remove(resource)

    async def forget_endpoints(self, endpoints: Iterable[Endpoint]) -> None:
        """Keep nothing of theirs. Raises `DatabaseAway`."""
        await self.flush()  # or what waits would be kept afterwards
        for one in endpoints:
            await self._layer.forget_source(one.source.id, one.name)

    def _remove(self, resource: str) -> None:
        self._waiting.pop(resource, None)
        self._layer.remove(_digest(resource))

    def _put(self, resource: str, copy: Copy) -> None:
        """Soon: what changes with every answer need not be put each time."""
        self._waiting[resource] = copy
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popitem(last=False)

    def _row(self, resource: str, copy: Copy) -> CacheRow:
        response = copy.response
        true_at = self._clock.now() - timedelta(seconds=self._clock.monotonic() - copy.kept_at)
        over = true_at + timedelta(seconds=copy.fresh)
        use = max(copy.if_error, copy.while_revalidate)
        use += LONGEST_CLOSE if copy.kind in OF_EXCHANGES else 0.0
        digest = _digest(resource)
        return CacheRow(
            key=digest,
            resource=digest,
            source=response.source,
            endpoint=copy.place.removeprefix(response.source),
            kind=copy.kind.value,
            status=response.status,
            headers=(("content-type", response.content_type), *response.headers.items()),
            body=response.body,
            stored_at=true_at,
            fresh_until=true_at - DOUBTED if copy.doubted else over,
            stale_until=over + timedelta(seconds=use),
            etag=response.headers.get("etag"),
            hits=copy.hits,
        )


def _digest(resource: str) -> bytes:
    """Says nothing of what was asked."""
    return hashlib.sha256(b"copy " + resource.encode()).digest()
