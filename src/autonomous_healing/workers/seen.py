"""What a worker sees, gathered for the owner, who counts it as its own."""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.healthy_path import Question, telling
from autonomous_healing.endpoint_healing.observations import Observations, Target
from autonomous_healing.resilience import Clock
from autonomous_healing.workers.messages import Again, Kept, Seen

#: Answers of one place that are told at once; an owner who is away for longer hears of no more.
_MOST_SECONDS = 65_536

#: Between two copies of one resource that are sent to the owner, and between two of the same bytes.
EVERY, WHOLE_EVERY = 1.0, 10.0

#: Resources of which it is known what was sent.
_MOST_TOLD = 4096


class Sightings:
    """By place: how long good answers took, and how many failed."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, list[float]] = defaultdict(list)
        self._failed: Counter[str] = Counter()

    def add(self, place: str, seconds: list[float]) -> None:
        """Good answers."""
        known = self._seconds[place]
        known.extend(seconds[: _MOST_SECONDS - len(known)])

    def fail(self, place: str) -> None:
        """One failure."""
        self._failed[place] += 1

    def take(self) -> list[Seen]:
        """Everything since the last time."""
        places = self._seconds.keys() | self._failed.keys()
        seen = [Seen(place, self._seconds.get(place, []), self._failed[place]) for place in sorted(places)]
        self._seconds.clear()
        self._failed.clear()
        return seen


class SharedObservations(Observations):
    """Counted here only for the worker's own patience."""

    def __init__(self, sightings: Sightings) -> None:
        super().__init__()
        self._sightings = sightings

    def tell(self, target: Target, seconds: list[float]) -> None:
        target.window.record_successes(seconds)
        target.flow.record_unasked(seconds)
        self._sightings.add(target.place, seconds)


class Passed:
    """What becomes of one source that is passed through."""

    def __init__(self, place: str, sightings: Sightings) -> None:
        self._place = place
        self._sightings = sightings

    def record_success(self, seconds: float) -> None:
        """One that was answered."""
        self._sightings.add(self._place, [seconds])

    def record_failure(self) -> None:
        """One that was not."""
        self._sightings.fail(self._place)


class PassedWindows:
    """Where sources that are passed through count in a worker."""

    def __init__(self, sightings: Sightings) -> None:
        self._sightings = sightings

    def window(self, endpoint: Endpoint) -> Passed:
        """That of one source."""
        return Passed(endpoint.place, self._sightings)


@dataclass(slots=True)
class _Told:
    crc: int
    head: tuple[bytes, ...]  #: what of it matters, its age among that
    at: float
    whole_at: float


class Copies:
    """Good answers for the owner, which keeps the last one of everything: seldom, and changed ones whole."""

    def __init__(self, send: Callable[[Kept | Again], None], clock: Clock) -> None:
        self._send = send
        self._clock = clock
        self._told: OrderedDict[str, _Told] = OrderedDict()
        self._waiting: dict[str, tuple[Question, wire.Answer, float]] = {}

    def offer(self, question: Question, answer: wire.Answer, asked_at: float) -> None:
        """An answer that was judged good."""
        told = self._told.get(question.resource)
        if told is None or self._clock.monotonic() - told.at >= EVERY:
            self._waiting.pop(question.resource, None)
            self._tell(question, answer, asked_at)
        elif len(self._waiting) < _MOST_TOLD or question.resource in self._waiting:
            self._waiting[question.resource] = (question, answer, asked_at)

    def tell_due(self) -> None:
        """Those that had to wait."""
        edge = self._clock.monotonic() - EVERY
        due = [one for one in self._waiting if one not in self._told or self._told[one].at <= edge]
        for resource in due:
            self._tell(*self._waiting.pop(resource))

    def _tell(self, question: Question, answer: wire.Answer, asked_at: float) -> None:
        now, crc, resource = self._clock.monotonic(), crc32(answer.body), question.resource
        told, head = self._told.pop(resource, None), telling(answer.head)
        same = told is not None and (told.crc, told.head) == (crc, head)
        if told is not None and same and now - told.whole_at < WHOLE_EVERY:
            self._send(Again(resource, crc, asked_at))
        else:
            told = _Told(crc, head, now, now)
            params = dict(question.params)
            self._send(Kept(question.target.place, params, answer.head.fields, answer.body, asked_at))
        told.at = now
        self._told[resource] = told
        if len(self._told) > _MOST_TOLD:
            self._told.popitem(last=False)
