"""Which endpoints the plan of which key does not cover, and until when that is believed."""

import math
from collections.abc import Mapping


class Plans:
    """Those of one source's keys; times are monotonic seconds."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}

    def __bool__(self) -> bool:
        """Whether any endpoint is excluded."""
        return bool(self._until)

    def exclude(self, alias: str, endpoints: Mapping[str, float]) -> None:
        """Each of these until then."""
        self._until |= {(alias, endpoint): until for endpoint, until in endpoints.items()}

    def cover(self, alias: str, endpoint: str, now: float) -> bool:
        return self._until.get((alias, endpoint), now) <= now

    def excluded(self, alias: str, now: float) -> dict[str, float]:
        """Endpoints that this key's plan does not cover, and for how many seconds more."""
        return {
            endpoint: until - now
            for (one, endpoint), until in self._until.items()
            if one == alias and until > now
        }

    def first_end(self, endpoint: str, now: float) -> float | None:
        """Seconds until some key may be tried there again; None where none is excluded."""
        left = [until - now for (_, name), until in self._until.items() if name == endpoint and until > now]
        return min(left, default=None)

    def forget(self, alias: str) -> None:
        """Another key has that alias from now on, or none."""
        self._until = {place: until for place, until in self._until.items() if place[0] != alias}

    def next_end(self) -> float:
        """The moment from which on an endpoint may be tried again; infinite where none is excluded."""
        return min(self._until.values(), default=math.inf)

    def expire(self, now: float) -> bool:
        """Forget what is over; whether there was any."""
        if now < self.next_end():
            return False
        self._until = {place: until for place, until in self._until.items() if until > now}
        return True
