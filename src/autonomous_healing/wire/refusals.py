"""What a client reads where its request becomes no exchange."""

import json
from http import HTTPStatus

from autonomous_healing.wire.exchange import whole_head
from autonomous_healing.wire.message import status_line

_PROBLEM = ((b"content-type", b"application/problem+json"),)

#: What some statuses say beyond that.
_MORE = {
    405: b"allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n",
    503: b"retry-after: 1\r\n",
}


def refusal(status: int, why: str, date_line: bytes, *, bare: bool) -> bytes:
    """A problem document (RFC 9457) and the end of the connection; `bare`: its head only."""
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": why}
    body = json.dumps(problem).encode()
    head = whole_head(status_line(status), _PROBLEM, len(body))
    more = _MORE.get(status, b"")
    return b"%b%b%bconnection: close\r\n\r\n%b" % (head, more, date_line, b"" if bare else body)
