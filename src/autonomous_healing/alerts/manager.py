"""Tells people of troubles, once each, and of their end. Its stages stand where they can be seen."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from autonomous_healing.alerts.alert import Alert, AlertLevel, AlertState
from autonomous_healing.alerts.board import AlertBoard, OpenAlert
from autonomous_healing.alerts.channels import Channel
from autonomous_healing.alerts.draft import opened, places, updated
from autonomous_healing.alerts.facts import TroubleSeen, Truthful
from autonomous_healing.alerts.options import AlertSettings
from autonomous_healing.alerts.policy import Fingerprint, Reason, fingerprint, grade, reason
from autonomous_healing.alerts.recovery import Recovery
from autonomous_healing.resilience import Clock

log = logging.getLogger(__name__)

#: At least so often `sweep` has to be called: what is proven over ends this much before its time is up.
SWEEP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Passage:
    """A trouble on its way through the stages, and what they made of it so far."""

    trouble: TroubleSeen
    belongs_to: Fingerprint
    level: AlertLevel = AlertLevel.INFO
    reason: Reason = Reason.INFO
    alert: Alert | None = None


class AlertManager:
    """One alert for one trouble: opened, raised, resolved, and told by the channels. Nothing here waits.

    At most `max_open` alerts are open, and beyond them one for each source.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        settings: AlertSettings,
        new_number: Callable[[], int],
        channels: Sequence[Channel],
    ) -> None:
        """`new_number`: the n of `alert_<n>_<epoch>`, never the same twice within a second."""
        self._clock = clock
        self._settings = settings
        self._new_number = new_number
        self._channels = tuple(channels)
        self._board = AlertBoard(unsaved_size=2 * settings.max_open)
        self._counts: Counter[AlertLevel] = Counter()
        self._stages = (
            self._break_rows,
            self._find_level,
            self._find_alert,
            self._find_reason,
            self._open_or_update,
            self._deliver,
        )

    def see(self, trouble: TroubleSeen) -> Reason:
        """Take up one failure; the reason says why channels heard of it or did not."""
        passage = _Passage(trouble, fingerprint(trouble))
        for stage in self._stages:
            passage = stage(passage)
        return passage.reason

    def truthful(self, answer: Truthful) -> None:
        """Note that an endpoint answers truthfully again; what that ends is resolved by `sweep`."""
        for entry in self._board.of_source(answer.source):
            entry.recovery.answered(answer.endpoint, answer.at, self._clock.monotonic())

    def sweep(self) -> tuple[Alert, ...]:
        """Resolve what is over, tell so and return it; for a task of its own, each `SWEEP_SECONDS`."""
        over = [entry.alert for entry in self._board.all() if self._is_over(entry)]
        return tuple(self._resolve(alert) for alert in over)

    def open(self) -> tuple[Alert, ...]:
        """Gravest first, then oldest."""
        alerts = (entry.alert for entry in self._board.all())
        return tuple(sorted(alerts, key=lambda alert: (-alert.level, alert.timestamp)))

    def recent(self) -> tuple[Alert, ...]:
        """Those that are open and the last that were, newest first."""
        alerts = (*self._board.past(), *(entry.alert for entry in self._board.all()))
        return tuple(sorted(alerts, key=lambda alert: alert.timestamp, reverse=True))

    def counts(self) -> Mapping[AlertLevel, int]:
        """Troubles seen since the start by their level, told or not."""
        return {level: self._counts[level] for level in AlertLevel}

    def restore(self, alerts: Iterable[Alert]) -> None:
        """Take up what was open before a restart; channels count as told.

        Where two have one fingerprint the first goes on, be it here already or the older one; the other is
        resolved.
        """
        for alert in sorted(alerts, key=lambda one: one.timestamp):
            here = self._board.find(alert.fingerprint)
            if alert.state is not AlertState.FIRING or (here and here.alert.id == alert.id):
                continue
            if here:
                self._resolve(alert)
            else:
                self._board.put(alert, Recovery(places(alert), self._clock.monotonic()))

    def changed(self) -> tuple[Alert, ...]:
        """What the store does not have yet, resolved alerts included; stays until `mark_saved`."""
        return self._board.unsaved()

    def mark_saved(self, alerts: Iterable[Alert]) -> None:
        """The store has these versions now; what changed meanwhile stays changed."""
        self._board.mark_saved(alerts)

    def _break_rows(self, passage: _Passage) -> _Passage:
        """No failure fits into a row of truthful answers, whatever it is; and its own fault has not gone."""
        trouble, now = passage.trouble, self._clock.monotonic()
        for entry in self._board.of_source(trouble.source):
            if entry.recovery.covers(trouble.endpoint):
                entry.recovery.failed(trouble.endpoint, trouble.at, now)
                if entry.alert.code == trouble.code:
                    entry.recovery.renew(now)
        return passage

    def _find_level(self, passage: _Passage) -> _Passage:
        level = grade(passage.trouble)
        self._counts[level] += 1
        return replace(passage, level=level)

    def _find_alert(self, passage: _Passage) -> _Passage:
        """The widest open alert of its fault; else the source's group, if there is one or no room is left."""
        wanted = passage.belongs_to
        for candidate in (wanted.widened(), wanted, wanted.grouped()):
            if self._board.find(str(candidate)):
                return replace(passage, belongs_to=candidate)
        is_full = len(self._board) >= self._settings.max_open
        return replace(passage, belongs_to=wanted.grouped() if is_full else wanted)

    def _find_reason(self, passage: _Passage) -> _Passage:
        entry = self._board.find(str(passage.belongs_to))
        return replace(passage, reason=reason(passage.level, entry.alert if entry else None))

    def _open_or_update(self, passage: _Passage) -> _Passage:
        if entry := self._board.find(str(passage.belongs_to)):
            return replace(passage, alert=self._update(entry, passage))
        if passage.reason is Reason.FIRST:
            return replace(passage, alert=self._open_new(passage))
        return passage

    def _deliver(self, passage: _Passage) -> _Passage:
        if passage.alert is not None and passage.reason.is_told:
            for channel in self._channels:
                channel.firing(passage.alert)
        else:
            self._log_muted(passage)
        return passage

    def _open_new(self, passage: _Passage) -> Alert:
        now, trouble = self._clock.now(), passage.trouble
        alert_id = f"alert_{self._new_number()}_{int(now.timestamp())}"
        alert = opened(alert_id, passage.belongs_to, trouble, passage.level, now)
        recovery = Recovery(places(alert), self._clock.monotonic())
        recovery.failed(trouble.endpoint, trouble.at, self._clock.monotonic())
        self._board.put(alert, recovery)
        self._board.mark_unsaved(alert)
        return alert

    def _update(self, entry: OpenAlert, passage: _Passage) -> Alert:
        now, trouble = self._clock.monotonic(), passage.trouble
        entry.alert = updated(entry.alert, trouble, passage.level)
        entry.recovery.include(places(entry.alert))
        entry.recovery.renew(now)
        entry.recovery.failed(trouble.endpoint, trouble.at, now)
        self._board.mark_unsaved(entry.alert)
        return entry.alert

    def _is_over(self, entry: OpenAlert) -> bool:
        now = self._clock.monotonic()
        well_for = entry.recovery.well_for(now)
        is_proven = well_for is not None and well_for >= self._settings.auto_resolve - SWEEP_SECONDS
        is_absent = entry.recovery.absent_for(now) >= self._settings.resolve_timeout
        return entry.alert.auto_resolve and (is_proven or is_absent)

    def _resolve(self, alert: Alert) -> Alert:
        """Every channel was told of every alert, so that each is told of its end."""
        resolved = alert.resolved(self._clock.now())
        self._board.take_down(resolved)
        self._board.mark_unsaved(resolved)
        for channel in self._channels:
            channel.resolved(resolved)
        return resolved

    def _log_muted(self, passage: _Passage) -> None:
        log.info(
            "alert_muted",
            extra={
                "reason": passage.reason.value,
                "alert": passage.alert.id if passage.alert else None,
                "cluster": passage.trouble.cluster,
                "endpoint": passage.trouble.endpoint,
                "strategy": passage.trouble.strategy,
                "origin": passage.trouble.origin,
            },
        )
