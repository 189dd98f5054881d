"""What can be made to go wrong at a twin, and the script that says when. Sends nothing itself."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FaultKind(StrEnum):
    """The scripted faults."""

    LATENCY = "latency"  #: slow, but good
    HANG = "hang"  #: no answer until the client gives up
    RESET = "reset"  #: connection reset before the head
    CUT = "cut"  #: the body ends before its Content-Length
    THROTTLE = "throttle"  #: too many requests, with Retry-After
    THROTTLE_BARE = "throttle_bare"  #: too many requests, without Retry-After
    QUOTA = "quota"  #: the allowance of the day or month is spent
    UNAUTHORIZED = "unauthorized"  #: the key is refused
    FORBIDDEN = "forbidden"  #: access is refused
    PLAN = "plan"  #: the key is good, its plan too small
    SERVER_ERROR = "server_error"  #: 500, 502 or 503, chosen by the seed
    HTML = "html"  #: status 200 with a web page
    EMPTY = "empty"  #: status 200 without a body
    MISSING = "missing"  #: well-formed, the data absent
    WRONG_SHAPE = "wrong_shape"  #: right top level, wrong types below
    IMPLAUSIBLE = "implausible"  #: right shape, impossible values
    STALE = "stale"  #: the healthy answer of long ago
    FROZEN = "frozen"  #: the healthy answer of the fault's start, for ever
    OUTAGE = "outage"  #: every connection is reset as soon as it is accepted

    @property
    def error_type(self) -> str:
        """The wire error type that a client must make of it."""
        return _ERROR_TYPES[self]


_ERROR_TYPES = {
    FaultKind.LATENCY: "timeout",
    FaultKind.HANG: "timeout",
    FaultKind.RESET: "network_error",
    FaultKind.CUT: "network_error",
    FaultKind.OUTAGE: "network_error",
    FaultKind.THROTTLE: "rate_limit_429",
    FaultKind.THROTTLE_BARE: "rate_limit_429",
    FaultKind.QUOTA: "quota_exceeded",
    FaultKind.UNAUTHORIZED: "auth_error_403",
    FaultKind.FORBIDDEN: "auth_error_403",
    FaultKind.PLAN: "auth_error_403",
    FaultKind.SERVER_ERROR: "server_error_5xx",
    FaultKind.HTML: "parsing_error",
    FaultKind.EMPTY: "parsing_error",
    FaultKind.MISSING: "missing_data",
    FaultKind.WRONG_SHAPE: "invalid_data",
    FaultKind.IMPLAUSIBLE: "invalid_data",
    FaultKind.STALE: "stale_data",
    FaultKind.FROZEN: "stale_data",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One scripted fault: what goes wrong, for whom, and how long."""

    kind: FaultKind
    source: str
    endpoint: str = "*"  #: `*` for all
    path_part: str = ""  #: only requests with this in their path
    host: int | None = None  #: index of the host, None for all
    key: str | None = None  #: only exchanges with this key
    request_ids: frozenset[str] | None = None  #: only exchanges that carry one of these
    exchanges: int | None = None  #: only the first so many matching exchanges of each request id
    starts_at: datetime | None = None
    ends_at: datetime | None = None  #: the first moment without the fault
    seconds: float = 1.0  #: the delay, or what Retry-After says
    note: str = ""

    def __post_init__(self) -> None:
        if self.kind is FaultKind.FROZEN and self.starts_at is None:
            raise ValueError("a frozen fault needs starts_at: the moment whose answer it repeats")

    def covers(self, exchange: "Exchange") -> bool:
        """Whether the fault speaks of this exchange; its count is the script's affair."""
        return (
            self.covers_connection(exchange.source, exchange.host, exchange.at)
            and self.endpoint in ("*", exchange.endpoint)
            and self.path_part in exchange.path
            and self.key in (None, exchange.key)
            and (self.request_ids is None or exchange.request_id in self.request_ids)
        )

    def covers_connection(self, source: str, host: int, at: datetime) -> bool:
        """Whether source, host and time agree: all that is known before a request is read."""
        return (
            self.source == source
            and self.host in (None, host)
            and (self.starts_at is None or self.starts_at <= at)
            and (self.ends_at is None or at < self.ends_at)
        )

    @property
    def hits_connections(self) -> bool:
        """True for an outage that asks for nothing only a request could tell."""
        everyone = (
            self.endpoint == "*" and not self.path_part and self.key is None and self.request_ids is None
        )
        return self.kind is FaultKind.OUTAGE and everyone and self.exchanges is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """One request that a twin saw, and what it sent; path and query are without the key."""

    at: datetime
    source: str
    host: int
    endpoint: str  #: empty when the connection was reset before its request was read
    path: str = ""
    query: Mapping[str, str]
    key: str = ""
    request_id: str = ""
    user_agent: str = ""
    fault: Fault | None = None
    status: int | None = None  #: None when no head was sent
    digest: str = ""  #: SHA-256, in hex, of the body as far as it was sent
    true_at: datetime | None = None  #: when what was sent was the truth; None when it never was


class FaultScript:
    """The faults of a drill, in order: the first that matches an exchange wins."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.faults = tuple(faults)
        self._spent: Counter[tuple[int, str]] = Counter()

    def fault_for(self, exchange: Exchange) -> Fault | None:
        """The fault for this exchange, counted against its `exchanges`."""
        for number, fault in enumerate(self.faults):
            if fault.covers(exchange) and self._take(number, fault, exchange.request_id):
                return fault
        return None

    def outage_for(self, source: str, host: int, at: datetime) -> Fault | None:
        """The outage, if any, that refuses every connection to this host."""
        refusing = (fault for fault in self.faults if fault.hits_connections)
        return next((fault for fault in refusing if fault.covers_connection(source, host, at)), None)

    def _take(self, number: int, fault: Fault, request_id: str) -> bool:
        if fault.exchanges is None:
            return True
        self._spent[number, request_id] += 1
        return self._spent[number, request_id] <= fault.exchanges
