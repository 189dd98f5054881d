"""The proxy's door, from the settings of the server."""

from autonomous_healing.dashboard.options import ServerSettings
from autonomous_healing.proxy import Door
from autonomous_healing.wire import ServerLimits


def build_door(server: ServerSettings) -> Door:
    """Where the proxy listens, and what it takes."""
    return Door(
        host=server.host,
        port=server.proxy_port,
        drain_seconds=server.drain_seconds,
        limits=ServerLimits(
            body_bytes=server.max_body_bytes,
            buffer_bytes=server.buffer_max_bytes,
            connections=server.max_connections,
            connections_per_address=server.max_connections_per_address,
            in_flight=server.max_in_flight,
            head_seconds=server.head_seconds,
            stall_seconds=server.body_stall_seconds,
            idle_seconds=server.idle_seconds,
        ),
        shared=server.workers > 1,
        hosts=server.own_hosts,
    )
