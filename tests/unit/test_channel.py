"""Messages between processes arrive whole and in order, are bounded; what is none ends the conversation."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from autonomous_healing.workers.channel import MOST_BYTES, MOST_WAITING, BrokenChannel, Channel
from autonomous_healing.workers.messages import (
    Again,
    Alive,
    AskLease,
    Configuration,
    Drain,
    FromOwner,
    FromWorker,
    GiveBack,
    Hello,
    Kept,
    Lease,
    Ready,
    Revoke,
    Seen,
)

Ends = tuple[Channel[Any, Any], Channel[Any, Any], asyncio.StreamWriter]

TOLD: list[FromWorker] = [
    Hello(7),
    Ready(),
    Alive(),
    AskLease("a/b"),
    GiveBack(3, 2),
    Seen("a/b", [0.25, 1.5], 2),
    Kept("a/b", {"x": "1"}, [(b"etag", b'"\xff"')], b"{}\n", 12.5),
    Again("a/b?x=1", 99, 12.5),
]
SAID: list[FromOwner] = [
    Configuration(1, b"{}", {"a": ["key"]}, None, 5002, {"raw": 5003}),
    Lease("a/b", 1, "a#1", 50, 13.5),
    Revoke("a/b"),
    Drain(),
]


@asynccontextmanager
async def conversation() -> AsyncIterator[Ends]:
    """Both ends, a worker's first, and its bare socket."""
    here, there = socket.socketpair()
    worker, owner = await asyncio.open_connection(sock=here), await asyncio.open_connection(sock=there)
    ends = (
        Channel[Any, Any](*worker, msgspec.msgpack.Decoder(FromOwner)),
        Channel[Any, Any](*owner, msgspec.msgpack.Decoder(FromWorker)),
    )
    try:
        yield *ends, worker[1]
    finally:
        for end in ends:
            await end.close()


async def heard(end: Channel[Any, Any], count: int) -> list[Any]:
    messages = aiter(end)
    return [await anext(messages) for _ in range(count)]


async def test_messages_come_out_as_they_went_in_both_ways() -> None:
    async with conversation() as (worker, owner, _):
        for told in TOLD:
            worker.send(told)
        for said in SAID:
            owner.send(said)
        assert await heard(owner, len(TOLD)) == TOLD
        assert await heard(worker, len(SAID)) == SAID


async def test_listening_ends_with_the_other_side() -> None:
    async with conversation() as (worker, owner, _):
        worker.send(Ready())
        await worker.flush()
        await worker.close()
        assert [message async for message in owner] == [Ready()]


@pytest.mark.parametrize(
    "bytes_sent",
    [
        (MOST_BYTES + 1).to_bytes(4),
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x01\xc1",
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x09\x92\xa7unknown",
        len(body := msgspec.msgpack.encode(["hello", "no number"])).to_bytes(4) + body,
        len(body := msgspec.msgpack.encode(SAID[0])).to_bytes(4) + body,
    ],
    ids=["too long", "far too long", "no msgpack", "nothing", "unknown", "wrong type", "of the other side"],
)
async def test_what_is_no_message_breaks_the_channel(bytes_sent: bytes) -> None:
    async with conversation() as (_, owner, bare):
        bare.write(bytes_sent)
        with pytest.raises(BrokenChannel):
            await heard(owner, 1)


async def test_a_broken_channel_repeats_nothing_of_what_was_sent() -> None:
    async with conversation() as (_, owner, bare):
        body = msgspec.msgpack.encode(["hello", "secret"])
        bare.write(len(body).to_bytes(4) + body)
        with pytest.raises(BrokenChannel) as broken:
            await heard(owner, 1)
    assert "secret" not in str(broken.value)


async def test_a_message_that_nobody_would_take_is_not_sent() -> None:
    async with conversation() as (worker, _, _):
        with pytest.raises(ValueError, match="bytes"):
            worker.send(Kept("a/b", {}, [], b"x" * MOST_BYTES, 0.0))


async def test_of_what_the_other_side_is_too_slow_for_the_oldest_goes() -> None:
    async with conversation() as (worker, owner, _):
        for number in range(MOST_WAITING + 10):
            worker.send(GiveBack(number, 1))
        assert worker.dropped == 10
        assert await heard(owner, 1) == [GiveBack(10, 1)]


async def test_what_waits_is_bounded_by_its_bytes_as_well() -> None:
    async with conversation() as (worker, _, _):
        for _ in range(10):
            worker.send(Kept("a/b", {}, [], b"x" * (MOST_BYTES // 2), 0.0))
        assert worker.dropped > 0


async def test_sending_to_one_who_has_gone_is_no_error() -> None:
    async with conversation() as (worker, owner, _):
        await owner.close()
        for _ in range(100):
            worker.send(Ready())
        await worker.flush()
        assert worker.dropped == 0
        assert [message async for message in worker] == []


def test_a_configuration_shows_no_key() -> None:
    assert "key" not in repr(SAID[0])
