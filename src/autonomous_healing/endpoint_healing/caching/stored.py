"""One answer as it is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from zlib import crc32

from autonomous_healing.endpoint_healing.caching.aging import freshness_lifetime, initial_age
from autonomous_healing.endpoint_healing.caching.answers import AnswerFacts, read_answer, stored_fields
from autonomous_healing.endpoint_healing.caching.status import hit_lines
from autonomous_healing.endpoint_healing.caching.varying import variant_key
from autonomous_healing.wire import status_line, whole_head
from autonomous_healing.wire.message import Fields

#: Bytes in memory beside body and head, roughly: the objects themselves.
_OVERHEAD = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An answer as it came from its source, and when."""

    status: int
    fields: Fields  #: that may go on to the next hop
    body: bytes = b""
    at: float  #: monotonic seconds
    took: float  #: seconds since it was asked for
    date: float  #: Unix seconds, here; where the clock is in doubt, the earlier


class StoredAnswer:
    """Ages by monotonic time: dates count only once, when it comes."""

    __slots__ = (
        "_head", "_head_said", "body", "checked_at", "checksum", "facts", "fields", "hits", "initial_age",
        "key", "lifetime", "place", "plain_head", "private", "received_at", "resource", "size", "status",
        "strict", "varies",
    )  # fmt: skip

    def __init__(
        self, place: str, resource: bytes, request: Fields, received: Received, *, private: bool = False
    ) -> None:
        """`place`: of the endpoint that it is from. `private`: it may touch somebody, so never lies on disk.

        Raises `ValueError` for fields that would break a head, or that nothing could ever match.
        """
        self.place = place
        self.resource = resource
        self.private = private
        self.hits = 0  #: times it was given without asking the source
        self.body = received.body
        self.checksum = crc32(received.body)
        self._take_head(received.status, received.fields, received)
        self.key = variant_key(resource, self.varies, request)  #: of the variant

    def _take_head(self, status: int, fields: Sequence[tuple[bytes, bytes]], received: Received) -> None:
        self.facts: AnswerFacts = read_answer(status, fields, received.date)
        self.status = status
        self.fields = stored_fields(fields, self.facts)
        if self.facts.varies is None:
            raise ValueError("nothing could ever match it")
        self.varies = self.facts.varies  #: fields of a request by which it is chosen
        self.lifetime = freshness_lifetime(self.facts)
        self.initial_age = initial_age(self.facts, received.took, received.date)
        self.received_at = self.checked_at = received.at
        rules = self.facts.rules
        #: It must not be given once it is over without asking (RFC 9111, sections 4.2.4 and 5.2.2).
        self.strict = (
            rules.must_revalidate or rules.proxy_revalidate or rules.no_cache or rules.s_maxage is not None
        )
        length = None if status in (204, 304) else len(self.body)
        #: For the wire, less what is said of its way through the cache.
        self.plain_head = whole_head(status_line(status), self.fields, length)
        self._head, self._head_said = b"", (-1, "")
        self.size = len(self.body) + 3 * len(self.plain_head) + _OVERHEAD

    def __repr__(self) -> str:
        return f"<StoredAnswer {self.status}, {len(self.body)} bytes, fresh for {self.lifetime:g}s>"

    def age(self, now: float) -> float:
        """Seconds since it was made, by the monotonic clock."""
        return self.initial_age + max(0.0, now - self.received_at)

    def head(self, age: float, detail: str = "") -> bytes:
        """Of a hit, ready for the wire; made once a second. `detail`: why it is given though it is over."""
        said = (int(age), detail)
        if said != self._head_said:
            self._head = self.plain_head + hit_lines(said[0], floor(self.lifetime - age), detail)
            self._head_said = said
        return self._head

    def freshened(self, fields: Sequence[tuple[bytes, bytes]], received: Received) -> None:
        """It was confirmed: these are its fields from now on, and its time begins anew."""
        self._take_head(self.status, fields, received)

    @property
    def is_whole(self) -> bool:
        """Whether its body is what it was."""
        return crc32(self.body) == self.checksum
