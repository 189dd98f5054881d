"""What can go wrong on the wire, each with the phase in which it did."""

from enum import StrEnum


class Phase(StrEnum):
    """How far an exchange with an origin had come."""

    WAIT = "wait"  #: for a free connection
    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "tls"
    SEND = "send"
    HEAD = "head"
    BODY = "body"
    FRAMING = "framing"  #: an answer came, and where it begins or ends cannot be told


class WireError(Exception):
    """No whole answer came from an origin. The message holds no address, path, header or key."""

    def __init__(self, phase: Phase, why: str, *, timed_out: bool = False, too_large: bool = False) -> None:
        super().__init__(why)
        self.phase = phase
        self.timed_out = timed_out
        self.too_large = too_large

    def __repr__(self) -> str:
        return f"<WireError {self.phase}: {self}>"


class Malformed(Exception):
    """A message whose meaning is in doubt. `status` is what a sender of requests is told."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


class BadOrigin(ValueError):
    """A base URL that names no origin; the message says what is wrong with it."""
