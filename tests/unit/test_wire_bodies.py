"""Where bodies end, and which ones never do."""

import pytest

from autonomous_healing.wire.bodies import (
    ChunkedBody,
    SizedBody,
    UntilClose,
    body_of_answer,
    body_of_request,
)
from autonomous_healing.wire.errors import Malformed
from autonomous_healing.wire.heads import read_answer, read_request


@pytest.mark.parametrize(
    ("length", "pieces", "body", "rest", "done"),
    [
        (0, [], b"", b"", True),
        (0, [b"GET"], b"", b"GET", True),
        (5, [b"hello"], b"hello", b"", True),
        (5, [b"he", b"llo"], b"hello", b"", True),
        (5, [b"he", b"llo, and more"], b"hello", b", and more", True),
        (5, [b"hell"], b"hell", b"", False),
        (5, [b"", b""], b"", b"", False),
    ],
)
def test_a_length_is_kept_to_the_byte(
    length: int, pieces: list[bytes], body: bytes, rest: bytes, done: bool
) -> None:
    reader = SizedBody(length)
    assert b"".join(map(reader.feed, pieces)) == body
    assert (reader.rest, reader.done, reader.ends()) == (rest, done, done)


def test_without_framing_only_the_end_of_the_connection_ends_a_body() -> None:
    reader = UntilClose()
    assert reader.feed(b"0\r\n\r\n") == b"0\r\n\r\n"
    assert (reader.done, reader.ends(), reader.rest) == (False, True, b"")


GOOD: list[tuple[bytes, bytes, bytes]] = [
    (b"0\r\n\r\n", b"", b""),
    (b"0\r\n\r\nGET / HTTP/1.1\r\n", b"", b"GET / HTTP/1.1\r\n"),
    (b"5\r\nhello\r\n0\r\n\r\n", b"hello", b""),
    (b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", b"hello", b""),
    (b"00005\r\nhello\r\n000\r\n\r\n", b"hello", b""),
    (b"a\r\nhellohello\r\n0\r\n\r\n", b"hellohello", b""),
    (b"A\r\nhellohello\r\n0\r\n\r\n", b"hellohello", b""),
    (b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", b"\r\n0\r\n\r\n", b""),
    (b'5;a=b;c="d;e"\r\nhello\r\n0;f\r\n\r\n', b"hello", b""),
    (b"5;" + b"a" * 255 + b"\r\nhello\r\n0\r\n\r\n", b"hello", b""),
    (b"0\r\nX: y\r\nZ:\r\n\r\nrest", b"", b"rest"),
    (b"0\r\nContent-Length: 5\r\n\r\nhello", b"", b"hello"),
    (b"0\r\n" + b"X: %b\r\n" % (b"a" * 2000) * 2 + b"\r\n", b"", b""),
]


@pytest.mark.parametrize(("raw", "body", "rest"), GOOD)
def test_chunks_are_put_together(raw: bytes, body: bytes, rest: bytes) -> None:
    reader = ChunkedBody()
    assert not reader.ends()
    assert reader.feed(raw) == body
    assert (reader.done, reader.rest, reader.ends()) == (True, rest, True)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"5",
        b"5\r",
        b"5;a=b",
        b"5\r\nhell",
        b"5\r\nhello",
        b"5\r\nhello\r",
        b"5\r\nhello\r\n",
        b"5\r\nhello\r\n0",
        b"0\r\n",
        b"0\r\n\r",
        b"0\r\nX",
        b"0\r\nX: y\r",
        b"0\r\nX: y\r\n",
        b"fffffffffffffff\r\n",
    ],
)
def test_half_a_body_is_not_a_whole_one(raw: bytes) -> None:
    reader = ChunkedBody()
    reader.feed(raw)
    assert (reader.done, reader.ends()) == (False, False)


BAD = [
    b"\r\n",
    b"x",
    b"-1\r\n",
    b"+1\r\n",
    b" 1\r\n",
    b"1 \r\n",
    b"\t1\r\n",
    b"1\t\r\n",
    b"0x1\r\n",
    b"1_0\r\n",
    b"1,1\r\n",
    b'"1"\r\n',
    b"1\0\r\n",
    b"1\n",
    b"1\rX",
    b"1;\n\r\n",
    b"1;\r;\r\n",
    b"1;\0\r\n",
    b"1;\x7f\r\n",
    b"1;" + b"a" * 256 + b"\r\n",
    b"1000000000000000\r\n",
    b"0000000000000001\r\n",
    b"5\r\nhello\n",
    b"5\r\nhello\rX",
    b"5\r\nhelloX",
    b"5\r\nhello!\r\n0\r\n\r\n",
    b"3\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"0\r\n\n",
    b"0\r\n\rX",
    b"0\r\nX : y\r\n\r\n",
    b"0\r\n X: y\r\n\r\n",
    b"0\r\nX: y\r\n z\r\n\r\n",
    b"0\r\n: y\r\n\r\n",
    b"0\r\nX\r\n\r\n",
    b"0\r\nX: y\nZ: a\r\n\r\n",
    b"0\r\nX: \0\r\n\r\n",
    b"0\r\nX\xff: y\r\n\r\n",
    b"0\r\nGET / HTTP/1.1\r\n",
    b"0\r\nX: " + b"a" * 4096 + b"\r\n\r\n",
    b"0\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
]


def feed_in_pieces(raw: bytes, size: int) -> None:
    reader = ChunkedBody()
    for at in range(0, len(raw), size):
        reader.feed(raw[at : at + size])


@pytest.mark.parametrize("raw", BAD)
def test_chunks_in_doubt_are_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        ChunkedBody().feed(raw)


@pytest.mark.parametrize("raw", [raw for raw in BAD if len(raw) < 1000])
def test_chunks_in_doubt_are_refused_byte_by_byte(raw: bytes) -> None:
    with pytest.raises(Malformed):
        feed_in_pieces(raw, 1)


@pytest.mark.parametrize("endless", [b"a" * 400, b";" * 400, b"1;" + b"a" * 400, b"0\r\nX: " + b"a" * 20_000])
def test_a_line_without_end_is_not_waited_for(endless: bytes) -> None:
    with pytest.raises(Malformed):
        feed_in_pieces(endless, 50)


def test_many_chunks_of_next_to_nothing_are_refused() -> None:
    reader = ChunkedBody()
    reader.feed(b"1\r\na\r\n" * 16_384)
    with pytest.raises(Malformed):
        reader.feed(b"1\r\na\r\n")


def test_many_chunks_of_some_size_are_taken() -> None:
    reader = ChunkedBody()
    assert len(reader.feed(b"9\r\nabcdefghi\r\n" * 20_000 + b"0\r\n\r\n")) == 180_000
    assert reader.done


@pytest.mark.parametrize(
    ("line", "reader"),
    [
        (b"Content-Length: 5", SizedBody),
        (b"Content-Length: 0", SizedBody),
        (b"Transfer-Encoding: chunked", ChunkedBody),
        (b"X: y", UntilClose),
    ],
)
def test_how_an_answer_ends_is_in_its_head(line: bytes, reader: type) -> None:
    assert type(body_of_answer(read_answer(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % line))) is reader


@pytest.mark.parametrize(
    ("line", "reader", "done"),
    [
        (b"Content-Length: 5", SizedBody, False),
        (b"Transfer-Encoding: chunked", ChunkedBody, False),
        (b"X: y", SizedBody, True),
    ],
)
def test_a_request_never_ends_with_its_connection(line: bytes, reader: type, done: bool) -> None:
    body = body_of_request(read_request(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % line))
    assert (type(body), body.done) == (reader, done)
