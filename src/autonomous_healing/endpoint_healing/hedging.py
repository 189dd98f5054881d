"""A question that is slow to be answered is put to another host, too, and the first good answer wins."""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine

from autonomous_healing.endpoint_healing.call import Call, Response
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.fetch import Fetcher, Hop, Sent
from autonomous_healing.endpoint_healing.options import HealingSettings
from autonomous_healing.endpoint_healing.priority import Priority
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.resilience import Clock
from autonomous_healing.resilience.rolling_count import RollingCount

#: Share of any quota window beyond which nothing is asked twice (spec: endpoint healing, section 13).
QUOTA_SHARE = 0.80


class Hedger:
    """Decides when a second call is worth it, within a share of all calls, and tells of both what is true."""

    def __init__(self, fetcher: Fetcher, clock: Clock, settings: HealingSettings) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._settings = settings.hedging
        window = settings.retry_budget.window
        self._spent: defaultdict[str, RollingCount] = defaultdict(lambda: RollingCount(window))

    def due(self, endpoint: Endpoint) -> float | None:
        """Seconds after which a first attempt is slow enough to ask elsewhere, too; None where that never is.

        That is the p95 of its good calls, if it is known and passes before healing begins. Asking costs next
        to nothing.
        """
        source = endpoint.source
        if not self._settings.enabled or (len(source.hosts) < 2 and not source.terms_allow_rotation):
            return None
        p95 = self._fetcher.admission.window(endpoint).p95_seconds()
        return p95 if p95 is not None and p95 < self._fetcher.soft_timeout(endpoint) else None

    async def fetch(self, call: Call) -> Response:
        """The first attempt at a call, and a second where that one is slow. Raises `FetchFailed`."""
        due = self.due(call.endpoint) if call.priority is Priority.INTERACTIVE else None
        if due is None:
            return await self._fetcher.fetch(call)
        sent: list[Sent] = []
        first = self._fetcher.fetch(call, tell=sent.append)
        return await self._with_second(call, first, due, sent)

    async def second(self, call: Call, first: Coroutine[None, None, Response], sent: Sent) -> Response:
        """What comes of a first attempt that is slow already, or of a second. Raises `FetchFailed`."""
        return await self._with_second(call, first, 0.0, [sent])

    async def _with_second(
        self, call: Call, first: Coroutine[None, None, Response], due: float, sent: list[Sent]
    ) -> Response:
        """`sent`: filled once the first attempt is on its way."""
        running = {asyncio.ensure_future(first)}
        earlier = next(iter(running))
        try:
            while not earlier.done() and (left := self._left(due, sent)) > 0:
                await asyncio.wait(running, timeout=left)
            hop = None if earlier.done() else self._hop(call, sent[0])
            if hop is None:
                return await earlier
            running.add(asyncio.ensure_future(self._fetcher.fetch(call, hop)))
            won = await _first_good(running)
            if not earlier.done():
                taken = self._clock.monotonic() - sent[0].start
                self._fetcher.admission.window(call.endpoint).record_outrun(taken)
            return await (won or earlier)
        finally:
            for attempt in running:
                attempt.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _left(self, due: float, sent: list[Sent]) -> float:
        """Seconds until it is slow; in our own line it is not."""
        return due - (self._clock.monotonic() - sent[0].start) if sent else due

    def _hop(self, call: Call, sent: Sent) -> Hop | None:
        """Where else to ask, which is charged at once; None where it must not be done."""
        source = call.endpoint.source
        limits, spent = self._fetcher.admission.limits(source), self._spent[source.id]
        spent.forget(self._clock.monotonic())
        if spent.total + 1 > self._settings.share * limits.budget.first_calls:
            return None
        if limits.ledger.used_share(sent.key.alias if sent.key else "") >= QUOTA_SHARE:
            return None
        hop = self._other_host(call.endpoint, sent) or self._other_key(call.endpoint, sent)
        if hop is not None:
            spent.add(self._clock.monotonic())
        return hop

    def _other_host(self, endpoint: Endpoint, sent: Sent) -> Hop | None:
        for host in endpoint.source.hosts:
            steady = self._fetcher.admission.breaker(endpoint, host).is_steady
            flow = self._fetcher.flows.of(endpoint, host)
            if host != sent.host and steady and flow.has_room() and not flow.is_spared:
                return Hop(host=host, extra=True, purpose=Purpose.HEDGE)
        return None

    def _other_key(self, endpoint: Endpoint, sent: Sent) -> Hop | None:
        if sent.key is None or not endpoint.source.terms_allow_rotation:
            return None
        keys = self._fetcher.admission.limits(endpoint.source).keys
        if not keys.can_rotate(endpoint.name, sent.key.alias):
            return None
        flow = self._fetcher.flows.of(endpoint, sent.host)
        if flow.is_spared or not flow.has_room():
            return None
        return Hop(host=sent.host, avoid_key=sent.key.alias, extra=True, purpose=Purpose.HEDGE)


async def _first_good(attempts: set["asyncio.Task[Response]"]) -> "asyncio.Task[Response] | None":
    """The one that ends well first; None when all have ended otherwise."""
    running = attempts
    while running:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for attempt in done:
            if not attempt.cancelled() and attempt.exception() is None:
                return attempt
    return None
