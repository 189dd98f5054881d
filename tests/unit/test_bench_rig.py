"""What the measurements stand on: the ends of answers, the accounts of processes, a constant rate."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from bench.rig.accounts import Entry, family, parse, used_by
from bench.rig.faults import WrongAnswer
from bench.rig.framing import Framing
from bench.rig.steady import at_rate
from hypothesis import given
from hypothesis import strategies as some

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX: y\r\n\r\nhello"


@given(cut=some.integers(1, len(ANSWER) - 1))
def test_an_answer_ends_with_its_last_byte_however_it_comes(cut: int) -> None:
    framing = Framing()
    assert framing.feed(ANSWER[:cut]) is None
    assert framing.feed(ANSWER[cut:]) == 200
    assert framing.feed(ANSWER.replace(b"200 OK", b"503 No")) == 503


@pytest.mark.parametrize("bad", [ANSWER + b"!", ANSWER.replace(b"content-length: 5", b"connection: close")])
def test_what_cannot_be_framed_is_a_wrong_answer(bad: bytes) -> None:
    with pytest.raises(WrongAnswer):
        Framing().feed(bad)


def test_reads_an_account_whatever_the_program_is_called() -> None:
    fields = "S 17 42 42 0 -1 4194560 100 0 0 0 11 22 33 44 20 0 1 0 12345 99999999 250 1844 1 1"
    assert parse(f"42 (a ) b (c) {fields}") == Entry(pid=42, parent=17, ticks=110, pages=250)


def test_a_family_holds_all_that_descends_from_its_roots() -> None:
    parents = {1: 0, 5: 1, 6: 5, 7: 6, 8: 1}
    table = {pid: Entry(pid, parent, ticks=1, pages=1) for pid, parent in parents.items()}
    assert family([5, 99], table) == {5, 6, 7}
    assert family([99], table) == set()


def test_a_child_that_works_is_on_its_parents_account() -> None:
    burn = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'for _ in range(6_000_000): pass'])"
    before = used_by([os.getpid()])
    subprocess.run([sys.executable, "-c", burn], check=True)
    assert used_by([os.getpid()]).cpu - before.cpu > 0.05
    assert before.rss_mb > 5


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[str]:
    """Gives that answer to every request, and is gone when its clients are."""
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(answer)
        writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.create_task(serve(reader, writer)))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/a?b=c"
        await asyncio.gather(*serving)


async def test_all_are_asked_equally_often_at_a_constant_rate() -> None:
    async with server(ANSWER) as one, server(ANSWER) as other:
        taken = await at_rate({"direct": one, "proxied": other}, rate=200.0, seconds=0.3, warm=0.1)
    assert {name: len(seconds) for name, seconds in taken.items()} == {"direct": 60, "proxied": 60}
    assert all(0 < second < 5 for seconds in taken.values() for second in seconds)


async def test_a_bad_answer_ends_the_measurement() -> None:
    async with server(ANSWER.replace(b"200 OK", b"502 No")) as bad:
        with pytest.raises(WrongAnswer, match="proxied at a constant rate: status 502"):
            await at_rate({"proxied": bad}, rate=100.0, seconds=0.1, warm=0.1)
