"""What a twin sends under a fault, as far as a body tells it. Knows no sockets."""

from dataclasses import replace

from autonomous_healing.drills.twins.earlier import long_ago
from autonomous_healing.drills.twins.faults import Fault, FaultKind
from autonomous_healing.drills.twins.noise import stream
from autonomous_healing.drills.twins.providers import Ask, truthful
from autonomous_healing.drills.twins.refusals import REFUSALS, refuse
from autonomous_healing.drills.twins.rendered import JSON, Rendered, in_html, in_json
from autonomous_healing.drills.twins.spoiling import SPOILS, spoil

#: Faults of the connection: no head is sent.
SILENT = frozenset({FaultKind.HANG, FaultKind.RESET, FaultKind.OUTAGE})


def broken(fault: Fault, ask: Ask) -> Rendered:
    """The answer under this fault; the healthy one where only its delivery suffers."""
    match fault.kind:
        case kind if kind in REFUSALS:
            return refuse(kind, ask, fault.seconds)
        case kind if kind in SPOILS:
            return spoil(kind, ask)
        case FaultKind.SERVER_ERROR:
            return _server_error(ask)
        case FaultKind.HTML:
            return in_html("Before you continue", "We use cookies. Accept all or reject all.")
        case FaultKind.EMPTY:
            return Rendered(status=200, content_type=JSON, body=b"")
        case FaultKind.STALE:
            return long_ago(ask)
        case FaultKind.FROZEN if fault.starts_at:
            return truthful(replace(ask, at=fault.starts_at))
        case _:
            return truthful(ask)


def _server_error(ask: Ask) -> Rendered:
    match stream(ask.market.seed, "server error", ask.source, ask.path, str(sorted(ask.query.items()))) % 3:
        case 0:
            return in_json({"error": "Internal Server Error"}, 500)
        case 1:
            return in_html("502 Bad Gateway", "nginx", 502)
        case _:
            return in_html("503 Service Unavailable", "The service is temporarily unavailable.", 503)
