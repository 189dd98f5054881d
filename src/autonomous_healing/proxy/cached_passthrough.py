"""A raw source behind a shared cache: what is kept answers at once, the rest is asked for and kept."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.caching.directives import NO_WISHES
from autonomous_healing.endpoint_healing.caching.invalidating import changed_targets, changes
from autonomous_healing.endpoint_healing.caching.requests import CacheRequest, read_request, resource_key
from autonomous_healing.endpoint_healing.caching.reuse import ASKED_ANEW, WHILE_REVALIDATE, Verdict, decide
from autonomous_healing.endpoint_healing.caching.rows import CacheRow
from autonomous_healing.endpoint_healing.caching.status import NAME, Forwarded, forwarded_status
from autonomous_healing.endpoint_healing.caching.stored import StoredAnswer
from autonomous_healing.endpoint_healing.caching.varying import variant_key
from autonomous_healing.proxy.cached_answers import give, head_with_status, relayed_answer
from autonomous_healing.proxy.cached_bringing import Bringing
from autonomous_healing.proxy.cached_fill import Fill, Waiter
from autonomous_healing.proxy.provenance import refusal
from autonomous_healing.proxy.wire_form import send

#: Answers that are confirmed behind the back of those who got them, at once at most.
MOST_IN_BACKGROUND = 32

#: Answers in vain after which a request asks by itself.
_MOST_TURNS = 2


class _Around(wire.Relay):
    """A request that goes around the cache, whose answer says so."""

    __slots__ = ("_show",)

    def __init__(
        self,
        exchange: wire.Exchange,
        head: bytes,
        due: float,
        most: int,
        *,
        failed: Callable[[wire.Exchange, wire.WireError], None],
        over: Callable[[wire.Ending], None],
        show: Callable[[wire.AnswerHead, int | None], bytes],
    ) -> None:
        super().__init__(exchange, head, due, most, failed=failed, over=over)
        self._show = show

    def shown(self, head: wire.AnswerHead, length: int | None) -> bytes:
        return self._show(head, length)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a head asks for, worked out once."""

    request: CacheRequest
    target: bytes  #: behind the mount


