"""Replies as they go over the wire."""

from autonomous_healing import wire
from autonomous_healing.proxy.provenance import Reply

_SERVER = (b"server", b"autonomous_healing")


def wire_head(reply: Reply) -> bytes:
    """Status line and fields, with the length of the body where the status allows one."""
    length = None if reply.status in (204, 304) else len(reply.body)
    return wire.whole_head(wire.status_line(reply.status), _fields(reply), length)


def streaming_head(reply: Reply, length: int | None) -> bytes:
    """The same for a body that comes piece by piece; `length` None where nobody knows it."""
    return wire.whole_head(wire.status_line(reply.status), _fields(reply), length)


def send(exchange: wire.Exchange, reply: Reply) -> None:
    """The whole reply."""
    exchange.respond(wire_head(reply), reply.body)


def _fields(reply: Reply) -> list[tuple[bytes, bytes]]:
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in reply.headers.items()]
    return [(b"content-type", reply.content_type.encode("latin-1", "replace")), *headers, _SERVER]
