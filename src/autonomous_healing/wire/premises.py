"""What a connection knows of its server, and the server of its connections."""

from typing import Protocol

from autonomous_healing.wire.exchange import Exchange
from autonomous_healing.wire.limits import ServerLimits
from autonomous_healing.wire.sweeper import Sweeper


class Connected(Protocol):
    """One connection of a client."""

    def drain(self, grace: float) -> None:
        """Answer what is under way or comes within `grace` seconds, then close."""

    def abort(self) -> None:
        """Close at once, and let the client see it where something is owed."""


class Premises(Protocol):
    """Where connections come in."""

    limits: ServerLimits
    sweeper: Sweeper
    in_flight: int
    draining: bool

    @property
    def patience(self) -> float:
        """Seconds in which a connection must bring its next request."""

    def joined(self, one: Connected, address: str) -> bool:
        """Whether there is room for one more."""

    def left(self, one: Connected, address: str) -> None:
        """The connection is gone."""

    def handle(self, exchange: Exchange) -> None:
        """Answer it, now or later."""

    def date_line(self) -> bytes:
        """`date: ...` and the end of the line."""
