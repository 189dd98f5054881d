"""The twins of all five providers, set up and taken down together."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

import aiohttp

from autonomous_healing.drills.questions import Question
from autonomous_healing.drills.scenario import KEYS
from autonomous_healing.drills.twins import Exchange, Fault, FaultScript, Market, TwinServer
from autonomous_healing.resilience import Clock

#: Sources and how many hosts of each the product is told of.
HOSTS = {"yahoo_finance": 2, "fred_api": 1, "polygon_io": 1, "alpha_vantage": 1, "exchange_rate_api": 1}


class Stage:
    """Used as `async with`: the twins answer truthfully until the faults are laid."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self._script = FaultScript()
        self._stack = AsyncExitStack()
        self.market = Market(seed, clock.now())
        self._twins = {
            source: TwinServer(
                source, self.market, self._script, clock, hosts, frozenset(KEYS.get(source, ()))
            )
            for source, hosts in HOSTS.items()
        }

    async def __aenter__(self) -> "Stage":
        for twin in self._twins.values():
            await twin.start()
            self._stack.push_async_callback(twin.stop)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def hosts(self, source: str) -> tuple[str, ...]:
        return self._twins[source].urls

    def lay(self, faults: Sequence[Fault]) -> None:
        """From now on this goes wrong."""
        self._script.faults = tuple(faults)

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self._script.faults

    def exchanges(self) -> list[Exchange]:
        """Everything that every twin saw."""
        return [exchange for twin in self._twins.values() for exchange in twin.exchanges]

    async def ask_directly(self, session: aiohttp.ClientSession, question: Question) -> None:
        """The same question without the product in between; raises what the HTTP library raises."""
        key = KEYS.get(question.source, ("",))[0]
        query = {**question.query, **_key_in_query(question.source, key)}
        url = self.hosts(question.source)[0] + question.path.replace("/-/", f"/{key}/")
        async with session.get(url, params=query) as response:
            await response.read()


def _key_in_query(source: str, key: str) -> Mapping[str, str]:
    names = {"fred_api": "api_key", "polygon_io": "apiKey", "alpha_vantage": "apikey"}
    return {names[source]: key} if source in names else {}
