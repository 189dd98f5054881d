"""The last good copy of every answer, for the hour in which the source has none."""

from collections import OrderedDict
from dataclasses import dataclass, replace
from zlib import crc32

from autonomous_healing.endpoint_healing.call import Call, Response
from autonomous_healing.endpoint_healing.endpoints import DataKind
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.endpoint_healing.options import CacheSettings
from autonomous_healing.resilience import Clock


@dataclass(slots=True)
class Copy:
    """One answer that was judged good, and how it looked on the wire."""

    response: Response
    kind: DataKind
    kept_at: float  #: monotonic seconds
    judged_at: float = 0.0  #: monotonic seconds
    told: tuple[bytes, ...] = ()  #: what of its head matters, as it came
    raw: bytes = b""  #: its body as it came, perhaps compressed
    head: bytes = b""  #: ready for callers who get it unchanged


class ResponseCache:
    """Validated answers of full fidelity, bounded by count and bytes; the least recently used goes first."""

    def __init__(self, settings: CacheSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._copies: OrderedDict[str, Copy] = OrderedDict()
        self.bytes_held = 0

    def __len__(self) -> int:
        return len(self._copies)

    def keep(self, call: Call, response: Response, took: float = 0.0) -> None:
        """Remember a good answer; suspect, aged or unfaithful ones and redirects are not worth keeping.

        Nor is one that its provider forbids to keep. Its age counts from the asking, `took` seconds ago,
        and from what caches on the way say: a slow answer is old when it comes (RFC 9111, section 4.2.3).
        """
        if response.suspect or response.age is not None or response.fidelity is not Fidelity.EXACT:
            return
        if response.status >= 300 or not response.keeping.allowed:
            return
        if len(response.body) > self._settings.max_body_mb * 1_048_576:
            return
        self._forget(call.resource)
        made_at = self._clock.monotonic() - took - response.keeping.age
        self._copies[call.resource] = Copy(response, call.kind, made_at)
        self.bytes_held += len(response.body)
        while len(self._copies) > self._settings.max_entries or self._too_heavy():
            self._forget(next(iter(self._copies)))

    def latest(self, resource: str) -> Copy | None:
        """The copy itself, as the most recently used."""
        copy = self._copies.get(resource)
        if copy is not None:
            self._copies.move_to_end(resource)
        return copy

    def last_good(self, call: Call) -> Response | None:
        """The copy with its age and its honest level, or None when there is none inside its windows."""
        copy = self._copies.get(call.resource)
        if copy is None:
            return None
        self._copies.move_to_end(call.resource)
        age = self._clock.monotonic() - copy.kept_at
        lifetimes = self._settings.kinds.of(copy.kind)
        said = copy.response.keeping.fresh
        fresh = lifetimes.fresh if said is None else said
        if age > fresh + lifetimes.if_error:
            return None
        level = Fidelity.EXACT if age <= fresh else Fidelity.STALE
        return replace(copy.response, age=age, fidelity=level)

    def confirm(self, resource: str, crc: int, asked_at: float) -> None:
        """The source has given the same bytes again, where `crc` is that of those we hold."""
        copy = self._copies.get(resource)
        if copy is not None and copy.raw and crc32(copy.raw) == crc:
            copy.kept_at = max(copy.kept_at, asked_at - copy.response.keeping.age)

    def date_back(self, call: Call, age: float) -> None:
        """The copy has turned out to be older than it looked: at least `age` seconds.

        The same bytes must not make it young again.
        """
        if copy := self._copies.get(call.resource):
            copy.kept_at = min(copy.kept_at, self._clock.monotonic() - age)
            copy.raw = copy.head = b""

    def _forget(self, resource: str) -> None:
        if copy := self._copies.pop(resource, None):
            self.bytes_held -= len(copy.response.body)

    def _too_heavy(self) -> bool:
        return self.bytes_held > self._settings.max_mb * 1_048_576
