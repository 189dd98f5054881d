"""Callers on kept connections, each of which knows which process of the product it is connected to."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

#: So many connections leave no process without one, but once in a great many runs.
_MOST_CONNECTIONS = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """One whole answer."""

    status: int
    fields: Mapping[str, str]  #: names in lower case
    body: bytes

    @property
    def closes(self) -> bool:
        return self.fields.get("connection") == "close"


class Caller:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.port: int = writer.get_extra_info("sockname")[1]
        self.whole = 0  #: answers that have come

    async def ask(self, target: str, method: str = "GET", **fields: str) -> Heard:
        """Raises `IncompleteReadError` or `ConnectionError` where the answer is not whole."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        self._writer.write(f"{method} {target} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.strip().split("\r\n")
        told = {name.lower(): value for name, _, value in (one.partition(": ") for one in rest)}
        length = 0 if method == "HEAD" else int(told.get("content-length", "0"))
        body = await self._reader.readexactly(length)
        self.whole += 1
        return Heard(status=int(line.split(" ")[1]), fields=told, body=body)

    def leave(self) -> None:
        """Whatever is still on its way."""
        self._writer.transport.abort()


async def call_in(port: int) -> Caller:
    """Connected to any process that listens there."""
    return Caller(*await asyncio.open_connection("127.0.0.1", port))


@asynccontextmanager
async def callers_of(port: int, pids: Iterable[int]) -> AsyncIterator[dict[int, Caller]]:
    """One for each process, by its pid; fails where one of them does not accept."""
    wanted = set(pids)
    found: dict[int, Caller] = {}
    others: list[Caller] = []
    try:
        while len(found) < len(wanted):
            assert len(others) < _MOST_CONNECTIONS, f"only {sorted(found)} of {sorted(wanted)} accept"
            caller = await call_in(port)
            await caller.ask("/livez")  # it is accepted by then
            pid = whose(caller, port, wanted)
            if pid is None or pid in found:
                others.append(caller)
            else:
                found[pid] = caller
        yield found
    finally:
        for caller in (*found.values(), *others):
            caller.leave()


def whose(caller: Caller, port: int, pids: Iterable[int]) -> int | None:
    """The process at the other end of a connection."""
    for pid in pids:
        for one in psutil.Process(pid).net_connections("tcp"):
            if one.laddr and one.raddr and (one.laddr.port, one.raddr.port) == (port, caller.port):
                return pid
    return None
