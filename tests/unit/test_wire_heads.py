"""Heads of requests and answers: what they say, what is refused, what goes on to the next hop."""

import pytest

from autonomous_healing.wire.asking import request_bytes
from autonomous_healing.wire.errors import Malformed
from autonomous_healing.wire.exchange import whole_head
from autonomous_healing.wire.heads import (
    LONGEST_TARGET,
    MOST_ANSWER_FIELDS,
    MOST_FIELDS,
    end_of_head,
    read_answer,
    read_request,
)
from autonomous_healing.wire.message import AnswerHead, RequestHead, has_no_body, status_line
from autonomous_healing.wire.origin import Origin


def request(*lines: bytes, line: bytes = b"GET /a?b=%20 HTTP/1.1", host: bytes = b"a.example") -> RequestHead:
    return read_request(b"\r\n".join([line, b"Host: " + host, *lines, b"", b""]))


def answer(*lines: bytes, line: bytes = b"HTTP/1.1 200 OK") -> AnswerHead:
    return read_answer(b"\r\n".join([line, *lines, b"", b""]))


def test_a_request_says_what_it_asks_for() -> None:
    head = request(b"X-Key:  a, b \t", b"x-key: c", b"Empty:", host=b"A.Example:80")

    assert (head.method, head.target, head.host, head.minor) == (b"GET", b"/a?b=%20", b"a.example:80", 1)
    assert head.fields == [(b"host", b"A.Example:80"), (b"x-key", b"a, b"), (b"x-key", b"c"), (b"empty", b"")]
    assert (head.length, head.chunked, head.expects_continue) == (None, False, False)
    assert head.first(b"x-key") == b"a, b"
    assert head.first(b"x-none") is None


@pytest.mark.parametrize(
    ("lines", "length", "chunked", "has_body"),
    [
        ((), None, False, False),
        ((b"Content-Length: 0",), 0, False, False),
        ((b"Content-Length: 5",), 5, False, True),
        ((b"Content-Length: 0005",), 5, False, True),
        ((b"Content-Length: 999999999999999",), 999_999_999_999_999, False, True),
        ((b"Transfer-Encoding: chunked",), None, True, True),
        ((b"transfer-encoding:CHUNKED",), None, True, True),
        ((b"Upgrade: x", b"Connection: upgrade", b"Content-Length: 5"), 5, False, True),
    ],
)
def test_framing_of_a_request(
    lines: tuple[bytes, ...], length: int | None, chunked: bool, has_body: bool
) -> None:
    head = request(*lines, line=b"POST / HTTP/1.1")
    assert (head.length, head.chunked, bool(head.length or head.chunked)) == (length, chunked, has_body)


@pytest.mark.parametrize(
    ("line", "said", "keeps_alive"),
    [
        (b"GET / HTTP/1.1", (), True),
        (b"GET / HTTP/1.1", (b"Connection: keep-alive",), True),
        (b"GET / HTTP/1.1", (b"Connection: close",), False),
        (b"GET / HTTP/1.1", (b"Connection: Upgrade , Close",), False),
        (b"GET / HTTP/1.1", (b"Connection: close", b"Connection: x"), False),
        (b"GET / HTTP/1.1", (b"Connection: x", b"X: y", b"connection: CLOSE"), False),
        (b"GET / HTTP/1.1", (b"Connection: closed, x-close",), True),
        (b"GET / HTTP/1.0", (), False),
        (b"GET / HTTP/1.0", (b"Connection: keep-alive",), False),
    ],
)
def test_which_connections_are_kept(line: bytes, said: tuple[bytes, ...], keeps_alive: bool) -> None:
    assert request(*said, line=line).keeps_alive is keeps_alive


@pytest.mark.parametrize(
    ("line", "expects", "waits"),
    [
        (b"POST / HTTP/1.1", b"100-continue", True),
        (b"POST / HTTP/1.1", b"100-Continue", True),
        (b"POST / HTTP/1.0", b"100-continue", False),
    ],
)
def test_who_waits_for_a_word_to_go_on(line: bytes, expects: bytes, waits: bool) -> None:
    assert request(b"Expect: " + expects, line=line).expects_continue is waits


@pytest.mark.parametrize(
    ("line", "host", "target"),
    [
        (b"GET http://a.example/b?c HTTP/1.1", b"a.example", b"/b?c"),
        (b"GET HTTP://A.EXAMPLE:8080/b HTTP/1.1", b"a.example:8080", b"/b"),
        (b"GET https://a.example HTTP/1.1", b"a.example", b"/"),
        (b"GET http://[::1]?b HTTP/1.1", b"[::1]", b"/?b"),
        (b"OPTIONS * HTTP/1.1", b"a.example", b"*"),
        (b"GET //b.example/c HTTP/1.1", b"a.example", b"//b.example/c"),
        (b"GET /http://b.example/c HTTP/1.1", b"a.example", b"/http://b.example/c"),
        (b"GET /a%0d%0a%00 HTTP/1.1", b"a.example", b"/a%0d%0a%00"),
    ],
)
def test_where_a_request_leads(line: bytes, host: bytes, target: bytes) -> None:
    assert request(line=line, host=host).target == target


