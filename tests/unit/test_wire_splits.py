"""However a network cuts bytes into reads, they mean the same; and what is accepted, llhttp reads alike."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import httptools
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.fuzz.answers import ANSWERS, BODIES
from tests.fuzz.attacks import ATTACKS, BEHIND, CHUNKED, Attack, Then
from tests.fuzz.drivers import heard, read_chunks, told
from tests.fuzz.targets import TARGETS, run, seeds

from autonomous_healing.wire.errors import Malformed
from autonomous_healing.wire.heads import END, read_request

#: Bytes that mean something to somebody.
_TELLING = [bytes([byte]) for byte in b'\0\t\n\v\r" ,;:/0159afxA-_\x7f\x80\xff'] + [b"\r\n", b"\r\n\r\n"]


@st.composite
def torn(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> tuple[bytes, list[bytes]]:
    """Bytes, and the same bytes in pieces."""
    raw = draw(whole)
    cuts = draw(st.lists(st.integers(0, len(raw)), max_size=8))
    return raw, [raw[left:right] for left, right in pairwise([0, *sorted(cuts), len(raw)])]


@st.composite
def spoilt(draw: st.DrawFn, examples: Sequence[bytes], most: int) -> bytes:
    """Some examples in a row, with a few bytes changed, put in or left out."""
    raw = b"".join(draw(st.lists(st.sampled_from(examples), min_size=1, max_size=most)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.sampled_from([b"", *_TELLING])) + raw[at + draw(st.integers(0, 2)) :]
    return raw


SHORT = [attack for attack in ATTACKS if len(attack.raw) < 1000]
STREAMS = [attack.raw for attack in SHORT]
HEADS = [raw[: raw.find(END) + 4] for raw in STREAMS if END in raw]


@pytest.mark.parametrize("later", [False, True])
@given(stream=torn(spoilt([*STREAMS, BEHIND], most=3)))
def test_requests_do_not_depend_on_how_they_come(later: bool, stream: tuple[bytes, list[bytes]]) -> None:
    async def both() -> None:
        whole, pieces = stream
        assert await heard(pieces, later=later) == await heard([whole])

    asyncio.run(both())


@pytest.mark.parametrize("attack", SHORT, ids=lambda attack: attack.name)
def test_an_attack_byte_by_byte_is_the_same_attack(attack: Attack) -> None:
    verdict, stream = attack.verdict, attack.raw + BEHIND
    outcome = asyncio.run(heard([stream[at : at + 1] for at in range(len(stream))]))

    targets = [one.target for one in verdict.requests] + [b"/behind"] * (verdict.then is Then.GOES_ON)
    refusal = [verdict.then] if isinstance(verdict.then, int) else []
    assert [one.target for one in outcome.seen] == targets
    assert [status for status in outcome.statuses if status != 100] == [200] * len(targets) + refusal
    assert outcome.over is (verdict.then is not Then.WAITS)


@given(
    answer=torn(spoilt(ANSWERS, most=2)),
    method=st.sampled_from([b"GET", b"GET", b"HEAD"]),
    most=st.sampled_from([1 << 20, 8, 0]),
)
def test_answers_do_not_depend_on_how_they_come(
    answer: tuple[bytes, list[bytes]], method: bytes, most: int
) -> None:
    async def both() -> None:
        whole, pieces = answer
        assert await told(pieces, method, most) == await told([whole], method, most)

    asyncio.run(both())


HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
OPEN = b"HTTP/1.1 200 OK\r\n\r\nhello"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


@pytest.mark.parametrize("most", [1 << 20, 2])
@pytest.mark.parametrize(
    ("raw", "status", "reusable"),
    [
        (HELLO, 200, True),
        (CHUNKS + b"0\r\n\r\n", 200, True),
        (b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + HELLO, 200, True),
        (HELLO.replace(b"OK", b"OK\r\nConnection: close"), 200, False),
        (HELLO.replace(b"1.1", b"1.0"), 200, False),
        (HELLO + HELLO, 200, False),
        (CHUNKS + b"0\r\n\r\nH", 200, False),
        (OPEN, 200, False),
        (HELLO[:-1], None, False),
        (CHUNKS, None, False),
        (CHUNKS + b"0\r\n", None, False),
        (b"HTTP/1.1 101 Up\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n" + HELLO, None, False),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 33 + HELLO, None, False),
        (HELLO[:20], None, False),
        (b"", None, False),
    ],
)
def test_an_answer_counts_when_it_is_whole(raw: bytes, status: int | None, reusable: bool, most: int) -> None:
    *outcome, idle = asyncio.run(told([raw], most=most))
    if status is None:
        assert outcome == ["broken"]
    else:
        assert (outcome[0], outcome[2]) == (status, b"hello")
    assert idle == int(reusable)


@pytest.mark.parametrize("size", [4095, 4096, 4097])
def test_the_longest_trailer_does_not_depend_on_how_it_comes(size: int) -> None:
    raw = b"0\r\nX: %b\r\n\r\n" % (b"a" * (size - 3))
    assert read_chunks([raw[:-3], raw[-3:]]) == read_chunks([raw])


@given(torn(spoilt(BODIES, most=4)))
def test_chunks_do_not_depend_on_how_they_come(body: tuple[bytes, list[bytes]]) -> None:
    whole, pieces = body
    assert read_chunks(pieces) == read_chunks([whole])


class Llhttp:
    """What llhttp makes of a request."""

    def __init__(self) -> None:
        self.url = self.body = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.whole = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value.strip(b" \t")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole = True


#: Chunks without the parts that are dropped here; llhttp has its own opinion of those.
_BARE = re.compile(rb"([^;]*\r\n)?0+\r\n\r\n")


@given(spoilt(BODIES, most=4))
def test_llhttp_finds_the_same_in_chunks(body: bytes) -> None:
    ours = read_chunks([body])
    assume(ours.whole)
    whole = body[: len(body) - len(ours.rest)]
    theirs = Llhttp()
    parser = httptools.HttpRequestParser(theirs)
    parser.feed_data(b"POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + END)
    try:
        parser.feed_data(whole)
    except httptools.HttpParserError:
        assert not _BARE.fullmatch(whole)
        assert ours.body.startswith(theirs.body)
    else:
        assert theirs.whole
        assert theirs.body == ours.body


@given(spoilt(HEADS, most=1))
def test_llhttp_finds_the_same_in_a_head(head: bytes) -> None:
    head = (head + END)[: (head + END).find(END) + len(END)]
    try:
        request = read_request(head)
    except Malformed:
        return
    theirs = Llhttp()
    parser = httptools.HttpRequestParser(theirs)
    with suppress(httptools.HttpParserUpgrade):
        parser.feed_data(head)
    assert parser.get_method() == request.method
    assert parser.get_http_version() == f"1.{request.minor}"
    assert theirs.url == request.target or re.match(rb"(?i)https?://a\.example", theirs.url)
    assert theirs.url.endswith(request.target.lstrip(b"/"))
    assert theirs.fields == request.fields


@pytest.mark.parametrize("target", range(len(TARGETS)), ids=lambda number: TARGETS[number].__name__)
def test_the_rules_of_the_search_hold_where_it_starts(target: int) -> None:
    examples = [seed for seed in seeds() if seed[0] == target]
    assert len(examples) > 20
    for example in examples:
        run(example)
