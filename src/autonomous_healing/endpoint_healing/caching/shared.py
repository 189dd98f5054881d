"""The cache as those use it who have sockets: what is kept, confirmed and forgotten, in both layers."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from autonomous_healing.endpoint_healing.caching.answers import read_answer
from autonomous_healing.endpoint_healing.caching.forcing import ForcedRevalidations
from autonomous_healing.endpoint_healing.caching.memory import Memory
from autonomous_healing.endpoint_healing.caching.requests import CacheRequest
from autonomous_healing.endpoint_healing.caching.reuse import NO_WINDOWS, Windows
from autonomous_healing.endpoint_healing.caching.rows import CacheRow, answer_in, row_of
from autonomous_healing.endpoint_healing.caching.stored import Received, StoredAnswer
from autonomous_healing.endpoint_healing.caching.storing import NotStored, is_for_everybody, why_not_stored
from autonomous_healing.endpoint_healing.caching.validating import updated
from autonomous_healing.endpoint_healing.endpoints import Source
from autonomous_healing.resilience import Clock
from autonomous_healing.wire.message import Fields

#: A moment before all others.
NEVER = float("-inf")

#: Changes that are remembered, for answers that were asked for before them and come after them.
_MOST_CHANGES = 10_000

#: Told what the second layer has, or that it has nothing, or not in time.
Found = Callable[[CacheRow | None], None]


class Behind(Protocol):
    """The second layer. It never raises, and never keeps anybody waiting for long."""

    def look(self, resource: bytes, request: Fields, found: Found) -> None:
        """Call `found` once, at once or within a moment."""

    def put(self, row: CacheRow) -> None:
        """Keep it, if there is room."""

    def remove(self, resource: bytes) -> None:
        """All variants of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Of what is kept."""

    entries: int = 10_000
    total_bytes: int = 64 * 1_048_576
    body_bytes: int = 5 * 1_048_576

    @property
    def longest_body(self) -> int:
        """One answer must not drive out all others."""
        return min(self.body_bytes, self.total_bytes // 4)


def _nobody_else(_: bytes) -> None:
    return


class Room:
    """For answers that are put together while they stream."""

    def __init__(self, bounds: Bounds) -> None:
        self._longest = bounds.longest_body
        self._most = bounds.total_bytes // 4
        self.held = 0

    def take(self, more: int, size: int) -> bool:
        """Whether there was room for so many more bytes of one that has so many now; taken in any case."""
        self.held += more
        return size <= self._longest and self.held <= self._most

    def give_back(self, size: int) -> None:
        """One is put together, or given up."""
        self.held -= size


class SharedCache:
    """One for all sources of a process."""

    def __init__(
        self,
        bounds: Bounds,
        clock: Clock,
        behind: Behind | None = None,
        windows: Windows = NO_WINDOWS,
    ) -> None:
        """`windows`: of sources that let answers be given although they are over."""
        self.bounds = bounds
        self.memory = Memory(bounds.entries, bounds.total_bytes)
        self.counts = self.memory.counts
        self.forced = ForcedRevalidations()
        self.room = Room(bounds)
        self.behind = behind
        self._clock = clock
        self._wide_windows = windows
        self.changed: Callable[[bytes], None] = _nobody_else  #: told of each question that is forgotten
        self._changed: OrderedDict[bytes, float] = OrderedDict()  #: when, in monotonic seconds
        self._began = clock.now().timestamp() - clock.monotonic()

    def windows_of(self, source: Source) -> Windows:
        """What its operator lets be given although it is over."""
        wide = self._wide_windows
        return Windows(
            while_revalidate=wide.while_revalidate if source.while_revalidate else 0.0,
            if_error=wide.if_error if source.stale_if_error else 0.0,
        )

    def date(self) -> float:
        """Unix seconds. Of the wall clock and one that has run evenly since the start, the earlier.

        A wall clock that is put forward while we run must not make every answer look old (RFC 9111, 4.2.3).
        """
        return min(self._clock.now().timestamp(), self._began + self._clock.monotonic())

    def find(self, request: CacheRequest) -> StoredAnswer | None:
        """In memory."""
        return self.memory.find(request.key, request.fields, self._clock.monotonic())

    def recall(self, request: CacheRequest, row: CacheRow | None) -> StoredAnswer | None:
        """Take into memory what the second layer has found."""
        now = self._clock.monotonic()
        known = self.memory.find(request.key, request.fields, now)
        if row is None or known is not None:
            return known  # kept meanwhile, so newer
        try:
            stored = answer_in(row, self._clock.now(), now)
        except ValueError:
            self.counts.corrupt += 1
            return None
        self.memory.put(stored)
        return self.memory.find(request.key, request.fields, now)

    def keep(
        self, place: str, request: CacheRequest, received: Received, windows: Windows = NO_WINDOWS
    ) -> StoredAnswer | NotStored:
        """Keep an answer as its source allows, or say why not.

        What is for everybody although it was asked for with credentials, those without them get too.
        """
        facts = read_answer(received.status, received.fields, received.date)
        if reason := why_not_stored(request, facts, window=windows.if_error):
            return reason
        if len(received.body) > self.bounds.longest_body:
            return NotStored.TOO_LARGE
        if self._changed.get(request.key, NEVER) >= received.at - received.took:
            return NotStored.OUTDATED
        private = request.authorised or request.cookie or facts.cookie or request.secret
        keys = {request.key, request.common_key} if is_for_everybody(facts) else {request.key}
        answers = {key: StoredAnswer(place, key, request.fields, received, private=private) for key in keys}
        for stored in answers.values():
            self._put(stored, windows)
        self.counts.stored += 1
        return answers[request.key]

    def confirm(
        self, request: CacheRequest, stored: StoredAnswer, received: Received, windows: Windows = NO_WINDOWS
    ) -> None:
        """Its source says that it still holds: take over the fields and the time of what it said.

        Kept no more where those forbid it, or choose by other fields.
        """
        size, varies = stored.size, stored.varies
        stored.freshened(updated(stored.fields, received.fields), received)
        self.memory.weigh(stored, size)
        self.counts.revalidated += 1
        asked = request if request.method == b"GET" else replace(request, method=b"GET")
        if stored.varies != varies or why_not_stored(asked, stored.facts, window=windows.if_error):
            self.drop(stored)
        elif self.behind is not None and not stored.private:
            self.behind.put(self._row(stored, windows))

    def drop(self, stored: StoredAnswer) -> None:
        """One that its source has superseded by what we do not keep."""
        self.memory.forget(stored)
        if self.behind is not None:
            self.behind.remove(stored.resource)

    def forget(self, resource: bytes) -> None:
        """All answers to one question, wherever they are; other processes hear of it."""
        self.forget_here(resource)
        self.changed(resource)

    def forget_here(self, resource: bytes) -> None:
        """The same, where another process has told us."""
        self.counts.invalidated += self.memory.forget_all(resource)
        self._changed[resource] = self._clock.monotonic()
        self._changed.move_to_end(resource)
        if len(self._changed) > _MOST_CHANGES:
            self._changed.popitem(last=False)
        if self.behind is not None:
            self.behind.remove(resource)

    def _put(self, stored: StoredAnswer, windows: Windows) -> None:
        self.memory.put(stored)
        if self.behind is None:
            return
        if stored.private:
            self.behind.remove(stored.resource)  # what lies there is older
        else:
            self.behind.put(self._row(stored, windows))

    def _row(self, stored: StoredAnswer, windows: Windows) -> CacheRow:
        date = datetime.fromtimestamp(self._clock.now().timestamp(), UTC)
        return row_of(stored, windows.if_error, date, self._clock.monotonic())
