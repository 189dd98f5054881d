"""What a worker and the owner tell each other. Times are monotonic seconds, the same for all processes."""

from datetime import datetime
from typing import TypeAlias

import msgspec

#: Sockets in the folder that only one account may enter: for these messages, for requests that are handed on
#: as they came, and for first attempts that somebody has to judge and heal.
CHANNEL, REQUESTS, ATTEMPTS = "channel", "requests", "attempts"

#: Between two signs of life of a worker.
LIFE_SECONDS = 1.0

#: Calls that a lease allows where no quota counts them.
UNLIMITED = 1_000_000


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="hello"):
    """A worker is there and wants to know what to do."""

    pid: int


class Ready(msgspec.Struct, frozen=True, array_like=True, tag="ready"):
    """The worker listens."""


class Alive(msgspec.Struct, frozen=True, array_like=True, tag="alive"):
    """Said even where there is nothing to say."""


class AskLease(msgspec.Struct, frozen=True, array_like=True, tag="ask_lease"):
    """Somebody asks for this place; the worker would ask the source itself."""

    place: str


class GiveBack(msgspec.Struct, frozen=True, array_like=True, tag="give_back"):
    """Calls of a lease that were not made, and will not be."""

    number: int
    calls: int


class Seen(msgspec.Struct, frozen=True, array_like=True, tag="seen"):
    """What came of a place since the last time."""

    place: str
    seconds: list[float]  #: of each good answer
    failed: int = 0  #: of sources that are passed through; other failures are handed over one by one


class Kept(msgspec.Struct, frozen=True, array_like=True, tag="kept"):
    """A good answer that differs from the last one told, as it came from the source."""

    place: str
    params: dict[str, str]
    fields: list[tuple[bytes, bytes]]
    body: bytes
    asked_at: float


class Again(msgspec.Struct, frozen=True, array_like=True, tag="again"):
    """The source gave the same answer as last told."""

    resource: str
    crc: int  #: of the body, so that nobody confirms what is held by mistake
    asked_at: float


class Changed(msgspec.Struct, frozen=True, array_like=True, tag="changed"):
    """A raw source has changed something: what is kept of it is worthless. Said in both directions."""

    resource: bytes


class LimitsTold(msgspec.Struct, frozen=True, array_like=True, tag="limits_told"):
    """What an answer of this place has said of limits, asked for with this key."""

    place: str
    alias: str  #: of the key; empty where the source wants none
    fields: dict[str, str]


FromWorker: TypeAlias = (
    Hello | Ready | Alive | AskLease | GiveBack | Seen | Kept | Again | Changed | LimitsTold
)


class Configuration(msgspec.Struct, frozen=True, array_like=True, tag="configuration"):
    """All that a worker needs to begin."""

    number: int  #: of the worker, 1 and up
    settings: bytes  #: as JSON
    secrets: dict[str, list[str]]  #: keys, by source
    sessions: list[tuple[datetime, datetime]] | None  #: of the market; None where it never closes
    port: int  #: of the proxy, as it is bound
    ports: dict[str, int]  #: of sources with one of their own

    def __repr__(self) -> str:
        return f"<Configuration of worker {self.number}>"


class Lease(msgspec.Struct, frozen=True, array_like=True, tag="lease"):
    """The worker may ask for this place with this key, so many times, until then."""

    place: str
    number: int
    alias: str  #: of the key; empty where the source wants none
    calls: int
    until: float


class Revoke(msgspec.Struct, frozen=True, array_like=True, tag="revoke"):
    """No lease for this place holds any more."""

    place: str


class Keys(msgspec.Struct, frozen=True, array_like=True, tag="keys"):
    """The keys of a source are these by now, in the place of all that were told before."""

    source: str
    secrets: dict[str, str]  #: by alias, in order

    def __repr__(self) -> str:
        return f"<Keys {', '.join(self.secrets)}>"


class Drain(msgspec.Struct, frozen=True, array_like=True, tag="drain"):
    """Take no more requests, end those under way, and then yourself."""


FromOwner: TypeAlias = Configuration | Lease | Revoke | Keys | Changed | Drain
