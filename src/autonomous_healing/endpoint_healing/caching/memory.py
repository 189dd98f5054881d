"""Stored answers in memory: found by what is asked for, bounded by count and bytes."""

from collections import OrderedDict
from dataclasses import dataclass

from autonomous_healing.endpoint_healing.caching.stored import StoredAnswer
from autonomous_healing.endpoint_healing.caching.varying import variant_key
from autonomous_healing.wire.message import Fields

#: Answers to one question at most; the oldest goes first.
MOST_VARIANTS = 32

#: Ways of choosing among them that are looked at; a source has one, and perhaps another after a change.
_MOST_NAMES = 4

#: Seconds after which the body of an answer that is in use is compared with its checksum again.
CHECKED_EVERY = 60.0


@dataclass(slots=True)
class CacheCounts:
    """Since the start."""

    hits: int = 0  #: fresh answers given without asking
    stale: int = 0  #: the same of answers that were over
    misses: int = 0  #: questions to which there was no answer to give
    revalidated: int = 0  #: answers that their source confirmed
    stored: int = 0
    evicted: int = 0  #: to make room
    invalidated: int = 0  #: because of a change at their source
    corrupt: int = 0  #: whose body was no longer what it had been
    collapsed: int = 0  #: requests that shared the call of another


class _Resource:
    """The answers to one question, by the fields that choose among them."""

    __slots__ = ("names", "variants")

    def __init__(self) -> None:
        self.names: list[tuple[bytes, ...]] = []  #: newest first
        self.variants: OrderedDict[bytes, StoredAnswer] = OrderedDict()

    def add_names(self, names: tuple[bytes, ...]) -> None:
        if not names:
            self.names = [names]
        elif self.names[:1] != [names]:
            self.names = [names, *(known for known in self.names if known != names)][:_MOST_NAMES]


class Memory:
    """The least recently used goes first. Knows no time but what it is told."""

    def __init__(self, max_entries: int, max_bytes: int, counts: CacheCounts | None = None) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._resources: OrderedDict[bytes, _Resource] = OrderedDict()
        self.counts = counts or CacheCounts()
        self.bytes_held = 0
        self.entries = 0

    def __len__(self) -> int:
        return self.entries

    def find(self, resource: bytes, request: Fields, now: float) -> StoredAnswer | None:
        """The answer that these fields choose, if its body is what it was; `now` in monotonic seconds."""
        known = self._resources.get(resource)
        if known is None:
            return None
        stored = None
        for names in known.names:
            stored = known.variants.get(variant_key(resource, names, request) if names else resource)
            if stored is not None:
                break
        if stored is None:
            return None
        self._resources.move_to_end(resource)
        if now - stored.checked_at > CHECKED_EVERY:
            stored.checked_at = now
            if not stored.is_whole:
                self.counts.corrupt += 1
                self.forget(stored)
                return None
        return stored

    def knows(self, resource: bytes) -> bool:
        """Whether there is any answer to it."""
        return resource in self._resources

    def varies(self, resource: bytes) -> tuple[bytes, ...]:
        """The fields by which answers to it were chosen lately."""
        known = self._resources.get(resource)
        return known.names[0] if known else ()

    def put(self, stored: StoredAnswer) -> None:
        """In the place of the one that the same fields chose before; of all, where none choose any more."""
        known = self._resources.get(stored.resource)
        if known is None:
            known = self._resources[stored.resource] = _Resource()
        self._resources.move_to_end(stored.resource)
        for key in [stored.key] if stored.varies else list(known.variants):
            self._drop(known, key)
        known.add_names(stored.varies)
        known.variants[stored.key] = stored
        self.bytes_held += stored.size
        self.entries += 1
        while len(known.variants) > MOST_VARIANTS:
            self._evict(known, stored.resource)
        while self.entries > self._max_entries or self.bytes_held > self._max_bytes:
            resource, oldest = next(iter(self._resources.items()))
            self._evict(oldest, resource)

    def weigh(self, stored: StoredAnswer, size_before: int) -> None:
        """One that is held has changed."""
        known = self._resources.get(stored.resource)
        if known is not None and known.variants.get(stored.key) is stored:
            self.bytes_held += stored.size - size_before

    def forget(self, stored: StoredAnswer) -> None:
        """Exactly this one, if it is still held."""
        known = self._resources.get(stored.resource)
        if known is not None and known.variants.get(stored.key) is stored:
            self._drop(known, stored.key)
            if not known.variants:
                del self._resources[stored.resource]

    def forget_all(self, resource: bytes) -> int:
        """All answers to one question; how many there were."""
        known = self._resources.pop(resource, None)
        if known is None:
            return 0
        gone = len(known.variants)
        for key in list(known.variants):
            self._drop(known, key)
        return gone

    def forget_place(self, place: str) -> int:
        """All that is from one endpoint; how many there were."""
        gone = [one for known in self._resources.values() for one in known.variants.values()]
        gone = [one for one in gone if one.place == place]
        for stored in gone:
            self.forget(stored)
        return len(gone)

    def _evict(self, known: _Resource, resource: bytes) -> None:
        self._drop(known, next(iter(known.variants)))
        self.counts.evicted += 1
        if not known.variants:
            del self._resources[resource]

    def _drop(self, known: _Resource, key: bytes) -> None:
        stored = known.variants.pop(key, None)
        if stored is not None:
            self.bytes_held -= stored.size
            self.entries -= 1
