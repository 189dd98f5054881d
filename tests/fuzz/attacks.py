"""Requests that two readers could understand differently, and what each of them must be taken for."""

from enum import Enum
from typing import NamedTuple

from tests.wire import Understood

HOST = b"Host: a.example"
CHUNKED = b"Transfer-Encoding: chunked"
LAST_CHUNK = b"0\r\n\r\n"
HELLO = b"5\r\nhello\r\n"

#: What an attacker would have understood as a request of somebody else.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"

#: Stands behind every attack. Whether it is understood tells where the attack was taken to end.
BEHIND = b"GET /behind HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"


class Then(Enum):
    """What comes after the requests that are understood."""

    GOES_ON = "the request behind is understood, too"
    CLOSED = "the connection ends, and what is behind counts for nothing"
    WAITS = "the last request is not whole: what is behind belongs to its body"


class Verdict(NamedTuple):
    """Exactly these requests, and then a refusal with a status, or what `Then` says."""

    requests: tuple[Understood, ...] = ()
    then: Then | int = Then.GOES_ON


def refused(status: int = 400, *before: Understood) -> Verdict:
    return Verdict(before, status)


def taken(*requests: Understood, then: Then = Then.GOES_ON) -> Verdict:
    return Verdict(requests, then)


class Attack(NamedTuple):
    """Bytes and the one right way to take them."""

    name: str
    raw: bytes
    verdict: Verdict


def request(*lines: bytes, line: bytes = b"POST /first HTTP/1.1", host: bytes = HOST) -> bytes:
    """A head; without a line for the host where `host` is empty."""
    return b"\r\n".join([line, *([host] if host else []), *lines, b"", b""])


def get(*lines: bytes) -> bytes:
    return request(*lines, line=b"GET /first HTTP/1.1")


GET, POST = Understood(), Understood(b"POST")
POSTED = Understood(b"POST", body=b"hello")
SECOND = Understood(target=b"/smuggled")

#: Above a last chunk. Those who take the field for `chunked` and those who do not see different ends.
_CODINGS: dict[str, tuple[bytes, int]] = {
    "before a length": (CHUNKED + b"\r\nContent-Length: 5", 400),
    "behind a length": (b"Content-Length: 5\r\n" + CHUNKED, 400),
    "beside an empty length": (CHUNKED + b"\r\nContent-Length:", 400),
    "beside a length of nothing": (CHUNKED + b"\r\nContent-Length: 0", 400),
    "unknown beside a length": (b"Content-Length: 5\r\nTransfer-Encoding: xchunked", 400),
    "vertical tab before": (b"Transfer-Encoding: \x0bchunked", 400),
    "vertical tab behind": (b"Transfer-Encoding: chunked\x0b", 400),
    "form feed before": (b"Transfer-Encoding: \x0cchunked", 400),
    "no-break space behind": (b"Transfer-Encoding: chunked\xa0", 400),
    "no-break space before": (b"Transfer-Encoding:\xa0chunked", 400),
    "comma behind": (b"Transfer-Encoding: chunked,", 400),
    "comma before": (b"Transfer-Encoding: ,chunked", 501),
    "quotes": (b'Transfer-Encoding: "chunked"', 400),
    "single quotes": (b"Transfer-Encoding: 'chunked'", 400),
    "parameter": (b"Transfer-Encoding: chunked;q=1", 400),
    "identity last": (b"Transfer-Encoding: chunked, identity", 400),
    "identity first": (b"Transfer-Encoding: identity, chunked", 501),
    "identity alone": (b"Transfer-Encoding: identity", 400),
    "an x before": (b"Transfer-Encoding: xchunked", 400),
    "a letter behind": (b"Transfer-Encoding: chunkedx", 400),
    "two words": (b"Transfer-Encoding: x chunked", 400),
    "compressed": (b"Transfer-Encoding: gzip, chunked", 501),
    "twice in a list": (b"Transfer-Encoding: chunked, chunked", 400),
    "nothing": (b"Transfer-Encoding:", 400),
    "wrapped by a blank": (b"Transfer-Encoding:\r\n chunked", 400),
    "wrapped by a tab": (b"Transfer-Encoding:\r\n\tchunked", 400),
    "wrapped behind": (CHUNKED + b"\r\n , identity", 400),
    "two fields": (CHUNKED + b"\r\n" + CHUNKED, 400),
    "two fields, identity last": (CHUNKED + b"\r\nTransfer-Encoding: identity", 400),
    "two fields, identity first": (b"Transfer-Encoding: identity\r\n" + CHUNKED, 400),
    "blank before the colon": (b"Transfer-Encoding : chunked", 400),
    "tab before the colon": (b"Transfer-Encoding\t: chunked", 400),
    "blank before the name": (b" Transfer-Encoding: chunked", 400),
    "blank before the name, below a field": (b"X: y\r\n Transfer-Encoding: chunked", 400),
    "NUL in the value": (b"Transfer-Encoding: chunked\0", 400),
    "NUL in the name": (b"Transfer-\0Encoding: chunked", 400),
    "CR behind": (b"Transfer-Encoding: chunked\rX: y", 400),
    "CR before": (b"X: y\rTransfer-Encoding: chunked", 400),
    "LF behind": (b"Transfer-Encoding: chunked\nX: y", 400),
    "LF before": (b"X: y\nTransfer-Encoding: chunked", 400),
    "a letter that looks like i": ("Transfer-Encodıng: chunked".encode(), 400),
    "a letter whose small form is k": ("Transfer-Encoding: chun\u212aed".encode(), 400),
}

