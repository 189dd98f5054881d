"""HTTP/1.1 on both sides, by the letter. Knows nothing of sources, healing or copies."""

from autonomous_healing.wire.addresses import why_forbidden
from autonomous_healing.wire.asking import Asking, request_bytes
from autonomous_healing.wire.dialer import DialOptions
from autonomous_healing.wire.errors import BadOrigin, Malformed, Phase, WireError
from autonomous_healing.wire.exchange import Exchange, Flow, Sink, whole_head
from autonomous_healing.wire.limits import ServerLimits
from autonomous_healing.wire.message import Answer, AnswerHead, Fields, RequestHead, status_line
from autonomous_healing.wire.neighbour import Handing, handed_on
from autonomous_healing.wire.origin import Origin, read_base_url
from autonomous_healing.wire.pool import OriginPool, Pool, PoolLimits
from autonomous_healing.wire.ports import PortTaken, require_free, taking
from autonomous_healing.wire.relay import PSEUDONYM, Ending, Relay, relayed_fields, relayed_request
from autonomous_healing.wire.server import Server, drain

__all__ = [
    "PSEUDONYM",
    "Answer",
    "AnswerHead",
    "Asking",
    "BadOrigin",
    "DialOptions",
    "Ending",
    "Exchange",
    "Fields",
    "Flow",
    "Handing",
    "Malformed",
    "Origin",
    "OriginPool",
    "Phase",
    "Pool",
    "PoolLimits",
    "PortTaken",
    "Relay",
    "RequestHead",
    "Server",
    "ServerLimits",
    "Sink",
    "WireError",
    "drain",
    "handed_on",
    "read_base_url",
    "relayed_fields",
    "relayed_request",
    "request_bytes",
    "require_free",
    "status_line",
    "taking",
    "whole_head",
    "why_forbidden",
]
