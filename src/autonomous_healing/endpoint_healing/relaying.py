"""What of a provider's answer may go on to callers: as it came, less what is secret."""

from collections.abc import Mapping

from autonomous_healing.endpoint_healing.call import BadAnswer
from autonomous_healing.endpoint_healing.redaction import Redaction
from autonomous_healing.endpoint_healing.upstream import Answer

#: Headers of an upstream that speak of the data and may go on to the caller.
RELAYED = ("cache-control", "etag", "last-modified", "expires", "location", "content-language")


def relayed(headers: Mapping[str, str], redaction: Redaction) -> dict[str, str]:
    """Those headers."""
    return {name: redaction.text(headers[name]) for name in RELAYED if name in headers}


def bad_answer(answer: Answer, redaction: Redaction) -> BadAnswer:
    """One that is refused, for who is told of it."""
    return BadAnswer(answer.status, content_type(answer, redaction), redaction.body(answer.body))


def content_type(answer: Answer, redaction: Redaction) -> str:
    """What its body is said to be."""
    return redaction.text(answer.headers.get("content-type", "application/octet-stream"))
