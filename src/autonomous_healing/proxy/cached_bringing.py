"""Asking a raw source for what is to be kept, and sharing what it says among all who wait for it."""

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from math import floor

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.caching.answers import read_answer
from autonomous_healing.endpoint_healing.caching.directives import NO_WISHES
from autonomous_healing.endpoint_healing.caching.ranges import is_excessive
from autonomous_healing.endpoint_healing.caching.requests import CacheRequest, is_poisonous
from autonomous_healing.endpoint_healing.caching.reuse import Verdict, decide, may_stand_in
from autonomous_healing.endpoint_healing.caching.shared import SharedCache
from autonomous_healing.endpoint_healing.caching.status import forwarded_status
from autonomous_healing.endpoint_healing.caching.stored import Received, StoredAnswer
from autonomous_healing.endpoint_healing.caching.storing import NotStored, why_not_stored
from autonomous_healing.endpoint_healing.caching.validating import (
    CONDITIONS,
    conditions,
    confirms,
    describes,
)
from autonomous_healing.endpoint_healing.caching.varying import variant_key
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.upstream import Upstream
from autonomous_healing.proxy.cached_answers import give_forwarded, head_with_status, relayed_answer
from autonomous_healing.proxy.cached_fill import Call, Fill, Waiter
from autonomous_healing.proxy.cached_tee import Tee
from autonomous_healing.proxy.passthrough import Passthrough
from autonomous_healing.proxy.passthrough import Windows as HealthWindows
from autonomous_healing.proxy.provenance import refusal
from autonomous_healing.proxy.wire_form import send
from autonomous_healing.resilience import Clock
from autonomous_healing.wire.sweeper import Sweeper

#: Statuses that stand for a failure of the source (RFC 5861, section 4), and for its being too busy.
FAILURES = frozenset({429, 500, 502, 503, 504})

#: Seconds in which nobody waits for the answer to another's request, once one could not be shared: Varnish,
#: hit-for-miss, half of its default; and questions of which that is remembered.
PASS_SECONDS, MOST_PASSES = 60.0, 10_000

#: Seconds between two looks at who has waited for too long.
_SWEEP_SECONDS = 0.05

_RANGE = frozenset({b"range", b"if-range"})


