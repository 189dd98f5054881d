"""Answers of origins, good and bad, and bodies in chunks: where streams of bytes are torn and spoilt from."""

from tests.fuzz.attacks import ATTACKS, CHUNKED


def answer(*lines: bytes, line: bytes = b"HTTP/1.1 200 OK", body: bytes = b"") -> bytes:
    return b"\r\n".join([line, *lines, b"", body])


_LENGTH = b"Content-Length: 5"
_LAST = b"0\r\n\r\n"

BODIES = [
    _LAST,
    b"5\r\nhello\r\n",
    b"5\r\nhello\r\n" + _LAST,
    b"1\r\nh\r\n4\r\nello\r\n" + _LAST,
    b"A;a=b\r\nhellohello\r\n" + _LAST,
    b'5;a="b;c"\r\nhello\r\n0;x\r\n\r\n',
    b"0\r\nX-Sum: 1\r\nY: \r\n\r\n",
    b"007\r\n\r\n0\r\n\r\n\r\n000\r\n\r\n",
    *(
        attack.raw.partition(b"\r\n\r\n")[2]
        for attack in ATTACKS
        if CHUNKED in attack.raw and len(attack.raw) < 1000
    ),
]

ANSWERS = [
    answer(_LENGTH, body=b"hello"),
    answer(_LENGTH, b"Connection: close", body=b"hello"),
    answer(_LENGTH, body=b"hello more than that"),
    answer(_LENGTH, body=b"hel"),
    answer(b"Content-Length: 0"),
    answer(CHUNKED, body=b"5\r\nhello\r\n" + _LAST),
    answer(CHUNKED, body=b"3\r\nhel\r\n2\r\nlo\r\n0\r\nX-Sum: 1\r\n\r\n"),
    answer(CHUNKED, body=b"5\r\nhello\r\n"),
    answer(body=b"hello, until the end"),
    answer(line=b"HTTP/1.0 200 OK", body=b"hello, until the end"),
    answer(line=b"HTTP/1.1 100 Continue"),
    answer(b"Link: </a>", line=b"HTTP/1.1 103 Early Hints") + answer(_LENGTH, body=b"hello"),
    answer(line=b"HTTP/1.1 204 No Content"),
    answer(_LENGTH, line=b"HTTP/1.1 304 Not Modified"),
    answer(_LENGTH, line=b"HTTP/1.1 503 ", body=b"hello"),
    answer(_LENGTH, b"Set-Cookie: a=1", b"Set-Cookie: b=2, c", body=b"hello"),
    answer(b"Upgrade: x", b"Connection: upgrade", line=b"HTTP/1.1 101 Switching Protocols"),
    answer(_LENGTH, CHUNKED, body=b"hello"),
    answer(b"Transfer-Encoding: gzip, chunked", body=_LAST),
    answer(_LENGTH, b"Content-Length: 6", body=b"hello!"),
    answer(_LENGTH, b" X: wrapped", body=b"hello"),
    answer(_LENGTH, b"X : a", body=b"hello"),
    answer(_LENGTH, b"X: a\rb", body=b"hello"),
    answer(_LENGTH, line=b"HTTP/1.2 200 OK", body=b"hello"),
    answer(_LENGTH, line=b"http/1.1 200 OK", body=b"hello"),
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"hello",
]
