"""The drill's clients: they ask over real sockets and keep what they got. They know nothing of the script."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import aiohttp

from autonomous_healing.drills.scenario import Planned
from autonomous_healing.resilience import Clock

#: A client gives up after this, in seconds: later than the product's own deadline.
PATIENCE = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What one client got."""

    planned: Planned
    sent_at: datetime
    received_at: datetime
    seconds: float
    status: int  #: 0 when no whole answer came
    headers: Mapping[str, str]  #: names in lower case
    body: bytes

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300


class Clients:
    """Many independent callers of one proxy."""

    def __init__(self, base_url: str, clock: Clock) -> None:
        self._base_url = base_url
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Clients":
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=PATIENCE)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def follow(
        self, plan: Sequence[Planned], heard: Callable[[Answer], None], started: float | None = None
    ) -> None:
        """Ask each question at its time, whatever became of those before it."""
        start = self._clock.monotonic() if started is None else started
        async with asyncio.TaskGroup() as asking:
            for planned in plan:
                await self._clock.sleep(start + planned.at - self._clock.monotonic())
                asking.create_task(self._ask_and_tell(planned, heard))

    async def ask(self, planned: Planned) -> Answer:
        """One request from the sending to the last byte."""
        if self._session is None:
            raise RuntimeError("clients are used inside `async with`")
        sent_at, start = self._clock.now(), self._clock.monotonic()
        headers = {"X-Request-Id": planned.id} | ({"Healing-Allow": planned.allow} if planned.allow else {})
        status, got, body = 0, {}, b""
        try:
            async with self._session.get(self._base_url + planned.question.ask, headers=headers) as response:
                body = await response.read()
                status = response.status
                got = {name.lower(): value for name, value in response.headers.items()}
        except (aiohttp.ClientError, TimeoutError) as trouble:
            body = repr(trouble).encode()
        return Answer(
            planned=planned,
            sent_at=sent_at,
            received_at=self._clock.now(),
            seconds=self._clock.monotonic() - start,
            status=status,
            headers=got,
            body=body,
        )

    async def _ask_and_tell(self, planned: Planned, heard: Callable[[Answer], None]) -> None:
        heard(await self.ask(planned))