class Bringing(Passthrough):
    """What becomes of the calls for one source; who waits is told by it."""

    def __init__(
        self,
        endpoint: Endpoint,
        upstream: Upstream,
        windows: HealthWindows,
        clock: Clock,
        *,
        deadline: float,
        buffer_bytes: int,
        cache: SharedCache,
    ) -> None:
        super().__init__(endpoint, upstream, windows, clock, deadline=deadline, buffer_bytes=buffer_bytes)
        self.cache = cache
        self._place = endpoint.place
        self._windows = cache.windows_of(endpoint.source)
        self._fills: dict[bytes, Fill] = {}
        self._passes: OrderedDict[bytes, float] = OrderedDict()
        self._sweeper = Sweeper(_SWEEP_SECONDS)

    @abstractmethod
    def resume(self, waiter: Waiter) -> None:
        """It waited for an answer that was not for it, or one is in memory now."""

    # The calls.

    def send(self, fill: Fill, speaker: Waiter) -> Call:
        method = speaker.exchange.request.method if speaker is fill.leader else b"GET"
        head = self._request_head(fill.stored, speaker, method)
        began = self._clock.monotonic()
        call = Call(fill, method, head, speaker.due, self._buffer_bytes, began)
        self._route.connections.ask(call)
        return call

    def watch(self, waiter: Waiter) -> None:
        self._sweeper.watch(waiter)

    def forget(self, waiter: Waiter) -> None:
        self._sweeper.forget(waiter)

    def ended(self, fill: Fill) -> None:
        if fill.key is not None and self._fills.get(fill.key) is fill:
            del self._fills[fill.key]

    def _request_head(self, stored: StoredAnswer | None, speaker: Waiter, method: bytes) -> bytes:
        dropped: frozenset[bytes] = frozenset()
        if stored is not None:
            dropped = CONDITIONS | _RANGE
        elif speaker.asked.range is not None and is_excessive(speaker.asked.range):
            dropped = _RANGE
        relayed = wire.relayed_fields(speaker.exchange.request)
        fields = [one for one in relayed if one[0] not in dropped and not is_poisonous(one[0])]
        if stored is not None:
            fields += conditions(stored)
        target = self._route.prefix.encode() + speaker.target
        return wire.request_bytes(self._route.origin, method, target, fields)

    # What they come to.

    def came(self, fill: Fill, head: wire.AnswerHead, body: bytes) -> None:
        self._count(fill, head.status)
        if head.status == 304 and fill.stored is not None:
            self._confirmed(fill, fill.stored, head)
            return
        failure = head.status in FAILURES
        if failure:
            self._stand_in(fill, head.status)
        if failure and fill.leader is None and not fill.others:
            fill.end()
            return
        outcome = self._keep(fill, head, body)
        if fill.leader is not None:
            self._answer(fill.dismiss(fill.leader), head, body, outcome)
        if not failure or isinstance(outcome, StoredAnswer):
            self._share(fill, outcome)
        elif not fill.ask_again():
            self._give_up(fill, partial(self._refuse_alike, head))

    def begins(self, fill: Fill, head: wire.AnswerHead, flow: wire.Flow) -> Tee | None:
        self._count(fill, head.status)
        reason = self._why_not_kept(fill, head)
        leader = fill.leader
        if reason is not None:
            self._disperse(fill)
            if leader is None:
                return None
        tee = Tee(
            leader.exchange if leader else None,
            flow,
            self.cache.room if reason is None else None,
            whole=partial(self._streamed, fill, head),
            given_up=partial(self._too_large, fill),
        )
        if leader is not None:
            status = forwarded_status(leader.why, collapsed=_collapsed(leader), detail=reason or "")
            fields = relayed_answer(head, self.cache.date())
            leader.exchange.dated = True
            leader.exchange.begin(head_with_status(head.status, fields, head.length, status), head.length)
        return tee

    def failed(self, fill: Fill, error: wire.WireError) -> None:
        self._count(fill, error)
        self._stand_in(fill, None)
        if fill.leader is not None:
            self._refuse(fill.dismiss(fill.leader).exchange, error)
        crowded = error.phase is wire.Phase.WAIT and not error.timed_out
        if crowded or not fill.ask_again():
            self._give_up(fill, lambda exchange: self._refuse(exchange, error))

    def late(self, fill: Fill, waiter: Waiter) -> None:
        if fill.stored is not None and self._may_stand_in(fill.stored, waiter):
            self._give_stale(waiter, fill.stored, None)
        else:
            self._refuse(
                waiter.exchange, wire.WireError(wire.Phase.WAIT, "no answer in time", timed_out=True)
            )

    def _confirmed(self, fill: Fill, stored: StoredAnswer, head: wire.AnswerHead) -> None:
        """It still holds, unless the source speaks of another answer than ours."""
        if not confirms(stored, head.fields):
            self.cache.drop(stored)
            fill.stored = None
            fill.ask()
            return
        asked = _speaker(fill).asked
        self.cache.confirm(asked, stored, self._received(fill, head, b""), self._windows)
        if fill.leader is not None:
            leader = fill.dismiss(fill.leader)
            self._give(leader, stored, status=304, stored_now=True, collapsed=_collapsed(leader))
        self._share(fill, stored)

    def _keep(self, fill: Fill, head: wire.AnswerHead, body: bytes) -> StoredAnswer | NotStored:
        asked, received = _speaker(fill).asked, self._received(fill, head, body)
        if asked.method == b"HEAD":
            self._learn_of_body(fill.stored, asked, received, head.length)
            return NotStored.METHOD
        outcome = self.cache.keep(self._place, asked, received, self._windows)
        superseded = isinstance(outcome, NotStored) and head.status not in FAILURES
        if fill.stored is not None and superseded:
            self.cache.drop(fill.stored)  # there is a newer one, and it is not for us
        return outcome

    def _learn_of_body(
        self, stored: StoredAnswer | None, asked: CacheRequest, received: Received, length: int | None
    ) -> None:
        """The answer to a HEAD tells whether a stored one still holds (RFC 9111, section 4.3.5)."""
        if stored is None or received.status != stored.status:
            return
        if describes(stored, received.fields, length):
            self.cache.confirm(asked, stored, received, self._windows)
        else:
            self.cache.drop(stored)

    def _received(self, fill: Fill, head: wire.AnswerHead, body: bytes) -> Received:
        now, date = self._clock.monotonic(), self.cache.date()
        took = now - fill.call.began if fill.call is not None else 0.0
        fields = relayed_answer(head, date)
        return Received(status=head.status, fields=fields, body=body, at=now, took=took, date=date)

    def _why_not_kept(self, fill: Fill, head: wire.AnswerHead) -> NotStored | None:
        """Of an answer that streams."""
        facts = read_answer(head.status, head.fields, self.cache.date())
        if (head.length or 0) > self.cache.bounds.longest_body:
            return NotStored.TOO_LARGE
        return why_not_stored(_speaker(fill).asked, facts, window=self._windows.if_error)

    def _streamed(self, fill: Fill, head: wire.AnswerHead, body: bytes | None) -> None:
        fill.tee = None
        if body is None:
            fill.end()
            return
        outcome = self._keep(fill, head, body)
        if fill.leader is not None:
            fill.dismiss(fill.leader)
        self._share(fill, outcome)

    def _too_large(self, fill: Fill) -> None:
        self._disperse(fill)
        if fill.leader is None:
            fill.end()

    # Who gets them.

    def _share(self, fill: Fill, outcome: StoredAnswer | NotStored) -> None:
        """With those for whom it is good enough; all others go on by themselves. Ends the fill."""
        others = fill.dismiss_others()
        fill.end()
        now = self._clock.monotonic()
        usable = (
            isinstance(outcome, StoredAnswer) and decide(outcome, now, NO_WISHES).verdict is Verdict.FRESH
        )
        for key in {one.asked.key for one in (*others, fill.speaker) if one}:
            self._remember_pass(key, now, passed=not usable)
        for waiter in others:
            if isinstance(outcome, StoredAnswer) and self._is_for(waiter, outcome, now):
                self.cache.counts.collapsed += 1
                self._give(waiter, outcome, collapsed=True)
            else:
                waiter.turns += 1
                self.resume(waiter)

    def _disperse(self, fill: Fill) -> None:
        """The others are not to get this answer, nor those to come."""
        if fill.key is not None:
            self.ended(fill)
        now = self._clock.monotonic()
        for waiter in fill.dismiss_others():
            self._remember_pass(waiter.asked.key, now, passed=True)
            waiter.turns += 1
            self.resume(waiter)

    def part_from(self, resource: bytes) -> None:
        """It has changed: whoever asks from now on does not wait for an answer to an earlier question."""
        for fill in list(self._fills.values()):
            if fill.speaker is not None and fill.speaker.asked.key == resource:
                self.ended(fill)

    def _give_up(self, fill: Fill, refuse: Callable[[wire.Exchange], None]) -> None:
        for waiter in fill.dismiss_others():
            refuse(waiter.exchange)
        fill.end()

    def _refuse_alike(self, head: wire.AnswerHead, exchange: wire.Exchange) -> None:
        """As the source has refused others who asked the same."""
        wait = head.first(b"retry-after") or b"1"
        detail = f"{self.source} answered so to others who asked the same"
        reply = refusal(head.status, HTTPStatus(head.status).phrase, detail)
        reply.headers["Retry-After"] = wait.decode("latin-1")
        send(exchange, reply)

    def _stand_in(self, fill: Fill, status: int | None) -> None:
        """Give the stored answer to all who may have it although it is over. `status`: of the source."""
        stored = fill.stored
        if stored is not None:
            for waiter in [one for one in fill.waiting if self._may_stand_in(stored, one)]:
                self._give_stale(fill.dismiss(waiter), stored, status)

    def _may_stand_in(self, stored: StoredAnswer, waiter: Waiter) -> bool:
        return may_stand_in(stored, self._clock.monotonic(), waiter.asked.wishes, self._windows)

    def _give_stale(self, waiter: Waiter, stored: StoredAnswer, status: int | None) -> None:
        self.cache.counts.stale += 1
        self._give(waiter, stored, status=status, detail="stale-if-error")

    def _give(
        self,
        waiter: Waiter,
        stored: StoredAnswer,
        *,
        status: int | None = None,
        stored_now: bool = False,
        collapsed: bool | None = None,
        detail: str = "",
    ) -> None:
        now = self._clock.monotonic()
        said = forwarded_status(
            waiter.why,
            status=status,
            ttl=floor(stored.lifetime - stored.age(now)),
            stored=stored_now,
            collapsed=collapsed,
            detail=detail,
        )
        give_forwarded(waiter.exchange, waiter.asked, stored, said, now, self.cache.date())

    def _answer(
        self, leader: Waiter, head: wire.AnswerHead, body: bytes, outcome: StoredAnswer | NotStored
    ) -> None:
        """What the source said, to the one in whose name it was asked."""
        stored = outcome if isinstance(outcome, StoredAnswer) else None
        if stored is not None and not leader.asked.plain and (leader.asked.conditional or leader.asked.range):
            self._give(leader, stored, stored_now=True, collapsed=_collapsed(leader))
            return
        said = forwarded_status(
            leader.why,
            ttl=floor(stored.lifetime - stored.initial_age) if stored else None,
            stored=stored is not None,
            collapsed=_collapsed(leader),
            detail="" if stored else str(outcome),
        )
        fields = relayed_answer(head, self.cache.date())
        length: int | None = len(body)
        if head.status in (204, 304):
            length = None
        elif leader.asked.method == b"HEAD":
            length = head.length
        leader.exchange.dated = True
        leader.exchange.respond(head_with_status(head.status, fields, length, said), body)

    def _is_for(self, waiter: Waiter, stored: StoredAnswer, now: float) -> bool:
        asked = waiter.asked
        chosen = variant_key(asked.key, stored.varies, asked.fields)
        return chosen == stored.key and decide(stored, now, asked.wishes).verdict is Verdict.FRESH

    def _is_passed(self, key: bytes) -> bool:
        """Whether answers to it could not be shared lately."""
        until = self._passes.get(key)
        return until is not None and until > self._clock.monotonic()

    def _remember_pass(self, key: bytes, now: float, *, passed: bool) -> None:
        if not passed:
            self._passes.pop(key, None)
            return
        self._passes[key] = now + PASS_SECONDS
        self._passes.move_to_end(key)
        if len(self._passes) > MOST_PASSES:
            self._passes.popitem(last=False)

    def _count(self, fill: Fill, ending: wire.Ending) -> None:
        if fill.call is not None:
            self.count(fill.call.began, ending)


def _speaker(fill: Fill) -> Waiter:
    if fill.speaker is None:
        raise RuntimeError("an answer to what nobody asked")
    return fill.speaker


def _collapsed(waiter: Waiter) -> bool | None:
    """Whether it waited for another's answer in vain, before it was asked for itself."""
    return False if waiter.turns else None
