"""The data endpoints we stand in front of: who provides them, how they are asked and what they bring."""

import string
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Literal
from urllib.parse import quote, urlencode

#: Names of parameters that hold a secret, in lower case and with `_`, at any source we know or may meet: a
#: caller that mixes sources up must not leave its key in a trail.
SECRET_PARAMS = frozenset({
    "access_key", "access_token", "api_key", "api_token", "apikey", "app_key", "appid", "auth", "auth_token",
    "authorization", "bearer", "client_secret", "credential", "credentials", "crumb", "jwt", "key", "passwd",
    "password", "private_key", "pwd", "refresh_token", "secret", "secret_key", "session", "session_id", "sig",
    "signature", "subscription_key", "token", "x_api_key",
})  # fmt: skip


def is_secret(name: str) -> bool:
    """Whether a parameter of that name may hold a secret: it never reaches a copy, a trail or a table."""
    return name.strip().lower().replace("-", "_") in SECRET_PARAMS


class DataKind(StrEnum):
    """What kind of data an endpoint brings; freshness and stale windows go by it."""

    QUOTE = "quote"
    INTRADAY = "intraday"
    DAILY = "daily"
    MACRO = "macro"
    FX = "fx"
    REFERENCE = "reference"
    OTHER = "other"


#: Data is judged and healed; what is raw is passed on as it is.
SourceKind = Literal["data", "raw"]

#: Shared: answers of a raw source are kept as HTTP allows a cache that many callers share (RFC 9111).
SourceCache = Literal["off", "shared"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Auth:
    """Where a provider wants its key."""

    place: Literal["none", "query", "path", "header"] = "none"
    name: str = ""  #: of the query parameter or of the header


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A provider: what never changes about it in code, and what the operator set."""

    id: str  #: "yahoo_finance"
    display_name: str
    segment: str  #: its first path segment on the proxy, "yahoo"
    auth: Auth
    hosts: tuple[str, ...]  #: base URLs, in order of preference
    expected_response: float  #: seconds
    retry_delay: float  #: seconds a throttled key rests where the provider does not say
    quota_rest: float  #: seconds a spent quota is left alone where the provider does not say
    rotate_on: Collection[str]  #: key states that allow going over to another key
    terms_allow_rotation: bool  #: the provider's terms let us go round the limits of one key by another
    while_revalidate: bool  #: a copy that has just expired answers while a new one is fetched
    cache: SourceCache  #: whether answers of a raw one are kept
    stale_if_error: bool  #: what is kept stands in where it fails
    kind: SourceKind
    allow_private: bool  #: addresses of this machine and of private networks may be connected to
    ca_file: str  #: a certificate authority that is trusted beside the system's; empty for none
    mount: str  #: the path on the proxy below which it answers, "/api/yahoo"
    port: int | None  #: of its own, 0 for any; None where it answers on the proxy's

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One kind of question that a provider answers."""

    source: Source
    name: str  #: "/chart"
    path: str  #: upstream path with `{parameters}`
    routes: tuple[str, ...]  #: paths below `/api/<segment>` on the proxy
    kind: DataKind
    timeout: float = 10.0  #: seconds for one attempt
    defaults: Mapping[str, str]  #: parameters added where the caller gave none
    always: Mapping[str, str] = field(default_factory=dict)  #: and those that are ours, whatever it gave

    @cached_property
    def path_params(self) -> frozenset[str]:
        """Parameters that stand in the path, the key aside."""
        names = {name for _, name, _, _ in string.Formatter().parse(self.path) if name}
        return frozenset(names - {"key"})

    def asked(self, params: Mapping[str, str]) -> dict[str, str]:
        """The parameters of a question as they are sent, its key aside: keys are ours to add."""
        ours = self.source.auth.name.lower() if self.source.auth.place == "query" else None
        given = {
            name: value for name, value in params.items() if not is_secret(name) and name.lower() != ours
        }
        return {**self.defaults, **given, **self.always}

    @cached_property
    def place(self) -> str:
        """ "yahoo_finance/chart": where a fault of this endpoint is."""
        return f"{self.source.id}{self.name}"

    def kind_of(self, params: Mapping[str, str]) -> DataKind:
        """The kind of data that these parameters ask for."""
        return kind_by_params(self, params)

    def upstream_path(self, params: Mapping[str, str], key: str | None) -> str:
        """Path and query as sent to the provider, its key in its place."""
        values = {name: quote(params[name], safe="") for name in self.path_params}
        query = [(name, value) for name, value in params.items() if name not in self.path_params]
        if key is not None and self.source.auth.place == "query":
            query.append((self.source.auth.name, key))
        path = self.path.format(**values, key=quote(key or "", safe=""))
        return f"{path}?{urlencode(query)}" if query else path

    def key_headers(self, key: str | None) -> dict[str, str]:
        """The header that carries the key, where the provider wants it in one (RFC 6750, section 2.1)."""
        auth = self.source.auth
        if key is None or auth.place != "header":
            return {}
        return {auth.name: f"Bearer {key}" if auth.name.lower() == "authorization" else key}

    def resource(self, params: Mapping[str, str]) -> str:
        """The same for every way of asking the same: the key of copies and of comparisons."""
        return _resource(self.place, tuple(sorted(params.items())))

    def __str__(self) -> str:
        return self.place


@lru_cache(maxsize=4096)
def _resource(place: str, params: tuple[tuple[str, str], ...]) -> str:
    return f"{place}?{urlencode(params)}"


def kind_by_params(endpoint: Endpoint, params: Mapping[str, str]) -> DataKind:
    """Bars shorter than a day are intraday; Alpha Vantage tells by its function."""
    match endpoint.source.id, endpoint.name:
        case "yahoo_finance", "/chart":
            short = params.get("interval", "1d")[-1:] in ("m", "h")
            return DataKind.INTRADAY if short else DataKind.DAILY
        case "polygon_io", "/v2/aggs":
            short = params.get("timespan") in ("second", "minute", "hour")
            return DataKind.INTRADAY if short else DataKind.DAILY
        case "alpha_vantage", "/query":
            return _kind_of_function(params.get("function", ""))
        case _:
            return endpoint.kind


def _kind_of_function(function: str) -> DataKind:
    match function.upper():
        case "GLOBAL_QUOTE":
            return DataKind.QUOTE
        case "TIME_SERIES_INTRADAY":
            return DataKind.INTRADAY
        case "CURRENCY_EXCHANGE_RATE" | "FX_DAILY":
            return DataKind.FX
        case name if name.startswith(("TIME_SERIES_DAILY", "TIME_SERIES_WEEKLY", "TIME_SERIES_MONTHLY")):
            return DataKind.DAILY
        case _:
            return DataKind.OTHER
