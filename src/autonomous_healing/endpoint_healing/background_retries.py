"""After a caller has an answer that is not its source's own: a few more tries, to have a good copy again."""

import asyncio
import logging
from collections import Counter
from dataclasses import replace

from autonomous_healing.endpoint_healing.caching.directives import NO_WISHES
from autonomous_healing.endpoint_healing.call import Call, Failure, Spent, Trouble
from autonomous_healing.endpoint_healing.codes import LOOK_AGAIN, PASSING, QUOTA_EXHAUSTED, THROTTLES
from autonomous_healing.endpoint_healing.diagnosis import diagnose
from autonomous_healing.endpoint_healing.fetch import Fetcher, FetchFailed, Hop
from autonomous_healing.endpoint_healing.options import HealingSettings
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.healing import CannotHeal
from autonomous_healing.resilience import Backoff, Clock, Deadline

log = logging.getLogger(__name__)

#: Chains of one source at once; as many as may wait in its line.
MOST_CHAINS = 100

_TRY = Hop(extra=True, fresh=True, purpose=Purpose.PREFETCH)


class BackgroundRetries:
    """At most one chain of tries for each question. They end with the product."""

    def __init__(self, fetcher: Fetcher, clock: Clock, settings: HealingSettings) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._attempts = settings.max_retry_attempts
        self._patience = settings.retry_budget.window
        self._backoff = Backoff(
            base=settings.exponential_backoff_base,
            cap=settings.breaker.open_cap,
            factor=settings.backoff_factor,
        )
        self._chains: dict[str, asyncio.Task[None]] = {}
        self._by_source: Counter[str] = Counter()

    def __len__(self) -> int:
        """Chains under way."""
        return len(self._chains)

    def begin(self, call: Call, failure: Failure, *, looked_again: bool) -> None:
        """After this failure, unless nothing can come of it, or a chain for the same question is under way.

        `looked_again`: it was asked once more already, past all caches on the way.
        """
        waits = self.waits(failure, looked_again=looked_again)
        source = call.endpoint.source.id
        if not waits or call.resource in self._chains or self._by_source[source] >= MOST_CHAINS:
            return
        chain = asyncio.create_task(self._try(call, failure.host, waits))
        self._chains[call.resource] = chain
        self._by_source[source] += 1
        chain.add_done_callback(lambda done: self._ended(call, done))

    def waits(self, failure: Failure, *, looked_again: bool) -> tuple[float, ...]:
        """Seconds before each try. A throttle gets one, at its end; bad data one, if it had none before."""
        code, source = diagnose(failure).code, failure.endpoint.source
        if failure.refused or failure.trouble is Trouble.SOFT_TIMEOUT or not self._attempts:
            return ()  # nothing was asked, or the first attempt still goes on
        if code in THROTTLES:
            rest = source.quota_rest if code == QUOTA_EXHAUSTED else source.retry_delay
            return (max(failure.retry_after or 0.0, rest),)
        if code in PASSING:
            floor = failure.retry_after or 0.0
            return tuple(max(floor, self._backoff.ceiling(n)) for n in range(self._attempts))
        return (self._backoff.base,) if code in LOOK_AGAIN and not looked_again else ()

    async def stop(self) -> None:
        """End all of them."""
        chains = list(self._chains.values())
        for chain in chains:
            chain.cancel()
        await asyncio.gather(*chains, return_exceptions=True)

    async def _try(self, call: Call, host: str, waits: tuple[float, ...]) -> None:
        """Each try is decided, and charged, when its time has come. An open circuit has trials of its own."""
        endpoint, began = call.endpoint, self._clock.monotonic()
        breaker = self._fetcher.admission.breaker(endpoint, host)
        for wait in waits:
            await self._clock.sleep(wait)
            await self._wait_for_room(call, wait)
            if not breaker.is_closed or self._fetcher.was_answered_since(call, began):
                return
            deadline = Deadline.after(self._clock, endpoint.timeout)
            again = replace(
                call, deadline=deadline, headers={}, hurried=False, wishes=NO_WISHES, spent=Spent()
            )
            try:
                await self._fetcher.fetch(again, replace(_TRY, host=host))
            except CannotHeal:
                return  # others use all that the retry budget allows
            except FetchFailed as failed:
                if failed.failure.refused or diagnose(failed.failure).code not in PASSING:
                    return
            else:
                return

    async def _wait_for_room(self, call: Call, wait: float) -> None:
        """What healing has spent for the caller leaves the retry budget within its window."""
        budget = self._fetcher.admission.limits(call.endpoint.source).budget
        until = self._clock.monotonic() + self._patience
        while not budget.left() and self._clock.monotonic() < until:
            await self._clock.sleep(wait)

    def _ended(self, call: Call, chain: asyncio.Task[None]) -> None:
        del self._chains[call.resource]
        self._by_source[call.endpoint.source.id] -= 1
        if not chain.cancelled() and (fault := chain.exception()):
            log.error("background_retry_crashed", exc_info=fault, extra={"source": call.endpoint.source.id})
