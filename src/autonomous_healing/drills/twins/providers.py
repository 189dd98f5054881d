"""The five providers by source id, and what every one of them can do."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from autonomous_healing.drills.twins import alpha_vantage, exchange_rate, fred, polygon, yahoo
from autonomous_healing.drills.twins.market import Market
from autonomous_healing.drills.twins.rendered import FoundKey, Rendered


class Provider(Protocol):
    """What a provider's module offers."""

    def render(self, market: Market, path: str, query: Mapping[str, str], at: datetime) -> Rendered: ...

    def endpoint(self, path: str) -> str: ...

    def find_key(self, path: str, query: Mapping[str, str], bearer: str) -> FoundKey: ...

    def needs_key(self, path: str) -> bool: ...


PROVIDERS: dict[str, Provider] = {
    "yahoo_finance": yahoo,
    "fred_api": fred,
    "polygon_io": polygon,
    "alpha_vantage": alpha_vantage,
    "exchange_rate_api": exchange_rate,
}

#: Hosts of a source; the second of Exchange Rate API is the open one.
HOSTS = {source: 2 if source in ("yahoo_finance", "exchange_rate_api") else 1 for source in PROVIDERS}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """What was asked of whom and when; path and query are without the key."""

    source: str
    market: Market
    path: str
    query: Mapping[str, str]
    at: datetime
    key: str = ""

    @property
    def endpoint(self) -> str:
        return PROVIDERS[self.source].endpoint(self.path)


def render(source: str, market: Market, path: str, query: Mapping[str, str], at: datetime) -> Rendered:
    """What the source truthfully answers at that second; raises KeyError for an unknown source."""
    return PROVIDERS[source].render(market, path, query, at)


def truthful(ask: Ask) -> Rendered:
    return render(ask.source, ask.market, ask.path, ask.query, ask.at)