@pytest.mark.parametrize(
    ("head", "status", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "Host is missing"),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "Host is no host name"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400, "Host is given twice"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417, "only 100-continue"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, "transfer encoding"),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "HTTP/1.0"),
        (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "another host"),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "neither a path nor an address"),
        (b"CONNECT b:22 HTTP/1.1\r\nHost: b:22\r\n\r\n", 405, "tunnels"),
        (b"FROB / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method"),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method"),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "HTTP/1.1"),
        (b"GET / HTTP/1.3\r\nHost: a\r\n\r\n", 505, "HTTP/1.1"),
        (b"nonsense\r\n\r\n", 400, "request line"),
        (b"\r\n\r\n", 400, "request line"),
    ],
)
def test_a_refusal_says_what_is_wrong(head: bytes, status: int, why: str) -> None:
    with pytest.raises(Malformed, match=why) as refused:
        read_request(head)
    assert refused.value.status == status


def test_limits_are_what_still_passes() -> None:
    assert len(request(line=b"GET /%b HTTP/1.1" % (b"a" * (LONGEST_TARGET - 1))).target) == LONGEST_TARGET
    assert len(request(*[b"X: y"] * (MOST_FIELDS - 1)).fields) == MOST_FIELDS
    assert len(answer(*[b"X: y"] * MOST_ANSWER_FIELDS).fields) == MOST_ANSWER_FIELDS


def test_above_the_limits_nothing_passes() -> None:
    with pytest.raises(Malformed) as refused:
        request(line=b"GET /%b HTTP/1.1" % (b"a" * LONGEST_TARGET))
    assert refused.value.status == 414
    with pytest.raises(Malformed) as refused:
        request(*[b"X: y"] * MOST_FIELDS)
    assert refused.value.status == 431
    with pytest.raises(Malformed):
        answer(*[b"X: y"] * (MOST_ANSWER_FIELDS + 1))


@pytest.mark.parametrize(
    ("buffer", "end"),
    [
        (b"", 0),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", 0),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r", 0),
        (b"GET / HTTP/1.1\r\n\r\n", 18),
        (b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\n\n", 18),
        (b"a" * 96 + b"\r\n\r\n", 100),
        (b"a" * 100, 0),
    ],
)
def test_where_a_head_ends(buffer: bytes, end: int) -> None:
    assert end_of_head(buffer, 100) == end


@pytest.mark.parametrize(
    ("buffer", "status"),
    [
        (b"a" * 97 + b"\r\n\r\n", 431),
        (b"a" * 101, 431),
        (b"a" * 1000 + b"\n", 431),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"\n", 400),
        (b"GET / HTTP/1.1\r\nX: a\n", 400),
    ],
)
def test_a_head_that_cannot_end_well_is_not_waited_for(buffer: bytes, status: int) -> None:
    with pytest.raises(Malformed) as refused:
        end_of_head(buffer, 100)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("line", "status", "minor"),
    [
        (b"HTTP/1.1 200 OK", 200, 1),
        (b"HTTP/1.1 200 ", 200, 1),
        (b"HTTP/1.1 200", 200, 1),
        (b"HTTP/1.0 404 Not \xff\tFound", 404, 0),
        (b"HTTP/1.1 100 Continue", 100, 1),
        (b"HTTP/1.1 799 Odd", 799, 1),
    ],
)
def test_an_answer_says_what_it_is(line: bytes, status: int, minor: int) -> None:
    head = answer(b"Set-Cookie: a", b"Set-Cookie: b", line=line)
    assert (head.status, head.minor) == (status, minor)
    assert head.fields == [(b"set-cookie", b"a"), (b"set-cookie", b"b")]


@pytest.mark.parametrize(
    "line",
    [
        b"HTTP/1.2 200 OK",
        b"HTTP/2.0 200 OK",
        b"HTTP/2 200",
        b"http/1.1 200 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1\t200 OK",
        b"HTTP/1.1 200\tOK",
        b"HTTP/1.1 099 Low",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 abc OK",
        b"HTTP/1.1 200 O\rK",
        b"HTTP/1.1 200 O\nK",
        b"HTTP/1.1 200 O\0K",
        b"\xef\xbb\xbfHTTP/1.1 200 OK",
        b" HTTP/1.1 200 OK",
        b"ICY 200 OK",
        b"SSH-2.0-OpenSSH_9.2",
        b"",
    ],
)
def test_what_begins_otherwise_is_no_answer(line: bytes) -> None:
    with pytest.raises(Malformed):
        answer(line=line)


CHUNKED, LENGTH = b"Transfer-Encoding: chunked", b"Content-Length: 5"


