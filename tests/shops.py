"""A raw source behind the shared cache, over real sockets, with an origin on loopback that counts."""

from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.caching.shared import Behind, SharedCache
from tests.caching import member
from tests.clock import HurriedClock, ManualClock
from tests.lanes import House, shop
from tests.wire_origins import Asked, RawOrigin, Said, Script, answer

#: Of an origin: one that keeps bodies of up to 64 KiB whole on the way.
LIMITS = wire.ServerLimits(buffer_bytes=65_536)


@dataclass
class Origin:
    """Answers each question with its number, and with what it was told to say."""

    clock: ManualClock
    fields: tuple[str, ...] = ("Cache-Control: max-age=60",)
    status: str = "200 OK"
    body: bytes | None = None
    turns: deque[bytes | Script] = field(default_factory=deque)  #: what is done instead, once each
    heads: list[str] = field(default_factory=list)

    async def __call__(self, asked: Asked) -> None:
        self.heads.append(asked.head.decode("latin-1").lower())
        turn = self.turns.popleft() if self.turns else self.says()
        if isinstance(turn, bytes):
            await asked.line.send(turn)
        else:
            await turn(asked)

    def says(self, body: bytes | None = None, *more: str, status: str = "") -> bytes:
        """What it answers now."""
        fields = [f"Date: {self.date()}", f"Number: {len(self.heads)}", *(more or self.fields)]
        own = b"answer %d" % len(self.heads) if self.body is None else self.body
        lines = [one.encode("latin-1") for one in fields]
        return answer(own if body is None else body, *lines, status=(status or self.status).encode())

    def date(self, seconds: float = 0.0) -> str:
        """So many seconds from now."""
        return format_datetime(self.clock.now() + timedelta(seconds=seconds), usegmt=True)

    @property
    def asked(self) -> int:
        """How often it was asked."""
        return len(self.heads)


@dataclass
class CachedShop:
    """The house, its cache, and its origin."""

    house: House
    origin: Origin
    listener: RawOrigin
    clock: ManualClock

    @property
    def cache(self) -> SharedCache:
        return self.house.shared

    @property
    def port(self) -> int:
        return self.house.server.port_of("my_shop")

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return self.house.server.in_flight

    async def ask(self, target: str = "/x", **how: Any) -> Said:
        return await self.house.ask(target, port=self.port, **how)

    def later(self, seconds: float) -> None:
        """So much time passes."""
        self.clock.pass_time(seconds)


def status(said: Said) -> dict[str, Any]:
    """What is told of our cache."""
    return member(", ".join(said.all("cache-status")).encode("latin-1"))


@asynccontextmanager
async def cached_shop(
    *fields: str,
    behind: Behind | None = None,
    house_of: Mapping[str, Any] | None = None,
    clock: ManualClock | None = None,
    **settings: Any,
) -> AsyncIterator[CachedShop]:
    """`fields`: what its origin says; `settings` are the source's."""
    clock = clock or HurriedClock()
    origin = Origin(clock, fields or Origin.fields)
    rooms = {"limits": LIMITS, "clock": clock, "behind": behind, **(house_of or {})}
    settings = {"cache": "shared", "mount": "/", "port": 0, **settings}
    async with shop(origin, house_of=rooms, **settings) as here:
        yield CachedShop(here.house, origin, here.origin, clock)
