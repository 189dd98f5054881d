"""Requests at a constant rate that wait for no answer: what a user waits who comes when it suits him.

Each target is asked once in every period, in turn and in another order each time, so that what disturbs the
machine disturbs all of them alike.
"""

import asyncio
import gc
from collections import deque
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from bench.rig.faults import WrongAnswer
from bench.rig.framing import Framing
from bench.rig.processes import CLOCK

_CONNECTIONS = 8
_LAST_SECONDS = 5.0  #: in which what is under way must end


async def at_rate(
    urls: Mapping[str, str], rate: float, seconds: float, warm: float = 0.5
) -> dict[str, list[float]]:
    """Seconds that each answer took, by target. Raises `WrongAnswer` for any that was not a good one."""
    targets = {name: _Target(name, url) for name, url in urls.items()}
    try:
        for target in targets.values():
            await target.connect()
        await _ask_all(list(targets.values()), rate, warm)
        for target in targets.values():
            target.seconds.clear()
        gc.collect()
        gc.disable()  # a pause of the client would be taken for one of the proxy
        try:
            await _ask_all(list(targets.values()), rate, seconds)
        finally:
            gc.enable()
        return {name: target.seconds for name, target in targets.items()}
    finally:
        for target in targets.values():
            target.close()


async def _ask_all(targets: Sequence["_Target"], rate: float, seconds: float) -> None:
    slot = 1 / (rate * len(targets))
    start = CLOCK.monotonic()
    for turn in range(int(rate * seconds) * len(targets)):
        wait = start + turn * slot - CLOCK.monotonic()
        if wait > 0:
            await CLOCK.sleep(wait)
        period, place = divmod(turn, len(targets))
        targets[(place + period) % len(targets)].ask()
    deadline = CLOCK.monotonic() + _LAST_SECONDS
    for target in targets:
        while target.under_way and not target.fault and CLOCK.monotonic() < deadline:
            await CLOCK.sleep(0.01)
        target.check()


class _Target:
    """One place that is asked, over a few kept-alive connections."""

    def __init__(self, name: str, url: str) -> None:
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        self.request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        self.seconds: list[float] = []
        self.fault = ""
        self._name = name
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._all: list[_Connection] = []
        self._idle: list[_Connection] = []
        self._due: deque[float] = deque()

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_CONNECTIONS):
            _, connection = await loop.create_connection(lambda: _Connection(self), self._host, self._port)
            self._all.append(connection)
            self._idle.append(connection)

    def ask(self) -> None:
        """At once where a connection is free; else the wait for one counts too."""
        if self._idle:
            self._idle.pop().send(CLOCK.monotonic())
        else:
            self._due.append(CLOCK.monotonic())

    def answered(self, connection: "_Connection", seconds: float) -> None:
        self.seconds.append(seconds)
        if self._due:
            connection.send(self._due.popleft())
        else:
            self._idle.append(connection)

    @property
    def under_way(self) -> bool:
        return bool(self._due) or len(self._idle) < len(self._all)

    def check(self) -> None:
        if self.fault or self.under_way:
            raise WrongAnswer(f"{self._name} at a constant rate: {self.fault or 'no answer'}")

    def close(self) -> None:
        for connection in self._all:
            connection.close()


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, target: _Target) -> None:
        self._target = target
        self._framing = Framing()
        self._since = 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def send(self, since: float) -> None:
        assert self._transport is not None
        self._since = since
        self._transport.write(self._target.request)

    def data_received(self, data: bytes) -> None:
        now = CLOCK.monotonic()
        try:
            status = self._framing.feed(data)
        except (WrongAnswer, ValueError) as wrong:
            self._target.fault = str(wrong)
            return
        if status is None:
            return
        if status != 200:
            self._target.fault = f"status {status}"
        self._target.answered(self, now - self._since)

    def connection_lost(self, exc: Exception | None) -> None:
        self._target.fault = self._target.fault or "a connection was lost"

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
