"""The alerts that are open, those that were, and what of them is not stored yet. Decides nothing."""

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from autonomous_healing.alerts.alert import Alert, AlertState
from autonomous_healing.alerts.recovery import Recovery

log = logging.getLogger(__name__)

#: Resolved alerts that are remembered.
HISTORY_SIZE = 500


@dataclass(slots=True)
class OpenAlert:
    """An open alert and its way back."""

    alert: Alert
    recovery: Recovery


class AlertBoard:
    """All alerts that this process knows, in memory and bounded; the open ones by fingerprint."""

    def __init__(self, unsaved_size: int) -> None:
        """`unsaved_size`: alerts kept for the store while the database is away."""
        self._open: dict[str, OpenAlert] = {}
        self._of_source: dict[str, dict[str, OpenAlert]] = {}
        self._history: deque[Alert] = deque(maxlen=HISTORY_SIZE)
        self._unsaved: dict[str, Alert] = {}
        self._unsaved_size = unsaved_size

    def __len__(self) -> int:
        return len(self._open)

    def find(self, fingerprint: str) -> OpenAlert | None:
        return self._open.get(fingerprint)

    def of_source(self, source: str) -> tuple[OpenAlert, ...]:
        return tuple(self._of_source.get(source, {}).values())

    def all(self) -> tuple[OpenAlert, ...]:
        """In the order in which they were opened."""
        return tuple(self._open.values())

    def put(self, alert: Alert, recovery: Recovery) -> None:
        """Take up an open alert; there must be none of its fingerprint."""
        entry = OpenAlert(alert, recovery)
        self._open[alert.fingerprint] = entry
        self._of_source.setdefault(alert.source, {})[alert.fingerprint] = entry

    def take_down(self, resolved: Alert) -> None:
        """It is over: from the open ones, if it is among them, to the history."""
        known = self._open.get(resolved.fingerprint)
        if known is not None and known.alert.id == resolved.id:
            del self._open[resolved.fingerprint]
            del self._of_source[resolved.source][resolved.fingerprint]
        self._history.append(resolved)

    def past(self) -> tuple[Alert, ...]:
        """The last resolved ones, oldest first."""
        return tuple(self._history)

    def unsaved(self) -> tuple[Alert, ...]:
        return tuple(self._unsaved.values())

    def mark_unsaved(self, alert: Alert) -> None:
        """The store does not have this version; beyond the bound another one is given up."""
        self._unsaved[alert.id] = alert
        if len(self._unsaved) > self._unsaved_size:
            self._give_one_up()

    def mark_saved(self, alerts: Iterable[Alert]) -> None:
        """Forget those that have not changed since."""
        for alert in alerts:
            if self._unsaved.get(alert.id) == alert:
                del self._unsaved[alert.id]

    def _give_one_up(self) -> None:
        # One that is over: should a restart find it open in the store, it ends there by itself.
        over = (alert.id for alert in self._unsaved.values() if alert.state is AlertState.RESOLVED)
        victim = next(over, next(iter(self._unsaved)))
        del self._unsaved[victim]
        log.warning("alert_left_unsaved", extra={"alert": victim})