class CachedPassthrough(Bringing):
    """One raw source, below its mount, and what is kept of it."""

    _in_background = 0

    def handle(self, exchange: wire.Exchange) -> None:
        """Answer one exchange, now or later."""
        known = exchange.request.kept
        if known is not None and known[0] is self:
            self._serve(exchange, known[1])
        else:
            super().handle(exchange)

    def pass_on(self, exchange: wire.Exchange, rest: bytes) -> None:
        if rest == b"*":
            super().pass_on(exchange, rest)
            return
        request = exchange.request
        asked = _Asked(read_request(self.source.id, rest, request), rest)
        request.kept = (self, asked)
        self._serve(exchange, asked)

    def _serve(self, exchange: wire.Exchange, asked: _Asked) -> None:
        request = asked.request
        if not request.cacheable or exchange.body or exchange.upload is not None:
            self._go_around(exchange, asked)
            return
        stored = self.cache.find(request)
        now = self._clock.monotonic()
        decision = decide(stored, now, request.wishes, self._windows)
        if stored is not None and decision is ASKED_ANEW and self._asks_too_often(exchange, stored, now):
            self._hit(exchange, request, stored, now, "asked-too-often")
            return
        match decision.verdict:
            case Verdict.FRESH | Verdict.STALE if stored is not None:
                self._hit(exchange, request, stored, now, decision.why)
                if decision is WHILE_REVALIDATE:
                    self._refresh(exchange, asked, stored)
            case Verdict.GATEWAY_TIMEOUT:
                self._only_if_cached(exchange)
            case _:
                self.cache.counts.misses += stored is None
                self._bring(self._waiter(exchange, asked, self._why(request, stored, decision.why)), stored)

    def resume(self, waiter: Waiter) -> None:
        """Give it what is in memory by now, or have it brought."""
        if waiter.exchange.answered:
            return
        stored, now = self.cache.find(waiter.asked), self._clock.monotonic()
        decision = decide(stored, now, waiter.asked.wishes, self._windows)
        if stored is not None and decision.verdict in (Verdict.FRESH, Verdict.STALE):
            self._hit(waiter.exchange, waiter.asked, stored, now, decision.why)
        else:
            self._bring(waiter, stored)

    def _hit(
        self, exchange: wire.Exchange, request: CacheRequest, stored: StoredAnswer, now: float, detail: str
    ) -> None:
        stored.hits += 1
        if detail:
            self.cache.counts.stale += 1
        else:
            self.cache.counts.hits += 1
        if request.plain:
            exchange.dated = True
            exchange.respond(stored.head(stored.age(now), detail), stored.body)
        else:
            give(exchange, request, stored, now, self.cache.date(), detail)

    def _bring(self, waiter: Waiter, stored: StoredAnswer | None) -> None:
        request = waiter.asked
        if request.wishes.no_store:
            stored = None
        key = None if self._is_alone(waiter, stored) else self._fill_key(request)
        fill = None if key is None else self._fills.get(key)
        if fill is not None:
            fill.join(waiter)
            return
        fill = Fill(self, key, stored)
        if key is not None:
            self._fills[key] = fill
        fill.join(waiter)
        behind = self.cache.behind
        if behind is not None and stored is None and request.may_be_recalled:
            behind.look(request.key, request.fields, partial(self._recalled, fill))
        else:
            fill.ask()

    def _recalled(self, fill: Fill, row: CacheRow | None) -> None:
        """The second layer has said what it has."""
        waiting = fill.waiting
        if fill.over:
            return
        if row is None or self.cache.recall(waiting[0].asked, row) is None:
            fill.ask()
            return
        for waiter in waiting:
            fill.dismiss(waiter)
        fill.end()
        for waiter in waiting:
            self.resume(waiter)

    def _refresh(self, exchange: wire.Exchange, asked: _Asked, stored: StoredAnswer) -> None:
        """Have it confirmed, for those to come."""
        key = self._fill_key(asked.request)
        if key in self._fills or self._in_background >= MOST_IN_BACKGROUND:
            return
        speaker = self._waiter(exchange, asked, Forwarded.STALE)
        self._in_background += 1
        fill = self._fills[key] = Fill(self, key, stored, background=speaker)
        fill.ask()

    def ended(self, fill: Fill) -> None:
        super().ended(fill)
        if fill.over and fill.background is not None:
            self._in_background -= 1

    def _waiter(self, exchange: wire.Exchange, asked: _Asked, why: Forwarded) -> Waiter:
        return Waiter(exchange, asked.request, asked.target, why, self._loop.time() + self._deadline)

    def _is_alone(self, waiter: Waiter, stored: StoredAnswer | None) -> bool:
        """Whether nobody else can be helped by the same call."""
        request = waiter.asked
        if request.method != b"GET" or request.wishes.no_store or waiter.turns > _MOST_TURNS:
            return True
        own = request.conditional or request.range is not None or request.authorised or request.cookie
        return (own and stored is None) or self._is_passed(request.key)

    def _fill_key(self, request: CacheRequest) -> bytes:
        return variant_key(request.key, self.cache.memory.varies(request.key), request.fields)

    def _why(self, request: CacheRequest, stored: StoredAnswer | None, why: str) -> Forwarded:
        if stored is not None:
            return Forwarded.REQUEST if why == "request" else Forwarded.STALE
        return Forwarded.VARY_MISS if self.cache.memory.knows(request.key) else Forwarded.URI_MISS

    def _asks_too_often(self, exchange: wire.Exchange, stored: StoredAnswer, now: float) -> bool:
        """Whether a caller would have what is fresh asked for again and again."""
        fresh = decide(stored, now, NO_WISHES).verdict is Verdict.FRESH
        return fresh and not self.cache.forced.allows(exchange.address, now)

    def _only_if_cached(self, exchange: wire.Exchange) -> None:
        reply = refusal(504, "Gateway Timeout", f"{self.source}: nothing is kept that may be given")
        reply.headers["Cache-Status"] = f"{NAME.decode()}; detail=only-if-cached"
        send(exchange, reply)

    def _go_around(self, exchange: wire.Exchange, asked: _Asked) -> None:
        """Nothing of it is kept; but it may tell that something has changed."""
        method = exchange.request.method
        why = Forwarded.BYPASS if method in (b"GET", b"HEAD") else Forwarded.METHOD
        said = forwarded_status(why)

        def show(head: wire.AnswerHead, length: int | None) -> bytes:
            self._invalidate(method, asked.target, head)
            exchange.dated = True
            return head_with_status(head.status, relayed_answer(head, self.cache.date()), length, said)

        head = wire.relayed_request(exchange, self._route.origin, self._route.prefix.encode() + asked.target)
        over = partial(self.count, self._clock.monotonic())
        due = self._loop.time() + self._deadline
        relay = _Around(exchange, head, due, self._buffer_bytes, failed=self._refuse, over=over, show=show)
        self._route.connections.ask(relay)

    def _invalidate(self, method: bytes, target: bytes, head: wire.AnswerHead) -> None:
        if not changes(method, head.status):
            return
        base = f"{self._route.origin}{self._route.prefix}"
        for changed in changed_targets(target, base, head.fields):
            for authorised in (False, True):
                key = resource_key(self.source.id, changed, authorised=authorised)
                self.cache.forget(key)
                self.part_from(key)
