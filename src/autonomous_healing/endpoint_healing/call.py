"""One request for data, what came of it, and how it failed. Facts only: nothing here knows how to heal."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

from autonomous_healing.endpoint_healing.caching.directives import NO_WISHES, RequestDirectives
from autonomous_healing.endpoint_healing.codes import Blame
from autonomous_healing.endpoint_healing.endpoints import DataKind, Endpoint
from autonomous_healing.endpoint_healing.fidelity import Fidelity, Policy
from autonomous_healing.endpoint_healing.keeping import UNSAID, Keeping
from autonomous_healing.endpoint_healing.priority import OF_PURPOSE, Priority
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.records import Record
from autonomous_healing.resilience import Deadline

Origin = Literal["live", "probe", "drill"]


@dataclass(slots=True)
class Spent:
    """What one request has cost its source so far."""

    extra: int = 0  #: calls beyond the first
    left_out: bool = False  #: it is not to be asked for this, for its own good


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request for data, from a caller or from a probe."""

    id: UUID  #: of its trail
    endpoint: Endpoint
    params: Mapping[str, str]
    policy: Policy
    deadline: Deadline
    origin: Origin = "live"
    headers: Mapping[str, str] = field(default_factory=dict)  #: the caller's, as far as they may go upstream
    wishes: RequestDirectives = NO_WISHES  #: what the caller wants of copies
    hurried: bool = False  #: the caller gives less time than the product itself would
    batch: bool = False  #: the caller can wait until others have been served
    spent: Spent = field(default_factory=Spent, compare=False)  #: shared with what is asked in its place

    @property
    def resource(self) -> str:
        return self.endpoint.resource(self.params)

    @property
    def purpose(self) -> Purpose:
        """Why its first attempt is made."""
        match self.origin:
            case "live":
                return Purpose.BATCH if self.batch else Purpose.FIRST
            case "probe":
                return Purpose.PROBE
            case "drill":
                return Purpose.DRILL

    @property
    def priority(self) -> Priority:
        """Who goes before it where not all can."""
        return OF_PURPOSE.get(self.purpose, Priority.INTERACTIVE)

    @property
    def kind(self) -> DataKind:
        return self.endpoint.kind_of(self.params)

    def with_params(self, **changes: str) -> "Call":
        return replace(self, params={**self.params, **changes})


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """An answer that was judged and found good, and where it is from."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)  #: of the upstream, those that mean the data
    source: str
    host: str
    fetched_at: datetime
    record: Record | None = None
    fidelity: Fidelity = Fidelity.EXACT
    age: float | None = None  #: seconds since it was true upstream; None when it was fetched for this request
    ttl: float | None = None  #: seconds for which a copy that was given unasked stays fresh; else None
    original: str = ""  #: the symbol or series that was asked for, where another is delivered
    actual: str = ""  #: the one delivered
    truncated: bool = False
    suspect: bool = False
    delayed: bool = False
    keeping: Keeping = UNSAID  #: what the provider says of copies


class Trouble(StrEnum):
    """Why no answer came at all."""

    TIMED_OUT = "timed_out"
    SOFT_TIMEOUT = "soft_timeout"  #: the attempt goes on in the background
    UNREACHABLE = "unreachable"
    TOO_LARGE = "too_large"  #: larger than we take
    NOT_SENT = "not_sent"  #: too many of our own requests wait for the host


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with an answer that did come."""

    code: str
    message: str
    confidence: float = 0.95
    true_at: datetime | None = None  #: when frozen data was last known to be true


@dataclass(frozen=True, slots=True)
class BadAnswer:
    """The answer that was refused, as the provider gave it, secrets removed."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """One request to an endpoint that brought no usable data."""

    endpoint: Endpoint
    host: str
    observed_at: datetime  #: when the exchange began
    elapsed: timedelta
    status: int | None = None  #: None when no answer came at all
    trouble: Trouble | None = None
    connected: bool = True  #: False where silence began before there was a connection
    finding: Finding | None = None
    refused: str | None = None  #: the code for which no call was made
    retry_after: float | None = None  #: seconds, from the upstream or from what refused
    key_alias: str | None = None
    message: str = ""
    answer: BadAnswer | None = None
    record: Record | None = None  #: of an answer that is well formed but too old
    blame: Blame | None = None  #: None where nothing was asked, or the answer may still come


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedCall:
    """A failure with the question that it failed to answer."""

    call: Call
    failure: Failure

    @property
    def too_hasty(self) -> bool:
        """Whether only the caller's own deadline failed: it tells nothing of anybody else."""
        return self.call.hurried and self.failure.blame is Blame.CALLER

    def __str__(self) -> str:
        return f"{self.call.resource}: {self.failure.message}"