_LENGTHS: dict[str, bytes] = {
    "two that differ": b"Content-Length: 5\r\nContent-Length: 6",
    "two alike": b"Content-Length: 5\r\nContent-Length: 5",
    "two, apart": b"Content-Length: 5\r\nX: y\r\ncontent-length: 0",
    "list of two alike": b"Content-Length: 5, 5",
    "list of two": b"Content-Length: 5, 6",
    "plus": b"Content-Length: +5",
    "minus": b"Content-Length: -5",
    "minus zero": b"Content-Length: -0",
    "hexadecimal": b"Content-Length: 0x5",
    "hexadecimal digit": b"Content-Length: a",
    "fraction": b"Content-Length: 5.0",
    "exponent": b"Content-Length: 1e1",
    "underscore": b"Content-Length: 1_0",
    "blank inside": b"Content-Length: 1 0",
    "more than 64 bits": b"Content-Length: 18446744073709551621",
    "20 digits": b"Content-Length: 99999999999999999999",
    "16 digits": b"Content-Length: 0000000000000005",
    "nothing": b"Content-Length:",
    "blanks": b"Content-Length:  ",
    "comma behind": b"Content-Length: 5,",
    "comma before": b"Content-Length: ,5",
    "vertical tab": b"Content-Length: \x0b5",
    "quotes": b'Content-Length: "5"',
    "semicolon": b"Content-Length: 5;",
    "blank before the colon": b"Content-Length : 5",
    "wrapped": b"Content-Length:\r\n 5",
    "wrapped behind": b"Content-Length: 5\r\n 5",
    "Arabic digit": "Content-Length: ٥".encode(),
    "superscript in Latin-1": b"Content-Length: \xb2",
    "NUL": b"Content-Length: 5\0",
    "CR": b"Content-Length: 5\rX: y",
    "LF": b"Content-Length: 5\nX: y",
}

