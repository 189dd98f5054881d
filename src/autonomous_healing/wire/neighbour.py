"""Exchanges handed on to another process of the same program, which is no hop: nothing of them changes."""

from autonomous_healing.wire.asking import request_head
from autonomous_healing.wire.exchange import Exchange, whole_head
from autonomous_healing.wire.message import AnswerHead, status_line
from autonomous_healing.wire.relay import WRITTEN_BY_SERVERS, Relay
from autonomous_healing.wire.unix import NEIGHBOUR

#: Written anew, since it depends on the connection.
_FRAMING = frozenset({b"host", b"content-length", b"expect"})


class Handing(Relay):
    """One exchange that another process answers; its fields go on as they are."""

    __slots__ = ()

    @property
    def begun(self) -> bool:
        """Whether the client has the head of an answer that streams."""
        return self._begun > 0

    def shown(self, head: AnswerHead, length: int | None) -> bytes:
        """The head as the other process wrote it."""
        fields = [one for one in head.end_to_end() if one[0] not in WRITTEN_BY_SERVERS]
        return whole_head(status_line(head.status), fields, length)


def handed_on(exchange: Exchange) -> bytes:
    """The head of the request as it came, for the other process. Raises `ValueError`."""
    request, upload = exchange.request, exchange.upload
    fields = [one for one in request.end_to_end() if one[0] not in _FRAMING]
    host = request.host or NEIGHBOUR.authority.encode()
    length = len(exchange.body) if upload is None else upload.length
    chunked = upload is not None and length is None
    return request_head(host, request.method, request.target, fields, length=length, chunked=chunked)