@pytest.mark.parametrize(
    ("lines", "length", "chunked"),
    [((), None, False), ((LENGTH,), 5, False), ((CHUNKED,), None, True), ((b"Content-Length: 0",), 0, False)],
)
def test_framing_of_an_answer(lines: tuple[bytes, ...], length: int | None, chunked: bool) -> None:
    head = answer(*lines)
    assert (head.length, head.chunked) == (length, chunked)


@pytest.mark.parametrize(
    "lines",
    [
        (CHUNKED, LENGTH),
        (LENGTH, CHUNKED),
        (LENGTH, LENGTH),
        (CHUNKED, CHUNKED),
        (b"Transfer-Encoding: gzip", CHUNKED),
        (b"Transfer-Encoding: identity", CHUNKED),
        (LENGTH, b"Content-Length: 6"),
        (CHUNKED, b"Transfer-Encoding: identity"),
        (b"Content-Length: 5, 5",),
        (b"Content-Length: +5",),
        (b"Content-Length: 5 5",),
        (b"Content-Length:",),
        (b"Content-Length: 1234567890123456",),
        (b"Transfer-Encoding: gzip, chunked",),
        (b"Transfer-Encoding: identity",),
        (b"Transfer-Encoding: chunked\x0b",),
        (b"Transfer-Encoding:",),
        (b"Transfer-Encoding : chunked",),
        (b"X: a\r\n wrapped",),
        (b"X: a\nY: b",),
        (b"X: a\rY: b",),
        (b"X: a\0b",),
        (b"X\xff: a",),
        (b": a",),
        (b"nonsense",),
    ],
)
def test_an_answer_in_doubt_is_none(lines: tuple[bytes, ...]) -> None:
    with pytest.raises(Malformed):
        answer(*lines)


def test_chunks_in_an_old_answer_are_in_doubt() -> None:
    with pytest.raises(Malformed):
        answer(CHUNKED, line=b"HTTP/1.0 200 OK")


@pytest.mark.parametrize(
    ("method", "status", "bare"),
    [
        (b"GET", 200, False),
        (b"HEAD", 200, True),
        (b"GET", 204, True),
        (b"GET", 304, True),
        (b"GET", 103, True),
        (b"POST", 205, False),
        (b"HEAD", 404, True),
    ],
)
def test_which_answers_end_with_their_head(method: bytes, status: int, bare: bool) -> None:
    assert has_no_body(method, status) is bare


def test_fields_of_one_hop_go_no_further() -> None:
    head = answer(
        b"Connection: X-Hop, Content-Length, host, close",
        b"Keep-Alive: timeout=5",
        b"Proxy-Authenticate: a",
        b"Proxy-Authorization: a",
        b"Proxy-Connection: a",
        b"TE: a",
        b"Trailer: a",
        b"Upgrade: a",
        b"X-Hop: a",
        b"Host: a",
        b"X-Hops: b",
        LENGTH,
    )
    assert head.end_to_end() == [(b"host", b"a"), (b"x-hops", b"b"), (b"content-length", b"5")]
    assert answer(CHUNKED).end_to_end() == []


@pytest.mark.parametrize("value", [b"a\rb", b"a\nb", b"a\r\nb: c", b"a\0b", b"a\r\n"])
def test_no_answer_goes_out_with_a_field_that_ends_its_line(value: bytes) -> None:
    with pytest.raises(ValueError, match="line break"):
        whole_head(status_line(200), ((b"x", value),), 0)


@pytest.mark.parametrize(
    ("target", "value"),
    [
        (b"/a b", b""),
        (b"/ HTTP/1.1\r\nX: y", b""),
        (b"/\r\n", b""),
        (b"/\n", b""),
        (b"/\0", b""),
        (b"/", b"a\rb"),
        (b"/", b"a\nb"),
        (b"/", b"a\r\nb: c"),
        (b"/", b"a\r\n\r\nGET /b HTTP/1.1\r\nhost: c"),
        (b"/", b"a\0b"),
    ],
)
def test_no_request_goes_out_with_another_inside(target: bytes, value: bytes) -> None:
    with pytest.raises(ValueError, match="line break"):
        request_bytes(Origin("http", "a.example", 80), b"GET", target, ((b"x", value),))


@pytest.mark.parametrize(
    ("method", "length", "chunked", "line"),
    [
        (b"GET", 0, False, b""),
        (b"GET", 5, False, b"content-length: 5\r\n"),
        (b"POST", 0, False, b"content-length: 0\r\n"),
        (b"POST", None, True, b"transfer-encoding: chunked\r\n"),
    ],
)
def test_a_request_goes_out_with_one_framing(
    method: bytes, length: int | None, chunked: bool, line: bytes
) -> None:
    origin = Origin("https", "::1", 8443)
    head = request_bytes(origin, method, b"/a", ((b"x", b"y"),), length=length, chunked=chunked)
    assert head == method + b" /a HTTP/1.1\r\nhost: [::1]:8443\r\nx: y\r\n" + line + b"\r\n"
    assert bool(read_request(head).length or read_request(head).chunked) is bool(length or chunked)
