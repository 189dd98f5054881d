"""Those who ask a proxy: at a steady pace whatever comes back, one after the other, or all at once."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

from bench.rig.faults import CannotMeasure
from bench.rig.flaky import FlakyOrigin
from bench.rig.processes import CLOCK
from bench.rig.rough import Client, connect

_WARMING_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Way:
    """One proxy, before an origin of its own that counts what it is asked."""

    name: str
    port: int
    path: str  #: as the proxy is asked, with `{}` for the key
    origin: FlakyOrigin

    def request(self, key: str, headers: Mapping[str, str]) -> bytes:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"GET {self.path.format(key)} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n".encode()


@dataclass(frozen=True, slots=True)
class Taken:
    """What one caller got."""

    asked: float  #: by the loop's clock
    seconds: float
    right: bool  #: the whole truth, whatever its age


class Callers:
    """All of them on one way, over connections that are kept; `patience` in seconds."""

    def __init__(self, way: Way, *, patience: float, headers: Mapping[str, str]) -> None:
        self.way = way
        self.taken: list[Taken] = []
        self._patience = patience
        self._headers = headers
        self._idle: list[Client] = []

    async def ask(self, key: str) -> Taken:
        """One question, on a connection that is free or new; what comes of it is kept in `taken`."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        taken = Taken(asked, *await self._answer(key, asked))
        self.taken.append(taken)
        return taken

    async def _answer(self, key: str, asked: float) -> tuple[float, bool]:
        try:
            client = await self._client()
        except OSError:
            return asyncio.get_running_loop().time() - asked, False
        reply = await client.ask(self.way.request(key, self._headers), self._patience)
        if client.lost_at is None and not reply.late:
            self._idle.append(client)
        right = reply.whole and reply.status == 200 and reply.body == self.way.origin.truth(key)
        return asyncio.get_running_loop().time() - asked, right

    async def _client(self) -> Client:
        while self._idle:
            client = self._idle.pop()
            if client.lost_at is None:
                return client
        return await connect(self.way.port)

    async def warm(self, keys: Iterable[str], seconds: float = _WARMING_SECONDS) -> None:
        """Until each key was answered well once; `CannotMeasure` where one never is."""
        deadline = CLOCK.monotonic() + seconds
        for key in keys:
            while not (await self.ask(key)).right:
                if CLOCK.monotonic() > deadline:
                    raise CannotMeasure(f"{self.way.name} has no good answer even while all is well")
                await CLOCK.sleep(0.1)
        self.taken.clear()

    async def in_turn(self, keys: Iterable[str], callers: int) -> None:
        """All keys once, by so many callers that wait for their answers."""
        waiting = iter(keys)

        async def one() -> None:
            for key in waiting:
                await self.ask(key)

        await asyncio.gather(*(one() for _ in range(callers)))

    async def herd(self, key: str, size: int) -> None:
        """So many at the same moment, each on a connection that is there already."""
        self._idle += [await connect(self.way.port) for _ in range(size - len(self._idle))]
        await asyncio.gather(*(self.ask(key) for _ in range(size)))

    @asynccontextmanager
    async def steadily(self, keys: Sequence[str], rate: float) -> AsyncIterator[None]:
        """Meanwhile ask for these, over and over, `rate` times a second; the last answers are waited for."""
        enough = asyncio.Event()
        asking = asyncio.create_task(self._go_on(keys, rate, enough))
        try:
            yield
        except BaseException:
            asking.cancel()
            raise
        finally:
            enough.set()
            await asyncio.gather(asking, return_exceptions=asking.cancelling() > 0)

    async def _go_on(self, keys: Sequence[str], rate: float, enough: asyncio.Event) -> None:
        start = CLOCK.monotonic()
        async with asyncio.TaskGroup() as group:
            for turn in count():
                await CLOCK.sleep(start + turn / rate - CLOCK.monotonic())
                if enough.is_set():
                    return
                group.create_task(self.ask(keys[turn % len(keys)]))

    def close(self) -> None:
        for client in self._idle:
            client.leave(reset=False)
