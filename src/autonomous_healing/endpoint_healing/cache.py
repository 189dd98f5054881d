"""The last good copy of every answer: for those who ask again at once, and for the hour without a source."""

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from zlib import crc32

from autonomous_healing.endpoint_healing.caching.directives import answer_directives
from autonomous_healing.endpoint_healing.call import Call, Response
from autonomous_healing.endpoint_healing.endpoints import DataKind
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.endpoint_healing.freshness import MarketHours
from autonomous_healing.endpoint_healing.options import CacheSettings
from autonomous_healing.endpoint_healing.records import Description, Series
from autonomous_healing.resilience import Clock
from autonomous_healing.wire import Answer, AnswerHead

#: Kinds whose data does not change while the exchange is closed, so that no copy of it ages then.
OF_EXCHANGES = frozenset({DataKind.QUOTE, DataKind.INTRADAY, DataKind.DAILY})

#: What a 304 does not say of the answer that it stands for (RFC 9111, section 3.2).
KEPT_BY_304 = frozenset({"content-encoding", "content-length", "content-range", "content-type"})

#: No answer counts as older, whatever caches on the way say, in seconds (RFC 9111, section 1.2.2).
OLDEST = 2.0**31

#: Seconds after which the second layer is asked again for what it did not give: it may have been too busy.
LOOK_AGAIN = 1.0

#: A copy asked for so often in its lifetime is fetched anew before it is over.
POPULAR = 3

#: Share of a lifetime after which that is done.
NEARLY_OVER = 0.9


@dataclass(slots=True)
class Copy:
    """One answer that was judged good, and how it looked on the wire."""

    place: str  #: of the endpoint
    response: Response
    kind: DataKind
    kept_at: float  #: monotonic seconds at which it was true at its source
    fresh: float  #: seconds from then on in which it is the answer itself
    while_revalidate: float  #: seconds after that in which it may be given while a new one is fetched
    if_error: float  #: seconds after its freshness in which it may heal
    condition: bytes = b""  #: the line by which its source may say that it still holds
    judged_at: float = 0.0  #: monotonic seconds
    told: tuple[bytes, ...] = ()  #: what of its head matters, as it came
    came: Answer | None = None  #: as it came, its body perhaps compressed
    head: bytes = b""  #: ready for callers who get it unchanged
    hits: int = 0  #: callers since it was kept who got it without asking the source
    aged_head: bytes = b""  #: `head` with the age that it has in `aged_at`
    aged_at: int | None = None  #: whole seconds of age, below 0 for one that is not fresh any more
    weight: int = 0  #: bytes that were counted for it
    series: str = ""  #: that it is of, where its publisher revises series
    published: date | None = None  #: the day of which the publisher speaks
    answers: bool = True  #: by itself, while it is fresh
    shared: bool = True  #: those who asked at the same time may have it, too
    strict: bool = False  #: once it is not fresh any more, its source must be asked
    doubted: bool = False  #: it turned out older than it looked: it may only heal
    still: tuple[AnswerHead, Answer] | None = None  #: the last 304, and what it stood for

    @property
    def held(self) -> int:
        """Bytes in memory."""
        came = self.came
        compressed = came is not None and came.body is not self.response.body
        return len(self.response.body) + (len(came.body) if came and compressed else 0)

    def reused(self, age: float) -> Response:
        """The answer of this age, given without its source being asked."""
        level = Fidelity.EXACT if age <= self.fresh else Fidelity.STALE
        return replace(self.response, age=age, ttl=self.fresh - age, fidelity=level)

    def is_meant_by(self, etag: str | None) -> bool:
        """Whether a 304 speaks of this answer, and not of another version (RFC 9111, section 4.3.4)."""
        own = self.response.headers.get("etag")
        return etag is None or own is None or etag.removeprefix("W/") == own.removeprefix("W/")

    def unchanged(self, said: Mapping[str, str]) -> dict[str, str]:
        """The fields of the answer that still holds, as a 304 updates them (RFC 9111, section 3.2)."""
        newer = {name: value for name, value in said.items() if name not in KEPT_BY_304}
        return {"content-type": self.response.content_type, **self.response.headers, **newer}

    def doubt(self) -> None:
        """From now on it only heals, and the same bytes make it young no more."""
        self.doubted, self.answers, self.condition = True, False, b""
        self.came, self.head, self.still = None, b"", None


