"""Whether what an alert is about has ended. Knows answers and failures by their times, no alert."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

#: Truthful answers in a row that prove a recovery (spec: alerts, section 3).
ROW = 2


@dataclass(slots=True)
class _Place:
    failed_at: datetime | None = None
    truthful: tuple[datetime, ...] = ()  #: the latest, all of them after the last failure

    @property
    def is_well(self) -> bool:
        return len(self.truthful) >= ROW


class Recovery:
    """The way of an alert's places back to truth; seconds are those of a monotonic clock.

    Facts may come late and out of order: a row of truthful answers counts by their times and not by
    their arrival.
    """

    def __init__(self, places: Iterable[str], now: float) -> None:
        self._places = {place: _Place() for place in places}
        self._last_trouble = now
        self._well_since: float | None = None

    def covers(self, place: str) -> bool:
        return place in self._places

    def include(self, places: Iterable[str]) -> None:
        """These have to recover too."""
        for place in places:
            self._places.setdefault(place, _Place())
        self._look(self._last_trouble)

    def renew(self, now: float) -> None:
        """The fault was seen again."""
        self._last_trouble = now

    def failed(self, place: str, at: datetime, now: float) -> None:
        """Any failure at a covered place breaks its row, also one of another kind."""
        known = self._places[place]
        known.failed_at = max(at, known.failed_at or at)
        known.truthful = tuple(answer for answer in known.truthful if answer > known.failed_at)
        self._look(now)

    def answered(self, place: str, at: datetime, now: float) -> None:
        """A truthful answer, of interest where the alert covers the place; the same moment counts once."""
        known = self._places.get(place)
        if known is None or at in known.truthful or (known.failed_at is not None and at <= known.failed_at):
            return
        known.truthful = tuple(sorted((*known.truthful, at)))[-ROW:]
        self._look(now)

    def well_for(self, now: float) -> float | None:
        """Seconds since the last of its places proved well; None while one has not."""
        return None if self._well_since is None else now - self._well_since

    def absent_for(self, now: float) -> float:
        """Seconds since the fault was last seen."""
        return now - self._last_trouble

    def _look(self, now: float) -> None:
        if not all(place.is_well for place in self._places.values()):
            self._well_since = None
        elif self._well_since is None:
            self._well_since = now
