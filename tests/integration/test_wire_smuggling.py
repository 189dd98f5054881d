"""Requests made to be misunderstood: by our server, and by an origin behind our relay."""

from collections.abc import Sequence

import pytest
from tests.eventually import eventually
from tests.fuzz.attacks import ATTACKS, BEHIND, HELLO, SMUGGLED, Attack, Then, Verdict, request
from tests.wire import (
    Recorder,
    Understood,
    client_of,
    on_uvloop,
    read_strictly,
    relaying,
    serving,
    trusting_origin,
)

from autonomous_healing.wire.limits import ServerLimits
from autonomous_healing.wire.relay import PSEUDONYM
from autonomous_healing.wire.server import Server

LAST = Understood(target=b"/behind")


def understood(verdict: Verdict) -> list[Understood]:
    return [*verdict.requests, *([LAST] if verdict.then is Then.GOES_ON else [])]


def answers(verdict: Verdict) -> list[int]:
    refusal = [verdict.then] if isinstance(verdict.then, int) else []
    return [200] * len(understood(verdict)) + refusal


async def attack(server: Server, attacked: Attack) -> list[int]:
    """What the client is told, which goes on to send a request when the connection is over for the server."""
    async with client_of(server) as client:
        await client.send(attacked.raw + BEHIND)
        if attacked.verdict.then is not Then.WAITS:
            await client.hear_out()
            await client.insist(SMUGGLED)
    return [status for status in client.statuses if status != 100]


def as_an_origin_gets_it(one: Understood, authority: bytes) -> Understood:
    """With fields in the order of the alphabet."""
    fields = [*one.fields, (b"host", authority), (b"via", PSEUDONYM)]
    if one.body or one.method == b"POST":
        fields.append((b"content-length", b"%d" % len(one.body)))
    return one._replace(fields=sorted(fields))


def plain(requests: Sequence[Understood]) -> list[Understood]:
    return [one._replace(fields=()) for one in requests]


@pytest.mark.parametrize("attacked", ATTACKS, ids=lambda attacked: attacked.name)
def test_a_server_takes_it_for_nothing_else(attacked: Attack) -> None:
    recorder = Recorder()

    async def talk() -> list[int]:
        async with serving(recorder) as server:
            return await attack(server, attacked)

    assert on_uvloop(talk()) == answers(attacked.verdict)
    assert plain(recorder.seen) == plain(understood(attacked.verdict))


@pytest.mark.parametrize("attacked", ATTACKS, ids=lambda attacked: attacked.name)
def test_an_origin_gets_what_was_understood_and_no_byte_more(attacked: Attack) -> None:
    async def talk() -> tuple[list[int], list[bytes], bytes]:
        async with trusting_origin() as origin, relaying(origin.at) as server:
            told = await attack(server, attacked)
            return told, origin.received, origin.at.authority.encode()

    told, received, authority = on_uvloop(talk())
    expected = [as_an_origin_gets_it(one, authority) for one in understood(attacked.verdict)]
    assert told == answers(attacked.verdict)
    assert [read_strictly(one) for one in received] == ([expected] if expected else [])


def test_there_are_attacks_of_every_kind() -> None:
    kinds = [one.verdict.then for one in ATTACKS]
    assert sum(isinstance(kind, int) for kind in kinds) >= 90
    assert {kind for kind in kinds if isinstance(kind, Then)} == set(Then)


#: Larger bodies go on to the origin while they still come.
SMALL = ServerLimits(buffer_bytes=8, body_bytes=64)
POST_CHUNKS = request(b"Transfer-Encoding: chunked")


async def upload(*pieces: bytes) -> tuple[list[int], bytes]:
    """What the client is told, and what came to the origin on its one connection."""
    async with trusting_origin() as origin, relaying(origin.at, SMALL) as server:
        async with client_of(server) as client:
            await client.send(*pieces)
            await client.hear_out()
            if client.statuses[-1] >= 400:
                await eventually(lambda: not origin.open, seconds=2)
            await client.insist(SMUGGLED)
        [received] = origin.received
        return client.statuses, received


def test_an_upload_of_a_known_length_ends_where_it_says() -> None:
    head = request(b"Content-Length: %d" % len(SMUGGLED))

    told, received = on_uvloop(upload(head, SMUGGLED[:20], SMUGGLED[20:] + BEHIND))

    assert told == [200, 200]
    first, last = read_strictly(received)
    assert (first.body, last.target) == (SMUGGLED, b"/behind")


def test_an_upload_whose_beginning_comes_with_its_head_is_whole() -> None:
    head = request(b"Content-Length: %d" % len(SMUGGLED))

    told, received = on_uvloop(upload(head + SMUGGLED[:20], SMUGGLED[20:] + BEHIND))

    assert told == [200, 200]
    first, last = read_strictly(received)
    assert (first.body, last.target) == (SMUGGLED, b"/behind")


def test_an_upload_that_comes_with_its_head_is_whole() -> None:
    told, received = on_uvloop(upload(request(b"Content-Length: %d" % len(SMUGGLED)) + SMUGGLED + BEHIND))

    assert told == [200, 200]
    first, last = read_strictly(received)
    assert (first.body, last.target) == (SMUGGLED, b"/behind")


def test_an_upload_in_chunks_ends_with_the_last_one() -> None:
    chunk = b"%x\r\n%b\r\n" % (len(SMUGGLED), SMUGGLED)

    told, received = on_uvloop(upload(POST_CHUNKS + HELLO + HELLO, chunk, b"0\r\n\r\n" + BEHIND))

    assert told == [200, 200]
    first, last = read_strictly(received)
    assert (first.body, last.target) == (b"hellohello" + SMUGGLED, b"/behind")


def test_an_upload_does_not_end_where_a_read_brings_no_byte_of_it() -> None:
    chunk = b"%x\r\n%b\r\n" % (len(SMUGGLED), SMUGGLED)
    pieces = [chunk[at : at + 1] for at in range(len(chunk))]

    told, received = on_uvloop(upload(POST_CHUNKS + HELLO + HELLO, *pieces, b"0\r\n", b"\r\n", BEHIND))

    assert told == [200, 200]
    first, last = read_strictly(received)
    assert (first.body, last.target) == (b"hellohello" + SMUGGLED, b"/behind")


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (b"5\r\nhello!\r\n0\r\n\r\n", 400),
        (b"0\r\nX : y\r\n\r\n", 400),
        (b"-1\r\n", 400),
        (b"40\r\n" + b"a" * 64 + b"\r\n0\r\n\r\n", 413),
    ],
)
def test_an_upload_that_turns_out_bad_is_never_whole_for_the_origin(bad: bytes, status: int) -> None:
    told, received = on_uvloop(upload(POST_CHUNKS + HELLO + HELLO, bad + BEHIND))

    assert told == [status]
    assert received.endswith(b"\r\n\r\na\r\nhellohello\r\n")
