"""How much a server takes, from whom, and for how long."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerLimits:
    """Bytes, counts and seconds; the defaults are the spec's."""

    body_bytes: int = 1_048_576  #: of a request, at most
    buffer_bytes: int = 1_048_576  #: larger ones are handed on as they come
    connections: int = 10_000
    connections_per_address: int = 4096
    in_flight: int = 2048  #: requests; one more is refused at once
    head_seconds: float = 10.0
    stall_seconds: float = 30.0  #: without progress in a body, either way
    idle_seconds: float = 75.0
    sweep_seconds: float = 0.5  #: how exactly the three above are kept