_CHUNKS: dict[str, bytes] = {
    "0x": b"0x5\r\nhello\r\n",
    "underscore": b"0_5\r\nhello\r\n",
    "plus": b"+5\r\nhello\r\n",
    "minus": b"-5\r\nhello\r\n",
    "blank before": b" 5\r\nhello\r\n",
    "blank behind": b"5 \r\nhello\r\n",
    "tab before": b"\t5\r\nhello\r\n",
    "tab behind": b"5\t\r\nhello\r\n",
    "blank before an extension": b"5 ;a=b\r\nhello\r\n",
    "many blanks before an extension": b"5" + b" " * 400 + b";a=b\r\nhello\r\n",
    "CR in an extension": b"5;a\rb\r\nhello\r\n",
    "LF in an extension": b"5;a\nb\r\nhello\r\n",
    "LF at the end of an extension": b"5;\nxx\r\n45\r\n",
    "NUL in an extension": b"5;a\0b\r\nhello\r\n",
    "extension without end": b"5;" + b"a" * 300 + b"\r\nhello\r\n",
    "more than 64 bits": b"10000000000000005\r\nhello\r\n",
    "16 digits": b"ffffffffffffffff\r\nhello\r\n",
    "16 digits, small": b"0000000000000005\r\nhello\r\n",
    "no end": b"5\r\nhello",
    "other bytes for the end": b"5\r\nhelloXX",
    "LF for every end": b"5\nhello\n",
    "LF for an end": b"5\r\nhello\n",
    "CR for every end": b"5\rhello\r",
    "smaller than the bytes": b"3\r\nhello\r\n",
    "larger than the bytes": b"8\r\nhello\r\n",
    "nothing": b"\r\nhello\r\n",
    "no digit": b"5g\r\nhello\r\n",
    "NUL": b"5\0\r\nhello\r\n",
    "wide digit": "５\r\nhello\r\n".encode(),
    "quotes": b'"5"\r\nhello\r\n',
    "comma": b"5,5\r\nhello\r\n",
}

#: Behind a chunk that is good.
_ENDS: dict[str, bytes] = {
    "LF for both ends": b"0\n\n",
    "LF for the last end": b"0\r\n\n",
    "CR for the last end": b"0\r\r\r\n",
    "no empty line": b"0\r\n",
    "name with a blank": b"0\r\nBad Name: x\r\n\r\n",
    "blank before the colon": b"0\r\nX : a\r\n\r\n",
    "no colon": b"0\r\nnonsense\r\n\r\n",
    "no name": b"0\r\n: x\r\n\r\n",
    "wrapped": b"0\r\nX: a\r\n b\r\n\r\n",
    "LF": b"0\r\nX: a\nY: b\r\n\r\n",
    "NUL": b"0\r\nX: a\0\r\n\r\n",
    "request line": b"0\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    "too long": b"0\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
}

_FIELDS: dict[str, bytes] = {
    "wrapped by a blank": b"X: a\r\n b",
    "wrapped by a tab": b"X: a\r\n\tb",
    "wrapped, empty": b"X:\r\n \r\n b",
    "blank in the name": b"X Y: a",
    "quote in the name": b'X"(: a',
    "no name": b": a",
    "no colon": b"nonsense",
    "colon alone": b":",
    "NUL in the value": b"X: a\0b",
    "CR in the value": b"X: a\rb",
    "CR at the end": b"X: a\r",
    "LF in the value": b"X: a\nb",
    "LF and a request": b"X: a\n\nGET /smuggled HTTP/1.1\nHost: a.example\n",
    "NUL in the name": b"X\0: a",
    "vertical tab in the name": b"X\x0b: a",
    "letter beyond ASCII in the name": b"X\xff: a",
    "control character": b"X: a\x07b",
    "delete character": b"X: a\x7fb",
    "vertical tab in the value": b"X: a\x0bb",
    "blank before the colon": b"X : a",
    "blank before the name": b" X: a",
    "host with a blank": b"host : evil.example",
}

_HOSTS: dict[str, bytes] = {
    "two": HOST + b"\r\nHost: b.example",
    "two alike": HOST + b"\r\n" + HOST,
    "none": b"",
    "empty": b"Host:",
    "path": b"Host: a/b@c",
    "fragment": b"Host: localhost:8888/#@x",
    "query": b"Host: a?b",
    "user": b"Host: u@a.example",
    "blank": b"Host: a b",
    "tab": b"Host: a\tb",
    "list": b"Host: a, b",
    "port of letters": b"Host: a:b",
    "two ports": b"Host: a:1:2",
    "no port behind the colon": b"Host: a:",
    "half a bracket": b"Host: [::1",
    "zone": b"Host: [fe80::1%eth0]",
    "percent": b"Host: a%20b",
    "backslash": b"Host: a\\b",
    "letter beyond ASCII": "Host: ä".encode(),
    "wrapped": b"Host: a\r\n b",
}

