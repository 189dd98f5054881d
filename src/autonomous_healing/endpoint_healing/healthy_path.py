"""The first attempt at a question, and the cheap look that tells a plainly good answer from all others.

Nothing here waits, logs or makes a task. Whatever is not plain is left to `Fetcher` and `EndpointHealer`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.cache import NEARLY_OVER, POPULAR, Copy, ResponseCache
from autonomous_healing.endpoint_healing.call import Call, Response
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.fetch import Fetcher, Sent
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.endpoint_healing.keys import Key, NoKey
from autonomous_healing.endpoint_healing.observations import Observations, Target, Timing, bucket_of
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quota import QuotaSpent, Weight
from autonomous_healing.endpoint_healing.relaying import RELAYED
from autonomous_healing.endpoint_healing.upstream import Route, Unanswered, Upstream, read
from autonomous_healing.resilience import Clock

#: Seconds for which the same bytes need no second verdict: what was fresh may since have become old.
VERDICT_LASTS = 1.0

#: Two healings of one question within so many seconds are a crowd.
CROWDED = 0.05

#: Larger answers are judged beside the event loop: it would wait for some milliseconds.
JUDGED_AT_ONCE = 131_072

#: Fields of an answer's head that may change what callers are told, or how long it may be kept.
_TELLING = frozenset(name.encode() for name in RELAYED) | {
    b"content-type",
    b"content-encoding",
    b"age",
    b"vary",
}

#: How the names of some fields begin that speak of limits; those of all others hold the word.
_CREDITS = b"api-credits-"

#: Stands for the key of a source that wants none.
KEYLESS = Key("", "")

_OPENING, _CLOSING = b"{[", b"}]"


class Leader(Protocol):
    """An attempt under way."""

    @property
    def is_live(self) -> bool:
        """Whether something may still come of it."""

    def joined_by(self, exchange: wire.Exchange) -> bool:
        """Whether one more client waits for what comes of it."""


@dataclass(slots=True)
class Question:
    """What a path asks for, worked out once for all who ask the same."""

    endpoint: Endpoint
    params: Mapping[str, str]
    resource: str
    target: Target
    route: Route
    weight: Weight = 1  #: what it costs of its source's quota
    heads: dict[Key, bytes] = field(default_factory=dict)  #: of the request upstream, without its end, by key
    healed: "Healed | None" = None  #: what the last healing brought, while it holds
    healed_at: float = -math.inf  #: monotonic seconds, of the last healing
    others: "tuple[Question, ...] | None" = None  #: the same at the source's other hosts, once needed
    leader: "Leader | None" = None  #: the attempt that is under way for it
    looked: bool = False  #: the second layer of copies was asked
    alone: bool = False  #: its last answer was not to be shared: all who ask ask for themselves


@dataclass(frozen=True, slots=True)
class Healed:
    """A healing from a copy, ready for the next who ask the same."""

    head: bytes
    body: bytes
    felt: str
    until: float  #: monotonic seconds


class HealthyPath:
    """Synchronous: admits, sends, looks, notes."""

    def __init__(
        self,
        fetcher: Fetcher,
        upstream: Upstream,
        cache: ResponseCache,
        observations: Observations,
        clock: Clock,
    ) -> None:
        self.observations = observations
        self.clock = clock
        self._fetcher = fetcher
        fetcher.catch_up = self.count
        self._admission = fetcher.admission
        self._upstream = upstream
        self._cache = cache
        self._targets: dict[tuple[str, str], Target] = {}
        self._asked_alone = not cache.coalesces

    def question(self, endpoint: Endpoint, params: Mapping[str, str], host: str | None = None) -> Question:
        """May be asked any number of times; of the source's first host unless another is named."""
        host = host or endpoint.source.hosts[0]
        return Question(
            endpoint,
            params,
            endpoint.resource(params),
            self._target(endpoint, host),
            self._upstream.route(endpoint.source, host),
            self._admission.limits(endpoint.source).ledger.weight(endpoint.name, params),
            alone=self._asked_alone,
        )

    def others(self, question: Question) -> tuple[Question, ...]:
        """The same question at other hosts, while the circuit of the first is open, or its quota spent.

        None of them once that one may be tried again: the ordinary path does it, with one request.
        """
        target, endpoint = question.target, question.endpoint
        rests = self._admission.limits(endpoint.source).ledger.rests(target.host)
        if (target.breaker.is_closed or target.breaker.would_allow()) and not rests:
            return ()
        if question.others is None:
            hosts = endpoint.source.hosts[1:]
            question.others = tuple(self.question(endpoint, question.params, host) for host in hosts)
        return question.others

    def admit(self, question: Question, purpose: Purpose = Purpose.FIRST) -> Key | None:
        """The key to ask with; None where something stands in the way: the ordinary path finds out what."""
        target = question.target
        if not (target.breaker.is_steady and target.flow.has_room()):
            return None
        name, weight = question.endpoint.name, question.weight
        try:
            key = target.limits.take(name, weight=weight, purpose=purpose, host=target.host)
        except (NoKey, QuotaSpent):
            return None
        return key or KEYLESS

    def request(self, question: Question, key: Key, more: bytes) -> bytes:
        """The request as it is sent; `more`: whole lines that this caller adds."""
        head = question.heads.get(key)
        if head is None:
            endpoint, secret = question.endpoint, key.secret or None
            path, fields = endpoint.upstream_path(question.params, secret), endpoint.key_headers(secret)
            head = question.heads[key] = self._upstream.request_head(question.route, path, fields)[:-2]
        return b"%b%b\r\n" % (head, more)

    def copy(self, question: Question) -> Copy | None:
        """What is kept of it, fresh or not."""
        return self._cache.latest(question.resource)

    def reuse(self, question: Question, copy: Copy) -> None:
        """It answers one more caller, being fresh."""
        copy.hits += 1
        self._cache.hits += 1
        self.observations.note_reused(question.target)

    def may_begin(self, question: Question) -> bool:
        """Whether no copy is to be looked for any more before its source is asked; that takes a while."""
        if not question.looked:
            question.looked = not self._cache.must_look(question.resource)
        return question.looked

    def has_just_expired(self, copy: Copy, age: float) -> bool:
        """Whether it may answer, as stale, while a new one is fetched."""
        return self._cache.has_just_expired(copy, age)

    def reuse_stale(self, question: Question) -> None:
        """An expired copy answers one more caller."""
        self._cache.stale_hits += 1
        self.observations.note_repeated(question.target, Fidelity.STALE.word)

    def nearly_over(self, copy: Copy, age: float) -> bool:
        """Whether to fetch anew what is asked for often, so that nobody need wait for it."""
        return copy.hits >= POPULAR and age >= NEARLY_OVER * copy.fresh and self._cache.prefetches

    def shares(self, response: Response) -> bool:
        """Whether those who asked at the same time may have it, too (RFC 9111, section 4)."""
        return response.keeping.shared and not self._asked_alone

    def unchanged(self, copy: Copy, answer: wire.Answer) -> wire.Answer | None:
        """What a 304 stands for: the kept answer as if it had come whole; made once for each head.

        None where it speaks of another version.
        """
        etag = answer.head.first(b"etag")
        if not copy.is_meant_by(etag.decode("latin-1") if etag is not None else None):
            return None
        self._cache.confirmed += 1
        if copy.still is not None and copy.still[0] is answer.head:
            return copy.still[1]
        said = {name.decode(): value.decode("latin-1") for name, value in answer.head.fields}
        fields = [(n.encode(), v.encode("latin-1", "replace")) for n, v in copy.unchanged(said).items()]
        head = wire.AnswerHead(1, fields, None, False, frozenset(), True, 200)
        whole = wire.Answer(head, copy.response.body)
        copy.still = answer.head, whole
        return whole

    def learn(self, question: Question, key: Key, head: wire.AnswerHead) -> None:
        """What a head says of limits, where it says anything."""
        limits = _notes(head).limits
        if limits:
            self.learned(question.endpoint, key.alias, limits)

    def learned(self, endpoint: Endpoint, alias: str, limits: Mapping[str, str]) -> None:
        """Fields of an answer's head that may speak of limits; names in lower case."""
        self._admission.limits(endpoint.source).ledger.learn(alias, limits, self.clock.now())

    def known(self, question: Question, answer: wire.Answer, start: float, now: float) -> Copy | None:
        """The kept copy, if this answer, asked for at `start`, is the same again and was judged just now."""
        copy = self._cache.latest(question.resource)
        if copy is None or copy.came is None or answer.head.status != 200 or copy.came.body != answer.body:
            return None
        if now - copy.judged_at > VERDICT_LASTS or copy.told != telling(answer.head):
            return None
        copy.kept_at = max(copy.kept_at, start - copy.response.keeping.age)
        return copy

    def judged(self, call: Call, sent: Sent, answer: wire.Answer) -> Response | None:
        """The answer if a full look finds it good; None where it does not, or where that would take long."""
        if answer.head.status != 200 or not self._looks_well(answer):
            return None
        try:
            plain = read(answer, JUDGED_AT_ONCE)
        except Unanswered:
            return None
        response = self._fetcher.judge_now(call, sent, plain)
        if response is not None:
            self._cache.keep(call, response, took=self.clock.monotonic() - sent.start)
        return response

    def remember(self, question: Question, answer: wire.Answer, response: Response, head: bytes) -> None:
        """How the copy of this answer looks to callers, so that the same bytes need no further look."""
        copy = self._cache.latest(question.resource)
        if copy is not None and copy.response is response:
            copy.judged_at = self.clock.monotonic()
            copy.told, copy.came, copy.head = telling(answer.head), answer, head
            self._cache.weigh(copy)

    def healed(self, question: Question) -> Healed | None:
        """What was healed a moment ago, for one more caller; where nothing stands in the way, ask instead."""
        healed = question.healed
        if healed is None:
            return None
        if self.clock.monotonic() >= healed.until:
            question.healed = None
            return None
        self.observations.note_repeated(question.target, healed.felt)
        return healed

    def keep_healed(self, question: Question, healed: Healed) -> None:
        """Where healings of one question crowd, each may serve those behind it; otherwise each heals anew."""
        now = self.clock.monotonic()
        if now - question.healed_at < CROWDED:
            question.healed = healed
        question.healed_at = now

    def note(self, question: Question, seconds: float) -> None:
        """A good answer, to be counted soon."""
        self.observations.note(question.target, seconds)

    def count(self) -> None:
        """Count what was noted, and let patience follow what is usual."""
        for target in self.observations.count():
            target.patience = self._fetcher.patience(target.endpoint)
            self._admission.circuits.learn(target.endpoint, target.host, target.window.p95_seconds())

    def count_elsewhere(self, endpoint: Endpoint, seconds: list[float]) -> None:
        """Good answers that another process has had."""
        target = self._target(endpoint, endpoint.source.hosts[0])
        for took in seconds:
            target.histogram[bucket_of(took)] += 1
        self.observations.tell(target, seconds)
        target.patience = self._fetcher.patience(endpoint)
        self._admission.circuits.learn(endpoint, target.host, target.window.p95_seconds())

    def timings(self) -> list[Timing]:
        """How long good answers took, by endpoint, whatever the host."""
        self.count()  # a histogram knows at once what the sum beside it learns with this
        timings: dict[str, Timing] = {}
        for target in self._targets.values():
            timings.setdefault(target.place, Timing(target.endpoint)).add(target)
        return list(timings.values())

    def _target(self, endpoint: Endpoint, host: str) -> Target:
        known = self._targets.get((endpoint.place, host))
        if known is None:
            admission = self._admission
            known = self._targets[endpoint.place, host] = Target(
                endpoint,
                host,
                admission.window(endpoint),
                admission.breaker(endpoint, host),
                admission.limits(endpoint.source),
                self._fetcher.flows.of(endpoint, host),
                self._fetcher.patience(endpoint),
            )
        return known

    @staticmethod
    def _looks_well(answer: wire.Answer) -> bool:
        """Cheap signs of a whole JSON document; a compressed one shows nothing of itself."""
        body = answer.body
        if not body or len(body) > JUDGED_AT_ONCE:
            return False
        if answer.head.first(b"content-encoding") is not None:
            return True
        return body.lstrip()[:1] in _OPENING and body.rstrip()[-1:] in _CLOSING


def telling(head: wire.AnswerHead) -> tuple[bytes, ...]:
    """What of a head matters; worked out once for each head."""
    return _notes(head).told


@dataclass(frozen=True, slots=True)
class _Notes:
    """What was worked out of a head."""

    told: tuple[bytes, ...]
    limits: Mapping[str, str]  #: fields that may speak of limits


def _notes(head: wire.AnswerHead) -> _Notes:
    notes: _Notes | None = head.kept
    if notes is None:
        told = tuple([part for one in head.fields if one[0] in _TELLING for part in one])
        limits = {
            name.decode(): value.decode("latin-1")
            for name, value in head.fields
            if b"limit" in name or name.startswith(_CREDITS)
        }
        notes = head.kept = _Notes(told, limits)
    return notes
