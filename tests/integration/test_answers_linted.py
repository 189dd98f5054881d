"""A linter that nobody here wrote finds nothing bad in an answer: good, healed, refused or passed on."""

import pytest
from httplint import HttpResponseLinter
from httplint.note import levels
from tests.eventually import CLOCK
from tests.lanes import House, host, house, request, said, street
from tests.wire_origins import Asked, answer, listening, on_uvloop

CHART = "/api/yahoo/chart/AAPL?range=5d"

#: What is sent to the proxy for each kind of answer, and how that answer begins. Not 505: of that status
#: the linter calls the request bad.
REFUSED = {
    "an unknown route": (request("/api/nowhere", connection="close"), b"HTTP/1.1 404 "),
    "another method": (request(CHART, method="POST", body=b"x", connection="close"), b"HTTP/1.1 405 "),
    "a method nobody answers": (request(CHART, method="TRACE"), b"HTTP/1.1 405 "),
    "a wish that cannot be read": (
        request(CHART, healing_allow="most", connection="close"),
        b"HTTP/1.1 400 ",
    ),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 "),
    "a head without end": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000, b"HTTP/1.1 431 "),
    "an unknown method": (b"FLY / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 501 "),
    "a body too long": (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n", b"HTTP/1.1 413 "),
}


def bad_notes(raw: bytes) -> list[str]:
    """What the linter calls bad in one whole answer, its body not in chunks."""
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    version, status, phrase = line.split(b" ", 2)
    linter = HttpResponseLinter(start_time=CLOCK.now().timestamp())
    linter.process_response_topline(version, status, phrase)
    cut = [field.partition(b":") for field in fields]
    linter.process_headers([(name, value.strip()) for name, _, value in cut])
    linter.feed_content(body)
    linter.finish_content(True)
    return [note.summary for note in linter.notes if note.level is levels.BAD]


async def raw_answer(rooms: House, sent: bytes) -> bytes:
    """All that comes back on a connection of its own, to its end."""
    async with rooms.line() as line:
        await line.send(sent)
        pieces = []
        while piece := await line.read():
            pieces.append(piece)
        return b"".join(pieces)


@on_uvloop
async def test_an_untouched_answer() -> None:
    async with street("yahoo_finance") as rooms:
        raw = await raw_answer(rooms.house, request(CHART, connection="close"))
        assert raw.startswith(b"HTTP/1.1 200 OK\r\n")
        assert bad_notes(raw) == []


@on_uvloop
async def test_a_healed_answer_and_a_failed_one() -> None:
    async with street("yahoo_finance") as rooms:
        await rooms.ask(CHART)
        rooms.provider.turns.extend([said(b"{}", status=b"503 No")] * 9)
        healed = await raw_answer(rooms.house, request(CHART, connection="close"))
        assert b"Healing-Status: healed" in healed
        assert bad_notes(healed) == []
        other = request("/api/yahoo/chart/IBM", connection="close", healing_allow="exact")
        failed = await raw_answer(rooms.house, other)
        assert b"Healing-Status: failed" in failed
        assert bad_notes(failed) == []


@on_uvloop
@pytest.mark.parametrize("kind", REFUSED)
async def test_a_refusal(kind: str) -> None:
    sent, begins = REFUSED[kind]
    async with street("yahoo_finance") as rooms:
        raw = await raw_answer(rooms.house, sent)
        assert raw.startswith(begins)
        assert bad_notes(raw) == []


@on_uvloop
async def test_what_is_passed_on_and_what_could_not_be() -> None:
    async def origin(asked: Asked) -> None:
        whole = answer(b"hello", b"Content-Type: text/plain")
        await asked.line.send(whole[: -3 if b"cut" in asked.target else len(whole)])

    async with (
        listening(origin) as there,
        house(
            {"files": {"kind": "raw", "hosts": (host(there.port),)}}, healing={"request_deadline": 0.3}
        ) as rooms,
    ):
        for target, begins in (("/api/files/one", b"HTTP/1.1 200 "), ("/api/files/cut", b"HTTP/1.1 504 ")):
            raw = await raw_answer(rooms, request(target, connection="close"))
            assert raw.startswith(begins)
            assert bad_notes(raw) == []