_LINES: dict[str, tuple[bytes, int]] = {
    "other host than Host": (b"GET http://evil.example/first HTTP/1.1", 400),
    "user before the host": (b"GET http://u@a.example/first HTTP/1.1", 400),
    "host before the host": (b"GET http://a.example@evil.example/first HTTP/1.1", 400),
    "port that Host has not": (b"GET http://a.example:80/first HTTP/1.1", 400),
    "fragment": (b"GET /first#x HTTP/1.1", 400),
    "fragment behind the host": (b"GET http://a.example#x HTTP/1.1", 400),
    "NUL in the target": (b"GET /fi\0rst HTTP/1.1", 400),
    "delete character in the target": (b"GET /fi\x7frst HTTP/1.1", 400),
    "byte beyond ASCII in the target": (b"GET /fi\xffrst HTTP/1.1", 400),
    "letter beyond ASCII in the target": ("GET /fiürst HTTP/1.1".encode(), 400),
    "no host": (b"GET http:///first HTTP/1.1", 400),
    "other scheme": (b"GET ftp://a.example/first HTTP/1.1", 400),
    "no slash": (b"GET first HTTP/1.1", 400),
    "star": (b"GET * HTTP/1.1", 400),
    "tunnel": (b"CONNECT a.example:22 HTTP/1.1", 405),
    "echo": (b"TRACE /first HTTP/1.1", 405),
    "tunnel to a path": (b"CONNECT /first HTTP/1.1", 405),
    "tunnel to an address": (b"CONNECT http://a.example/ HTTP/1.1", 405),
    "two blanks": (b"GET  /first HTTP/1.1", 400),
    "two blanks behind": (b"GET /first  HTTP/1.1", 400),
    "blank at the end": (b"GET /first HTTP/1.1 ", 400),
    "blank at the beginning": (b" GET /first HTTP/1.1", 400),
    "tabs": (b"GET\t/first\tHTTP/1.1", 400),
    "tab behind": (b"GET /first\tHTTP/1.1", 400),
    "blank in the target": (b"GET /fi rst HTTP/1.1", 400),
    "two versions": (b"GET /first HTTP/1.1 HTTP/1.1", 400),
    "CR": (b"GET /fi\rrst HTTP/1.1", 400),
    "LF": (b"GET /first HTTP/1.1\nX: y", 400),
    "vertical tab": (b"GET /fi\x0brst HTTP/1.1", 400),
    "small letters": (b"get /first HTTP/1.1", 501),
    "mixed letters": (b"Get /first HTTP/1.1", 501),
    "unknown method": (b"FROB /first HTTP/1.1", 501),
    "long method": (b"A" * 40 + b" /first HTTP/1.1", 400),
    "HTTP/0.9": (b"GET /first HTTP/0.9", 505),
    "HTTP/1.2": (b"GET /first HTTP/1.2", 505),
    "HTTP/2.0": (b"GET /first HTTP/2.0", 505),
    "HTTP/2": (b"GET /first HTTP/2", 400),
    "HTTP/1.10": (b"GET /first HTTP/1.10", 400),
    "HTTP/01.1": (b"GET /first HTTP/01.1", 400),
    "HTTP/1": (b"GET /first HTTP/1", 400),
    "letter behind the version": (b"GET /first HTTP/1.1x", 400),
    "small letters in the version": (b"GET /first http/1.1", 400),
    "other protocol": (b"GET /first RTSP/1.0", 400),
    "no version": (b"GET /first", 400),
    "no version, blank": (b"GET /first ", 400),
    "no target": (b"GET HTTP/1.1", 400),
    "target too long": (b"GET /" + b"a" * 8192 + b" HTTP/1.1", 414),
    "20 kB of target": (b"GET /" + b"a" * 20_000 + b" HTTP/1.1", 414),
}


def _refused() -> list[Attack]:
    body, end = b"hello", LAST_CHUNK + SMUGGLED
    return [
        *(Attack(f"coding: {n}", request(x) + end, refused(s)) for n, (x, s) in _CODINGS.items()),
        *(Attack(f"length: {n}", request(x) + body, refused()) for n, x in _LENGTHS.items()),
        *(Attack(f"chunk: {n}", request(CHUNKED) + x + end, refused()) for n, x in _CHUNKS.items()),
        *(Attack(f"last chunk: {n}", request(CHUNKED) + HELLO + x, refused()) for n, x in _ENDS.items()),
        *(Attack(f"field: {n}", get(x), refused()) for n, x in _FIELDS.items()),
        *(Attack(f"host: {n}", request(host=x), refused()) for n, x in _HOSTS.items()),
        *(Attack(f"line: {n}", request(line=x), refused(s)) for n, (x, s) in _LINES.items()),
    ]


