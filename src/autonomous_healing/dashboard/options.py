"""Where the servers listen, each setting with a sentence. Frozen once read."""

from pydantic import Field

from autonomous_healing.resilience import Options


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
    drain_seconds: float = Field(
        10.0, ge=0, le=300, description="Seconds that requests under way get at the end."
    )
