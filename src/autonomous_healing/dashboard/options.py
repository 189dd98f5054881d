"""Where the servers listen, each setting with a sentence. Frozen once read."""

from typing import Annotated

from pydantic import Field

from autonomous_healing.resilience import Options
from autonomous_healing.safety.hosts import OwnHosts, host_in

#: A name or an address; one of IPv6 without brackets.
HostName = Annotated[
    str,
    Field(
        pattern=r"^([A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)$"
    ),
]


class ServerSettings(Options):
    """Section `server` of the configuration."""

    host: str = Field("127.0.0.1", min_length=1, description="Address that both servers listen on.")
    dashboard_port: int = Field(
        8888, ge=0, le=65535, description="Port of dashboard, API and WebSocket; 0 takes a free one."
    )
    proxy_port: int = Field(5002, ge=0, le=65535, description="Port of the proxy; 0 takes a free one.")
    public_url: str = Field(
        "http://localhost:8888/health-dashboard",
        pattern=r"^https?://(\[[0-9A-Fa-f:.]+\]|[^/\s\[\]]+)(/\S*)?$",
        description="How browsers reach the dashboard; requests for its host name are answered.",
    )
    allowed_hosts: tuple[HostName, ...] = Field(
        (), description="Other names that requests may ask for in `Host`, without ports; any else is 421."
    )
    workers: int = Field(1, ge=1, le=64, description="Processes that share the proxy's port.")
    max_body_bytes: int = Field(
        1_048_576, ge=0, le=1_073_741_824, description="Bytes of a request's body at most; longer is 413."
    )
    buffer_max_bytes: int = Field(
        1_048_576,
        ge=1024,
        le=268_435_456,
        description="Bytes above which an answer is handed on as it comes, unjudged.",
    )
    max_connections: int = Field(
        10_000,
        ge=1,
        le=1_000_000,
        description="Connections at most to each of the proxy's ports, in each process.",
    )
    max_connections_per_address: int = Field(
        4096,
        ge=1,
        le=1_000_000,
        description="Connections from one address at most, to each port and in each process.",
    )
    max_in_flight: int = Field(
        2048,
        ge=1,
        le=1_000_000,
        description="Requests under way at most, at each port and in each process; one more is 503 at once.",
    )
    head_seconds: float = Field(
        10.0, gt=0, le=300, description="Seconds in which the head of a request must have come."
    )
    body_stall_seconds: float = Field(
        30.0, gt=0, le=600, description="Seconds without progress in a body after which it is given up."
    )
    idle_seconds: float = Field(
        75.0, gt=0, le=3600, description="Seconds a connection may wait for its next request."
    )
    drain_seconds: float = Field(
        10.0, ge=0, le=300, description="Seconds that requests under way get at the end."
    )

    @property
    def own_hosts(self) -> OwnHosts:
        """What both servers answer for: a page that rebinds its own name has none of them."""
        _, _, address = self.public_url.partition("://")
        return OwnHosts.of([self.host, host_in(address.partition("/")[0]), *self.allowed_hosts])
