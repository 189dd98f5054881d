"""Strict reading of heads, of requests and of answers, by llhttp and the rules that it leaves to us.

What two readers of the same bytes might understand differently is refused (RFC 9112, sections 5, 6 and 11.2).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import httptools

from autonomous_healing.wire.errors import Malformed
from autonomous_healing.wire.message import AnswerHead, Fields, RequestHead

END = b"\r\n\r\n"

#: What a head may hold at most (bytes, bytes, fields): the spec's, and what common servers allow.
LONGEST_REQUEST_HEAD, LONGEST_TARGET, MOST_FIELDS = 32_768, 8192, 100
LONGEST_ANSWER_HEAD, MOST_ANSWER_FIELDS = 65_536, 250

#: More digits than any body needs, and few enough for every reader.
_MOST_DIGITS = 15

_REQUEST_LINE = re.compile(rb"([A-Z-]{1,32}) ([!-\"$-~]+) HTTP/1\.([01])")  # a fragment is never sent
_ANY_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) \S+ HTTP/([0-9])\.([0-9])")
_ANSWER_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [\t -~\x80-\xff]*)?")
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

#: Request fields of which a second one would leave open which counts.
_ONCE = (b"host", b"content-length", b"transfer-encoding", b"expect")

_SLASH, _NOTHING = ord("/"), frozenset[bytes]()

_ABSOLUTE = re.compile(rb"https?://([^/?#]+)([/?][!-~]*)?", re.IGNORECASE)


class _Gate:
    """What llhttp calls while it reads one head. It only judges: a call for each line would cost more."""

    __slots__ = ("over", "url")

    def __init__(self) -> None:
        self.over = False

    def on_url(self, url: bytes) -> None:
        self.url = url

    def on_headers_complete(self) -> None:
        self.over = True


def end_of_head(buffer: bytes, most: int, scanned: int = 0) -> int:
    """Where the head ends (behind its empty line); 0 while that has not come.

    `scanned`: bytes at the beginning that an earlier call with less has seen; a head that drips is read once.

    Raises `Malformed`: 431 for more than `most` bytes. The verdict is the same however they were split.
    """
    start = scanned - 4 if scanned > 4 else 0
    end = buffer.find(END, start) + 4
    if 4 <= end <= most:
        return end
    fresh = buffer[start:most]
    _refuse_bare_lf(fresh.removeprefix(b"\n") if start else fresh)
    if len(buffer) > most:
        raise Malformed(f"the head is longer than {most} bytes", 431)
    return 0


def read_request(head: bytes) -> RequestHead:
    """Raises `Malformed` with the status that the sender is told. The result is shared: do not change it."""
    return _known_request(head) if len(head) <= _SHORT else _read_request(head)


def read_answer(head: bytes) -> AnswerHead:
    """Raises `Malformed`. The result is shared: do not change it."""
    return _known_answer(head) if len(head) <= _SHORT else _read_answer(head)


def _read_request(head: bytes) -> RequestHead:
    _refuse_bare_lf(head)
    line, *lines = head[:-4].split(b"\r\n")
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise _bad_request_line(line)
    method, target, minor = found[1], found[2], int(found[3])
    _pass_gate(httptools.HttpRequestParser, head)
    if len(target) > LONGEST_TARGET:
        raise Malformed(f"the target is longer than {LONGEST_TARGET} bytes", 414)
    fields, known = _fields(lines, MOST_FIELDS)
    length, chunked = _framing(known)
    if chunked and not minor:
        raise Malformed("Transfer-Encoding in an HTTP/1.0 request")
    connection = _connection(known, fields)
    keeps = minor == 1 and b"close" not in connection
    host = _host(known, minor)
    request = RequestHead(minor, fields, length, chunked, connection, keeps, method, target, False, host)
    if len(known) != len(fields):
        _refuse_twice(fields)
    if b"expect" in known:
        if known[b"expect"].lower() != b"100-continue":
            raise Malformed("only 100-continue may be expected", 417)
        request.expects_continue = minor == 1
    if method == b"CONNECT":
        raise Malformed("tunnels are not opened here", 405)
    if method == b"TRACE":
        raise Malformed("requests are not echoed here", 405)
    if target[0] != _SLASH:
        _to_origin_form(request)
    return request


def _read_answer(head: bytes) -> AnswerHead:
    _refuse_bare_lf(head)
    line, *lines = head[:-4].split(b"\r\n")
    found = _ANSWER_LINE.fullmatch(line)
    if found is None:
        raise Malformed("the status line is malformed")
    _pass_gate(httptools.HttpResponseParser, head)
    fields, known = _fields(lines, MOST_ANSWER_FIELDS)
    length, chunked = _framing(known)
    if chunked and (found[1] == b"0" or [name for name, _ in fields].count(b"transfer-encoding") > 1):
        raise Malformed("Transfer-Encoding twice, or in an HTTP/1.0 answer")
    minor, connection = int(found[1]), _connection(known, fields)
    keeps = minor == 1 and b"close" not in connection
    return AnswerHead(minor, fields, length, chunked, connection, keeps, int(found[2]))


#: Callers and origins repeat themselves: the same short head is read once. Long ones would hold memory.
_SHORT, _REMEMBERED = 2048, 1024

_known_request = lru_cache(_REMEMBERED)(_read_request)
_known_answer = lru_cache(_REMEMBERED)(_read_answer)


def _refuse_bare_lf(head: bytes) -> None:
    """Before anything else that may be wrong: a torn head is refused for it as soon as it comes."""
    if head.count(b"\n") != head.count(b"\r\n"):
        raise Malformed("a line of the head ends without CR")


def _pass_gate(parser: Any, head: bytes) -> None:
    gate = _Gate()
    try:
        parser(gate).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # nobody is upgraded here: the field is dropped, and the message read like any other
    except httptools.HttpParserInvalidMethodError:
        raise Malformed("the method is not known", 501) from None
    except httptools.HttpParserError as fault:
        raise Malformed(f"the head is malformed: {fault}") from None
    if not gate.over:
        raise Malformed("the head is malformed")


def _fields(lines: list[bytes], most: int) -> tuple[list[tuple[bytes, bytes]], dict[bytes, bytes]]:
    """All fields, and the last of each name. llhttp has seen that every line is a name, a colon, a value."""
    if len(lines) > most:
        raise Malformed(f"the head has more than {most} fields", 431)
    cut = [line.partition(b":") for line in lines]
    fields = [(name.lower(), value.strip(b" \t")) for name, _, value in cut]
    return fields, dict(fields)


def _framing(known: Mapping[bytes, bytes]) -> tuple[int | None, bool]:
    """Length and chunked; what could be read in two ways is refused. llhttp refuses either given twice."""
    length = known.get(b"content-length")
    if b"transfer-encoding" in known:
        if length is not None:
            raise Malformed("Content-Length beside Transfer-Encoding")
        if known[b"transfer-encoding"].lower() != b"chunked":
            raise Malformed("a transfer encoding other than chunked", 501)
        return None, True
    if length is None:
        return None, False
    if not length.isdigit() or len(length) > _MOST_DIGITS:
        raise Malformed("Content-Length is no number of bytes")
    return int(length), False


def _connection(known: Mapping[bytes, bytes], fields: Fields) -> frozenset[bytes]:
    said = known.get(b"connection")
    if said is None:
        return _NOTHING
    if len(known) != len(fields):
        said = b",".join([value for name, value in fields if name == b"connection"])
    return _tokens(said)


@lru_cache(maxsize=256)
def _tokens(said: bytes) -> frozenset[bytes]:
    return frozenset(token.strip(b" \t") for token in said.lower().split(b","))


def _host(known: Mapping[bytes, bytes], minor: int) -> bytes:
    host = known.get(b"host")
    if host is None:
        if minor:
            raise Malformed("Host is missing")
        return b""
    return _checked_host(host)


@lru_cache(maxsize=1024)
def _checked_host(host: bytes) -> bytes:
    if not _HOST.fullmatch(host):
        raise Malformed("Host is no host name with a port")
    return host.lower()


def _refuse_twice(fields: Fields) -> None:
    for name in _ONCE:
        if sum(known == name for known, _ in fields) > 1:
            raise Malformed(f"{name.decode().title()} is given twice")


def _to_origin_form(request: RequestHead) -> None:
    """A target with a host is taken only where `Host` says the same (RFC 9112, section 3.2.2)."""
    if request.target == b"*" and request.method == b"OPTIONS":
        return
    found = _ABSOLUTE.fullmatch(request.target)
    if found is None:
        raise Malformed("the target is neither a path nor an address")
    if found[1].lower() != request.host:
        raise Malformed("the target names another host than Host")
    path = found[2] or b"/"
    request.target = path if path.startswith(b"/") else b"/" + path


def _bad_request_line(line: bytes) -> Malformed:
    found = _ANY_LINE.fullmatch(line)
    if found is None:
        return Malformed("the request line is malformed")
    if found[2] != b"1" or found[3] not in b"01":
        return Malformed("only HTTP/1.1 is spoken here", 505)
    if found[1].isupper():
        return Malformed("the target holds a fragment, or bytes that it may not hold")
    return Malformed("the method is not known", 501)
