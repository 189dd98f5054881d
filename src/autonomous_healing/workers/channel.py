"""Messages between two processes: a length of four bytes, then the message, either way."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Generic, TypeVar

import msgspec

In = TypeVar("In")
Out = TypeVar("Out")

#: Bytes of one message at most: the largest holds an answer that is judged at once, or the settings.
MOST_BYTES = 4 * 1_048_576

#: What may wait to be sent; beyond that the oldest message goes. Leases end by themselves: none is vital.
MOST_WAITING, MOST_BYTES_WAITING = 4096, 16 * 1_048_576

_LENGTH = 4

#: For what is still to be said at the end.
_FLUSH_SECONDS = 0.5


class BrokenChannel(ConnectionError):
    """The other side sent what is no message."""


class Channel(Generic[In, Out]):
    """One end. Sending never waits; reading ends where the other side does."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        decoder: "msgspec.msgpack.Decoder[In]",
    ) -> None:
        self.dropped = 0  #: messages that the other side was too slow for
        self._reader = reader
        self._writer = writer
        self._decoder = decoder
        self._encoder = msgspec.msgpack.Encoder()
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._sending = asyncio.create_task(self._send_all())

    def send(self, message: Out) -> None:
        """As soon as the other side takes it. Raises `ValueError` for one that is too long."""
        frame = self._encoder.encode(message)
        if len(frame) > MOST_BYTES:
            raise ValueError(f"a message of {len(frame)} bytes")
        self._waiting.append(frame)
        self._bytes += len(frame)
        while len(self._waiting) > MOST_WAITING or self._bytes > MOST_BYTES_WAITING:
            self._bytes -= len(self._waiting.popleft())
            self.dropped += 1
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[In]:
        """Until the other side ends. Raises `BrokenChannel`."""
        while True:
            try:
                size = int.from_bytes(await self._reader.readexactly(_LENGTH))
                if size > MOST_BYTES:
                    raise BrokenChannel(f"a message of {size} bytes")
                frame = await self._reader.readexactly(size)
            except (asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError):
                return
            try:
                message = self._decoder.decode(frame)
            except msgspec.MsgspecError as wrong:  # its text may hold what was sent
                raise BrokenChannel(f"no message: {type(wrong).__name__}") from None
            yield message

    async def flush(self) -> None:
        """Until all has been sent, at most a moment: whoever reads may be gone."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _FLUSH_SECONDS
        while self._waiting and not self._sending.done() and loop.time() < end:
            await asyncio.wait({self._sending}, timeout=0.01)

    async def close(self) -> None:
        """What still waits is not sent."""
        self._sending.cancel()
        await asyncio.gather(self._sending, return_exceptions=True)
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _send_all(self) -> None:
        with suppress(ConnectionError):  # whoever reads finds out that the other side has gone
            while True:
                await self._news.wait()
                self._news.clear()
                while self._waiting:
                    frame = self._waiting.popleft()
                    self._bytes -= len(frame)
                    self._writer.writelines((len(frame).to_bytes(_LENGTH), frame))
                    await self._writer.drain()