class ResponseCache:
    """Validated answers of full fidelity, bounded by count and bytes; the least recently used goes first."""

    def __init__(self, settings: CacheSettings, clock: Clock, hours: MarketHours | None = None) -> None:
        """`hours`: of the exchange; without them all time counts."""
        self._settings = settings
        self._clock = clock
        self._hours = hours
        self._copies: OrderedDict[str, Copy] = OrderedDict()
        self._of_series: dict[str, set[str]] = {}
        self.bytes_held = 0
        self.hits = self.stale_hits = self.stored = self.confirmed = 0  #: since the start
        self.coalesces = settings.coalesce
        self.prefetches = settings.prefetch and settings.serve_fresh
        self.has_second_layer = False
        self._looked: OrderedDict[str, float] = OrderedDict()  #: monotonic seconds
        self._voided_at = -math.inf  #: monotonic seconds: nothing that was asked for before is kept
        self.kept: Callable[[str, Copy], None] = lambda resource, copy: None  #: told of new and changed ones
        self.revised: Callable[[str], None] = lambda resource: None  #: told what its publisher took back

    def __len__(self) -> int:
        return len(self._copies)

    def keep(self, call: Call, response: Response, took: float = 0.0) -> None:
        """Remember a good answer; suspect, aged or unfaithful ones and redirects are not worth keeping.

        Nor is one that its provider forbids to keep. Its age counts from the asking, `took` seconds ago,
        and from what caches on the way say: a slow answer is old when it comes (RFC 9111, section 4.2.3).
        """
        if response.suspect or response.age is not None or response.fidelity is not Fidelity.EXACT:
            return
        if response.status >= 300 or not response.keeping.allowed or call.wishes.no_store:
            return
        if len(response.body) > self._settings.max_body_mb * 1_048_576:
            return
        asked_at = self._clock.monotonic() - took
        if asked_at < self._voided_at:
            return
        made_at = asked_at - min(response.keeping.age, OLDEST)
        copy = self._copy_of(call, response, made_at)
        self.looked(call.resource)
        self._forget_revised(copy)
        self.put(call.resource, copy)
        self.stored += 1
        self.kept(call.resource, copy)

    def put_back(
        self, call: Call, response: Response, *, age: float, doubted: bool, looked_at: float
    ) -> None:
        """A copy from the second layer, which was true so many seconds ago; doubted, it may only heal.

        Not where it was looked for (monotonic seconds) before copies were forgotten, or where newer is known.
        """
        copy = self._copy_of(call, response, self._clock.monotonic() - age)
        if looked_at < self._voided_at or call.resource in self._copies or self._is_revised(copy):
            return
        if doubted:
            copy.doubt()
        self.put(call.resource, copy)

    def must_look(self, resource: str) -> bool:
        """Whether there may be a copy in the second layer of which nothing is known here."""
        if not self.has_second_layer or resource in self._copies:
            return False
        return self._clock.monotonic() - self._looked.get(resource, -math.inf) >= LOOK_AGAIN

    def looked(self, resource: str) -> None:
        """What the second layer knew of it is known here."""
        if self.has_second_layer:
            self._looked[resource] = self._clock.monotonic()
            if len(self._looked) > 2 * self._settings.max_entries:
                self._looked.popitem(last=False)

    def put(self, resource: str, copy: Copy) -> None:
        """In the place of the one before; the least recently used make room."""
        self._drop(resource)
        self._copies[resource] = copy
        if series := copy.series:
            self._of_series.setdefault(series, set()).add(resource)
        self.weigh(copy)
        while len(self._copies) > self._settings.max_entries or self._too_heavy():
            self._drop(next(iter(self._copies)))

    def weigh(self, copy: Copy) -> None:
        """One that is kept holds more or less than before."""
        weight = copy.held
        self.bytes_held += weight - copy.weight
        copy.weight = weight

    def latest(self, resource: str) -> Copy | None:
        """The copy itself, as the most recently used."""
        copy = self._copies.get(resource)
        if copy is not None:
            self._copies.move_to_end(resource)
        return copy

    def has_just_expired(self, copy: Copy, age: float) -> bool:
        """Whether one that is not fresh any more may be given while a new one is fetched."""
        return copy.answers and self.counted(copy, age - copy.fresh) <= copy.while_revalidate

    def reuse(self, call: Call) -> Response | None:
        """What a copy answers without its source being asked, if its caller wants that (RFC 9111, 5.2.1)."""
        wishes, copy = call.wishes, self.latest(call.resource)
        if copy is None or not copy.answers or wishes.no_cache:
            return None
        age = self._clock.monotonic() - copy.kept_at
        left = copy.fresh - age
        too_old = wishes.max_age is not None and age > wishes.max_age
        if too_old or left < wishes.min_fresh - wishes.max_stale:
            return None
        allowed = call.policy.allows(Fidelity.STALE) and call.policy.allows_age(age)
        if left <= 0 and (copy.strict or not (wishes.max_stale and allowed)):
            return None
        copy.hits += 1
        self.hits += left > 0
        self.stale_hits += left <= 0
        return copy.reused(age)

    def counts(self) -> dict[str, int]:
        """What was done since the start, and what is held."""
        return {
            "hit": self.hits,
            "stale": self.stale_hits,
            "stored": self.stored,
            "confirmed": self.confirmed,
        }

    def last_good(self, call: Call) -> Response | None:
        """The copy with its age and its honest level, or None when there is none inside its windows."""
        copy = self.latest(call.resource)
        if copy is None:
            return None
        age = self._clock.monotonic() - copy.kept_at
        if age <= copy.fresh:
            return replace(copy.response, age=age, fidelity=Fidelity.EXACT)
        if self.counted(copy, age - copy.fresh) > copy.if_error:
            return None
        return replace(copy.response, age=age, fidelity=Fidelity.STALE)

    def counted(self, copy: Copy, seconds: float) -> float:
        """Of the last so many seconds, those that count against the windows of a copy."""
        if self._hours is None or copy.kind not in OF_EXCHANGES:
            return seconds
        now = self._clock.now()
        return self._hours.open_seconds(now - timedelta(seconds=seconds), now)

    def named(self, resource: str) -> Copy | None:
        """The copy that a question to its source may name, to be spared a body that has not changed."""
        copy = self._copies.get(resource)
        return copy if copy is not None and copy.condition else None

    def confirm(self, resource: str, crc: int, asked_at: float) -> None:
        """The source has given the same bytes again, where `crc` is that of those we hold."""
        copy = self._copies.get(resource)
        if copy is not None and copy.came is not None and crc32(copy.came.body) == crc:
            copy.kept_at = max(copy.kept_at, asked_at - copy.response.keeping.age)

    def date_back(self, call: Call, age: float) -> None:
        """The copy has turned out to be older than it looked: at least `age` seconds.

        The same bytes must not make it young again.
        """
        if copy := self._copies.get(call.resource):
            copy.kept_at = min(copy.kept_at, self._clock.monotonic() - age)
            copy.doubt()
            self.weigh(copy)
            self.kept(call.resource, copy)

    def forget(self, resource: str) -> bool:
        """Whether there was one. What was asked for before and is still under way is not kept either."""
        self._voided_at = self._clock.monotonic()
        return self._drop(resource)

    def _drop(self, resource: str) -> bool:
        copy = self._copies.pop(resource, None)
        if copy is None:
            return False
        self.bytes_held -= copy.weight
        copy.weight = 0
        self._looked.pop(resource, None)
        if series := copy.series:
            self._of_series[series].discard(resource)
            if not self._of_series[series]:
                del self._of_series[series]
        return True

    def forget_all(self, *, source: str | None = None, place: str | None = None) -> int:
        """As `forget`, those of a source or of one endpoint, or all; how many there were."""
        self._voided_at = self._clock.monotonic()
        gone = [
            resource
            for resource, copy in self._copies.items()
            if (source is None or copy.response.source == source) and (place is None or copy.place == place)
        ]
        for resource in gone:
            self._drop(resource)
        return len(gone)

    def _forget_revised(self, newer: Copy) -> None:
        """A publisher who speaks of a later day may have revised all that it said of a series before."""
        published = newer.published
        if published is None:
            return
        for resource in list(self._of_series.get(newer.series, ())):
            before = self._copies[resource].published
            if before is not None and before < published:
                self._drop(resource)
                self.revised(resource)

    def _is_revised(self, copy: Copy) -> bool:
        """Whether its publisher has spoken of a later day already."""
        others = [self._copies[one].published for one in self._of_series.get(copy.series, ())]
        mine = copy.published
        return mine is not None and any(one is not None and one > mine for one in others)

    def _copy_of(self, call: Call, response: Response, made_at: float) -> Copy:
        lifetimes = self._settings.kinds.of(call.kind)
        said, record = response.keeping, response.record
        edition = record if isinstance(record, Series | Description) else None
        strict = _is_strict(response.headers)
        ours = lifetimes.while_revalidate if call.endpoint.source.while_revalidate and not strict else 0.0
        return Copy(
            call.endpoint.place,
            response,
            call.kind,
            made_at,
            fresh=lifetimes.fresh if said.fresh is None else said.fresh,
            while_revalidate=max(ours, said.while_revalidate),
            if_error=lifetimes.if_error,
            condition=_condition(response.headers),
            series=f"{response.source}/{edition.id}" if edition else "",
            published=edition.published if edition else None,
            answers=self._settings.serve_fresh,
            shared=said.shared and self.coalesces,
            strict=strict,
        )

    def _too_heavy(self) -> bool:
        return self.bytes_held > self._settings.max_mb * 1_048_576


def _is_strict(headers: Mapping[str, str]) -> bool:
    """RFC 9111, section 4.2.4: what forbids to give a copy unasked once it is not fresh any more."""
    rules = answer_directives(headers.get("cache-control", "").encode("latin-1", "replace"))
    return rules.must_revalidate or rules.proxy_revalidate or rules.no_cache or rules.s_maxage is not None


def _condition(headers: Mapping[str, str]) -> bytes:
    """RFC 9110, section 13.1: an entity tag tells more than a date."""
    for name, told in (("if-none-match", "etag"), ("if-modified-since", "last-modified")):
        if said := headers.get(told):
            return f"{name}: {said}\r\n".encode("latin-1", "replace")
    return b""