def _refused_otherwise() -> list[Attack]:
    length, soon = b"Content-Length: 5", b"Expect: 100-continue"
    old, oldest = b"POST /first HTTP/1.0", b"GET /first\r\n"
    return [
        Attack("chunks in HTTP/1.0", request(CHUNKED, line=old) + LAST_CHUNK, refused()),
        Attack("HTTP/0.9 without a version", oldest, refused()),
        Attack("preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", refused(505)),
        Attack("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", refused()),
        Attack("LF before the request", b"\n" + get(), refused()),
        Attack("CR before the request", b"\r" + get(), refused()),
        Attack("empty line and a blank", b"\r\n " + get(), refused()),
        Attack("empty lines without end", b"\r\n" * 400 + get(), refused()),
        Attack("LF for every end", get().replace(b"\r\n", b"\n"), refused()),
        Attack("body above what is taken", request(b"Content-Length: 999999999"), refused(413)),
        Attack("body above what is taken, expected", request(soon, b"Content-Length: 9999999"), refused(413)),
        Attack("expects another thing", request(b"Expect: 200-ok", length) + b"hello", refused(417)),
        Attack("expects it twice", request(soon, soon, length) + b"hello", refused()),
        Attack("expects a list", request(soon + b", 100-continue", length) + b"hello", refused(417)),
        Attack("expects words", request(b"Expect: y 100-continue", length) + b"hello", refused(417)),
        Attack("expects nothing", get(b"Expect:"), refused(417)),
        Attack("300 kB of head", get(b"X: " + b"a" * 300_000), refused(431)),
        Attack("head without end", b"GET /" + b"a" * 40_000, refused(431)),
        Attack("1000 fields", get(*[b"X-%d: a" % i for i in range(1000)]), refused(431)),
        Attack("101 fields", get(*[b"X-%d: a" % i for i in range(100)]), refused(431)),
        Attack("a body that nobody announced", request() + b"hello\r\n\r\n", refused(400, POST)),
        Attack("a length of nothing", request(b"Content-Length: 0") + b"hello ", refused(400, POST)),
        Attack("good, then bad", get() + request(CHUNKED, length) + LAST_CHUNK, refused(400, GET)),
    ]


def _hidden() -> list[Attack]:
    """Requests within bodies, and bodies where some readers expect none."""
    size = b"Content-Length: %d" % len(SMUGGLED)
    chunk = b"%x\r\n%b\r\n" % (len(SMUGGLED), SMUGGLED)
    hidden = Understood(body=SMUGGLED)
    rows = {
        "GET with a body": (get(size) + SMUGGLED, hidden),
        "GET with chunks": (get(CHUNKED) + chunk + LAST_CHUNK, hidden),
        "HEAD with a body": (
            request(size, line=b"HEAD /first HTTP/1.1") + SMUGGLED,
            hidden._replace(method=b"HEAD"),
        ),
        "DELETE with a body": (
            request(size, line=b"DELETE /first HTTP/1.1") + SMUGGLED,
            hidden._replace(method=b"DELETE"),
        ),
        "OPTIONS with chunks": (
            request(CHUNKED, line=b"OPTIONS /first HTTP/1.1") + chunk + LAST_CHUNK,
            hidden._replace(method=b"OPTIONS"),
        ),
        "upgrade with a body": (
            request(b"Connection: Upgrade", b"Upgrade: websocket", size) + SMUGGLED,
            hidden._replace(method=b"POST"),
        ),
        "upgrade with chunks": (
            request(b"Connection: Upgrade", b"Upgrade: websocket", CHUNKED) + chunk + LAST_CHUNK,
            hidden._replace(method=b"POST"),
        ),
    }
    return [Attack(name, raw, taken(one)) for name, (raw, one) in rows.items()]


