"""Tells people of keys that only they can put right, and of the end of that."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from autonomous_healing.agents.agent import Worker
from autonomous_healing.alerts import AlertLevel, AlertManager, Felt, Telling, TroubleSeen, Truthful
from autonomous_healing.endpoint_healing.endpoints import Source
from autonomous_healing.endpoint_healing.key_keeping import KeyKeeper
from autonomous_healing.endpoint_healing.key_states import is_stored
from autonomous_healing.endpoint_healing.keys import KeyReading, KeyRing, KeyState
from autonomous_healing.endpoint_healing.options import SourceSettings
from autonomous_healing.resilience import Clock

#: Stands for the endpoint of such an alert: it is about the source's keys.
KEYS = "keys"

#: Between two looks, in seconds.
LOOK_SECONDS = 1.0

#: While it lasts it is said again, so that the alert does not end for want of news.
RENEW_SECONDS = 100.0

#: States that a person has to end, or may.
_UNFIT = frozenset({KeyState.INVALID, KeyState.QUARANTINED})


@dataclass(frozen=True, kw_only=True, slots=True)
class KeysSeen:
    """The keys of one source, and where they come from."""

    source: Source
    keys: Sequence[KeyReading]
    locked: Sequence[str] = ()  #: aliases of stored keys that cannot be read
    problem: str = ""  #: why, in words
    variables: Sequence[str] = ()  #: of the environment, that may hold keys


def telling_of(seen: KeysSeen) -> Telling | None:
    """What to say of the keys of one source; None where nobody is needed."""
    unfit = [key for key in seen.keys if key.state in _UNFIT]
    if not unfit and not seen.locked:
        return None
    left, total = len(seen.keys) - len(unfit), len(seen.keys) + len(seen.locked)
    what = "Key unusable" if left else "No key left"
    troubles = [_trouble(key) for key in unfit]
    troubles += [f"{alias} cannot be read: {seen.problem}" for alias in seen.locked]
    return Telling(
        level=AlertLevel.WARNING if left else AlertLevel.CRITICAL,
        title=f"{seen.source.display_name} - {what}",
        message=f"{'; '.join(troubles)}. {left} of {total} keys left.",
        actions=tuple(dict.fromkeys(_actions(seen, unfit))),
    )


def _trouble(key: KeyReading) -> str:
    if key.state is KeyState.QUARANTINED:
        return f"{key.alias} is in quarantine ({key.last_error})"
    return f"{key.alias} was rejected ({key.last_error})"


def _actions(seen: KeysSeen, unfit: Sequence[KeyReading]) -> Iterator[str]:
    source = seen.source
    for key in unfit:
        if key.state is KeyState.QUARANTINED:
            yield f"Put it back when the cause is gone: autonomous-healing key release {source} {key.alias}"
            continue
        yield f"Check at {source.display_name} whether the key is valid"
        if is_stored(key.alias):
            yield f"Replace it: autonomous-healing key rotate {source} {key.alias}"
        else:
            yield f"Replace it: set {' or '.join(seen.variables)} and start again"
            yield f"Or store another: autonomous-healing key add {source}"
    if seen.locked:
        yield "Set ENCRYPTION_KEY to the key by which they were stored, and start again"


class KeyAlert(Worker):
    """One alert for each source, from the first key that is unfit until all are well again."""

    def __init__(
        self, alerts: AlertManager, keeper: KeyKeeper, sources: Mapping[str, SourceSettings], clock: Clock
    ) -> None:
        super().__init__("key_alert", clock)
        self._alerts = alerts
        self._keeper = keeper
        self._sources = sources
        self._told: dict[str, tuple[Telling, float]] = {}

    async def run(self) -> None:
        while True:
            self.look()
            await self._clock.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Say what is new. An alert of before a restart ends here as well."""
        open_for = {alert.source for alert in self._alerts.open() if alert.endpoint == KEYS}
        now = self._clock.monotonic()
        for ring in self._keeper.rings.values():
            source, telling = ring.source, telling_of(self._seen(ring))
            if telling is None:
                self._told.pop(source.id, None)
                if source.id in open_for:
                    self._alerts.truthful(Truthful(source=source.id, endpoint=KEYS, at=self._clock.now()))
                continue
            said, at = self._told.get(source.id, (None, -math.inf))
            if telling != said or now - at >= RENEW_SECONDS:
                self._alerts.see(_trouble_at(source, telling, self._clock.now()))
                self._told[source.id] = telling, now
        self.succeeded()

    def _seen(self, ring: KeyRing) -> KeysSeen:
        return KeysSeen(
            source=ring.source,
            keys=ring.readings(),
            locked=self._keeper.locked.get(ring.source.id, ()),
            problem=self._keeper.problem,
            variables=self._sources[ring.source.id].keys,
        )


def _trouble_at(source: Source, telling: Telling, at: datetime) -> TroubleSeen:
    return TroubleSeen(
        source=source.id,
        source_name=source.display_name,
        endpoint=KEYS,
        code="KEY.UNUSABLE",
        cluster=f"KEY.UNUSABLE:{source.id}",
        health_status="unknown",
        error_rate=None,
        felt=Felt(),
        healed=False,
        attempted=False,
        strategy=None,
        tried=(),
        message=telling.message,
        origin="live",
        at=at,
        affected_endpoints=(),
        source_endpoints=1,
        telling=telling,
    )
