"""Strategies that any source can use: ask again, use the last copy, ask for less, use another key."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from autonomous_healing.endpoint_healing.cache import ResponseCache
from autonomous_healing.endpoint_healing.call import FailedCall, Failure, Response
from autonomous_healing.endpoint_healing.codes import KEY_CODES, LOOK_AGAIN, PASSING, THROTTLES
from autonomous_healing.endpoint_healing.diagnosis import diagnose
from autonomous_healing.endpoint_healing.fetch import AskedInVain, Fetcher, Hop
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.endpoint_healing.freshness import speaks_of_the_past
from autonomous_healing.endpoint_healing.judging import aside
from autonomous_healing.endpoint_healing.records import Bars, Description, Quote, Rates, Series
from autonomous_healing.endpoint_healing.validators.reading import midnight
from autonomous_healing.healing import CannotHeal
from autonomous_healing.resilience import Backoff, Clock, Deadline


@dataclass(frozen=True, kw_only=True)
class ExponentialBackoffRetry:
    """Ask the same host again, after a random wait that grows."""

    name: ClassVar[str] = "exponential_backoff_retry"
    levels: ClassVar[frozenset[Fidelity]] = frozenset({Fidelity.EXACT})
    cost: ClassVar[float] = 0.6

    fetcher: Fetcher
    clock: Clock
    rng: random.Random
    backoff: Backoff
    retries: int = 2

    def obstacle(self, case: FailedCall) -> str | None:
        failure = case.failure
        if failure.refused:
            return f"no call is made: {failure.message}"
        if not self.fetcher.admission.breaker(failure.endpoint, failure.host).would_allow():
            return "circuit open"
        if self.retries < 1:
            return "no retries are configured"
        return self.fetcher.cannot_ask_again(case.call)

    async def apply(self, case: FailedCall, deadline: Deadline) -> Response:
        failure, tried = case.failure, "no time for a retry"
        hop = Hop(host=failure.host, fresh=True)
        for attempt in range(1 if diagnose(failure).code in LOOK_AGAIN else self.retries):
            delay = self._delay(failure, attempt)
            if delay >= self.fetcher.time_to_ask(deadline):
                break
            await self.clock.sleep(delay)
            try:
                return await self.fetcher.ask_again(case.call, deadline, hop)
            except AskedInVain as again:
                failure, tried = again.failure, f"again: {again}"
            if failure.refused or diagnose(failure).code not in PASSING | THROTTLES:
                break  # to ask once more would bring the same
        raise CannotHeal(tried)

    def _delay(self, failure: Failure, attempt: int) -> float:
        """Never less than the source itself says."""
        floor = failure.retry_after or 0.0
        if diagnose(failure).code in THROTTLES:
            return self.backoff.equal_jitter(attempt, self.rng, floor=floor)
        return max(floor, self.backoff.full_jitter(attempt, self.rng))


@dataclass(frozen=True, kw_only=True)
class UseCachedData:
    """Answer with the last good copy, if its age is honest; or with old data that the source just gave."""

    name: ClassVar[str] = "use_cached_data"
    levels: ClassVar[frozenset[Fidelity]] = frozenset({Fidelity.EXACT, Fidelity.STALE})
    cost: ClassVar[float] = 0.0

    cache: ResponseCache
    clock: Clock

    def obstacle(self, case: FailedCall) -> str | None:
        return None if self._copies(case) else "no copy inside its windows that the caller allows"

    async def apply(self, case: FailedCall, deadline: Deadline) -> Response:
        copies = self._copies(case)
        if not copies:
            raise CannotHeal("the copy has gone")
        return min(copies, key=lambda copy: copy.age or 0.0)

    def _copies(self, case: FailedCall) -> list[Response]:
        policy = case.call.policy
        found = [self.cache.last_good(case.call), self._old_answer(case)]
        return [
            copy
            for copy in found
            if copy and policy.allows(copy.fidelity) and policy.allows_age(copy.age or 0.0)
        ]

    def _old_answer(self, case: FailedCall) -> Response | None:
        """The answer that was refused only for its age is still true of its own time."""
        failure, answer = case.failure, case.failure.answer
        as_of = _true_at(case)
        if answer is None or as_of is None:
            return None
        return Response(
            status=answer.status,
            content_type=answer.content_type,
            body=answer.body,
            source=failure.endpoint.source.id,
            host=failure.host,
            fetched_at=self.clock.now(),
            record=failure.record,
            fidelity=Fidelity.STALE,
            age=(self.clock.now() - as_of).total_seconds(),
        )


def _true_at(case: FailedCall) -> datetime | None:
    """When the refused data was true: by its own word, but never later than we saw it first."""
    failure, as_of = case.failure, _as_of(case)
    seen_first = failure.finding.true_at if failure.finding else None
    return min(as_of, seen_first) if as_of and seen_first else as_of


def _as_of(case: FailedCall) -> datetime | None:
    record, params, seen = case.failure.record, case.call.params, case.failure.observed_at
    match record:
        case Quote() | Rates():
            return record.as_of
        case Bars():
            return max(row.t for row in record.rows)
        case Series() | Description() if record.published and speaks_of_the_past(
            record.published, params, seen
        ):
            return midnight(record.published)
        case Series():
            return midnight(max(day for day, _ in record.observations))
        case _:
            return None


@dataclass(frozen=True, kw_only=True)
class RotateApiKey:
    """Ask the same host with the next key that is fit."""

    name: ClassVar[str] = "rotate_api_key"
    levels: ClassVar[frozenset[Fidelity]] = frozenset({Fidelity.EXACT})
    cost: ClassVar[float] = 0.3

    fetcher: Fetcher

    def obstacle(self, case: FailedCall) -> str | None:
        failure = case.failure
        limits = self.fetcher.admission.limits(failure.endpoint.source)
        if diagnose(failure).code not in KEY_CODES:
            return "not a fault of the key"
        if failure.key_alias is None or not limits.keys.can_rotate(failure.endpoint.name, failure.key_alias):
            return "no other key may be used now"
        return self.fetcher.cannot_ask_again(case.call)

    async def apply(self, case: FailedCall, deadline: Deadline) -> Response:
        hop = Hop(host=case.failure.host, avoid_key=case.failure.key_alias)
        return await self.fetcher.ask_again(case.call, deadline, hop)


#: A smaller question by source, or a plan of pages; see `reduction`.
Reduce = Callable[[FailedCall], "Reduction | None"]


@dataclass(frozen=True, slots=True)
class Reduction:
    """Smaller questions whose answers make up the whole, or one that brings less."""

    questions: tuple[dict[str, str], ...]
    join: Callable[[list[bytes]], bytes] | None  #: None: less than was asked for


@dataclass(frozen=True, kw_only=True)
class ReduceRequestSize:
    """Ask for the same in pages (exact), or for less of it (reduced, marked as truncated)."""

    name: ClassVar[str] = "reduce_request_size"
    levels: ClassVar[frozenset[Fidelity]] = frozenset({Fidelity.EXACT, Fidelity.REDUCED})
    cost: ClassVar[float] = 1.0

    fetcher: Fetcher
    stitch: Reduce
    shrink: Reduce

    def obstacle(self, case: FailedCall) -> str | None:
        if case.failure.refused:
            return f"no call is made: {case.failure.message}"
        if not self._plans(case):
            return "needs a limit above 10 or a range to halve, and leave to do so"
        return self.fetcher.cannot_ask_again(case.call)

    async def apply(self, case: FailedCall, deadline: Deadline) -> Response:
        setback = "no plan"
        for plan in self._plans(case):
            try:
                return await self._carry_out(plan, case, deadline)
            except CannotHeal as again:
                setback = f"smaller request: {again}"
        raise CannotHeal(setback)

    def _plans(self, case: FailedCall) -> list[Reduction]:
        allows = case.call.policy.allows
        plans = [
            self.stitch(case) if allows(Fidelity.EXACT) else None,
            self.shrink(case) if allows(Fidelity.REDUCED) else None,
        ]
        return [plan for plan in plans if plan]

    async def _carry_out(self, plan: Reduction, case: FailedCall, deadline: Deadline) -> Response:
        pages: list[Response] = []
        for question in plan.questions:
            page = replace(case.call, params=question)
            pages.append(await self.fetcher.ask_again(page, deadline, Hop(host=case.failure.host)))
        if plan.join is None:
            return replace(pages[0], fidelity=Fidelity.REDUCED, truncated=True)
        bodies = [page.body for page in pages]
        whole = await aside(sum(map(len, bodies)), plan.join, bodies)
        return await self.fetcher.rejudged(case.call, pages[0], whole)