def _one_behind_the_other() -> list[Attack]:
    socket = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
    version = (b"sec-websocket-version", b"13")
    old = request(line=b"GET /first HTTP/1.0")
    closed = taken(GET, then=Then.CLOSED)
    h2c = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
    return [
        Attack("two in one piece", get() + SMUGGLED, taken(GET, SECOND)),
        Attack("POST without a body", request() + SMUGGLED, taken(POST, SECOND)),
        Attack("length of nothing", request(b"Content-Length: 0") + SMUGGLED, taken(POST, SECOND)),
        Attack("no chunks", request(CHUNKED) + LAST_CHUNK + SMUGGLED, taken(POST, SECOND)),
        Attack(
            "early bytes of an upgrade",
            get(*socket) + SMUGGLED,
            taken(GET._replace(fields=(version,)), SECOND),
        ),
        Attack("early bytes of HTTP/2", get(*h2c) + SMUGGLED, taken(GET, SECOND)),
        Attack("HTTP/1.0", old + SMUGGLED, closed),
        Attack("HTTP/1.0 kept", old[:-2] + b"Connection: keep-alive\r\n\r\n" + SMUGGLED, closed),
        Attack("HTTP/1.0 without Host", b"GET /first HTTP/1.0\r\n\r\n" + SMUGGLED, closed),
        Attack("closed", get(b"Connection: close") + SMUGGLED, closed),
        Attack("closed in a list", get(b"Connection: keep-alive , CLOSE") + SMUGGLED, closed),
        Attack("closed in a second field", get(b"Connection: x", b"Connection: close") + SMUGGLED, closed),
        Attack("half a body", request(b"Content-Length: 999") + SMUGGLED, taken(then=Then.WAITS)),
        Attack("half a chunk", request(CHUNKED) + b"fff\r\n" + SMUGGLED, taken(then=Then.WAITS)),
        Attack("15 digits", request(CHUNKED) + b"fffffffffffffff\r\n" + SMUGGLED, taken(then=Then.WAITS)),
    ]


def _understood() -> list[Attack]:
    """Odd, and right: there is one way to take them."""
    chunks = {
        "small letters in a size": (b"a\r\nhellohello\r\n", b"hellohello"),
        "large letters in a size": (b"A\r\nhellohello\r\n", b"hellohello"),
        "zeros before a size": (b"005\r\nhello\r\n", b"hello"),
        "extension": (b"5;a=b\r\nhello\r\n", b"hello"),
        "extension in quotes": (b'5;a="b;c"\r\nhello\r\n', b"hello"),
        "many chunks": (b"1\r\nh\r\n4\r\nello\r\n", b"hello"),
        "line ends in a chunk": (b"7\r\n\r\n0\r\n\r\n\r\n", b"\r\n0\r\n\r\n"),
    }
    trailers = {
        "trailer": b"0\r\nX-Sum: 1\r\n\r\n",
        "length as a trailer": b"0\r\nContent-Length: 50\r\n\r\n",
        "coding as a trailer": b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "host as a trailer": b"0\r\nHost: evil.example\r\n\r\n",
        "zeros in the last chunk": b"000\r\n\r\n",
        "extension of the last chunk": b"0;a\r\n\r\n",
    }
    sized = {
        "zeros before a length": b"Content-Length: 0005",
        "tabs around a length": b"Content-Length:\t5\t",
        "length in small letters": b"content-length:5",
        "expected": b"Expect: 100-continue\r\nContent-Length: 5",
        "expected in large letters": b"Expect: 100-CONTINUE\r\nContent-Length: 5",
    }
    codings = {"large letters": b"TRANSFER-ENCODING: CHUNKED", "tab before": b"Transfer-Encoding:\tchunked"}
    return [
        *(
            Attack(name, request(CHUNKED) + raw + LAST_CHUNK, taken(POST._replace(body=body)))
            for name, (raw, body) in chunks.items()
        ),
        *(Attack(n, request(CHUNKED) + HELLO + raw, taken(POSTED)) for n, raw in trailers.items()),
        *(Attack(n, request(raw) + b"hello", taken(POSTED)) for n, raw in sized.items()),
        *(Attack(f"coding: {n}", request(x) + HELLO + LAST_CHUNK, taken(POSTED)) for n, x in codings.items()),
        Attack("empty line before", b"\r\n" + get(), taken(GET)),
        Attack("some empty lines before", b"\r\n" * 3 + get(), taken(GET)),
    ]


