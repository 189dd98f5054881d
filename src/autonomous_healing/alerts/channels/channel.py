"""What a channel is."""

from typing import Protocol

from autonomous_healing.alerts.alert import Alert


class Channel(Protocol):
    """One way to tell people. It takes an alert at once, without waiting and without raising."""

    @property
    def name(self) -> str:
        """What settings and logs call it."""

    def firing(self, alert: Alert) -> None:
        """It was opened, or it rose to a graver level."""

    def resolved(self, alert: Alert) -> None:
        """It is over; told once, after `firing`."""