def _targets() -> list[Attack]:
    """Targets as they came: decoding them is nobody's business here."""
    paths = {
        "line ends in percent signs": b"/a%0d%0aX:%20y%00?q=%0d%0aX:%20y%00",
        "dots": b"/../a/./b",
        "two slashes": b"//evil.example/a",
        "odd characters": b'/"<>\\^`{|}',
        "address in the query": b"/?u=http://evil.example/",
        "8192 bytes": b"/" + b"a" * 8191,
    }
    whole = {
        "same host": (b"http://a.example/first", b"/first"),
        "same host in large letters": (b"HTTP://A.EXAMPLE/first", b"/first"),
        "same host and no path": (b"http://a.example", b"/"),
        "same host and a query": (b"http://a.example?q", b"/?q"),
    }
    rows = {**{name: (path, path) for name, path in paths.items()}, **whole}
    return [
        *(
            Attack(f"target: {n}", request(line=b"GET %b HTTP/1.1" % x), taken(Understood(target=y)))
            for n, (x, y) in rows.items()
        ),
        Attack("target: star", request(line=b"OPTIONS * HTTP/1.1"), taken(Understood(b"OPTIONS", b"*"))),
        *(
            Attack(f"host: {name}", request(host=b"Host: " + host, line=b"GET /first HTTP/1.1"), taken(GET))
            for name, host in {
                "another": b"evil.example",
                "address": b"[::1]:80",
                "large": b"A.Example",
            }.items()
        ),
    ]


def _fields() -> list[Attack]:
    """What a field may not do to the next hop, and what must come through."""
    kept = (b"x-keep", b"1")
    only_kept = taken(GET._replace(fields=(kept,)))
    mine = (b"Healing-Status: fine", b"HEALING-ORIGIN: a", b"Healing_Status: fine")
    forwarded = (b"X-Forwarded-For: 1.2.3.4", b"X_Forwarded_Host: evil", b"x_forwarded-Proto: https")
    framing = (b"Content_Length: 5", b"Transfer_Encoding: chunked", b"Proxy_Connection: close")
    hops = (
        b"Keep-Alive: 5", b"Proxy-Connection: keep-alive", b"Proxy-Authorization: x", b"TE: trailers",
        b"Trailer: X", b"Upgrade: x", b"Connection: X-Hop, te", b"X-Hop: secret",
    )  # fmt: skip
    odd = ((b"x-empty", b""), (b"x-tab", b"a\tb"), (b"x-high", b"\xff\xfe"), (b"x-ends", b"a%0d%0aY: b"))
    return [
        Attack("names of ours", get(*mine, b"X-Keep: 1"), only_kept),
        Attack("names of proxies", get(*forwarded, b"X-Keep: 1"), only_kept),
        Attack("names of framing", get(*framing, b"X-Keep: 1"), only_kept),
        Attack("fields of one hop", get(*hops, b"X-Keep: 1"), only_kept),
        Attack("odd values", get(*[b"%b: %b" % one for one in odd]), taken(GET._replace(fields=odd))),
        Attack(
            "framing named as of one hop",
            request(b"Connection: Host, Content-Length, X-Key", b"X-Key: secret", b"Content-Length: 5")
            + b"hello",
            taken(POSTED),
        ),
        Attack(
            "coding named as of one hop",
            request(b"Connection: Transfer-Encoding", CHUNKED) + HELLO + LAST_CHUNK,
            taken(POSTED),
        ),
        Attack(
            "100 fields",
            get(*[b"x-%d: a" % i for i in range(99)]),
            taken(GET._replace(fields=tuple((b"x-%d" % i, b"a") for i in range(99)))),
        ),
    ]


ATTACKS = [
    *_refused(), *_refused_otherwise(), *_hidden(), *_one_behind_the_other(), *_understood(), *_targets(),
    *_fields(),
]  # fmt: skip
