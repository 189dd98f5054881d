"""What of a request matters to a cache."""

import hashlib
from dataclasses import dataclass
from urllib.parse import unquote_plus

from autonomous_healing.endpoint_healing.caching.directives import (
    NO_WISHES,
    RequestDirectives,
    request_directives,
)
from autonomous_healing.endpoint_healing.endpoints import is_secret
from autonomous_healing.wire.message import Fields, RequestHead

#: Fields that make an answer depend on more than what is asked for.
_SPECIAL = frozenset({
    b"cache-control", b"pragma", b"range", b"if-range", b"if-none-match", b"if-modified-since", b"if-match",
    b"if-unmodified-since",
})  # fmt: skip

#: With their help an origin is led to answer for another place or another method than the one in the key;
#: whoever sends them would poison what others get (`X-Forwarded-...` never goes on at all).
_POISONOUS = frozenset({
    b"x-original-url", b"x-rewrite-url", b"x-original-uri", b"x-original-host", b"x-host",
    b"x-http-method", b"x-http-method-override", b"x-method-override",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRequest:
    """One, as a cache reads it."""

    key: bytes  #: of what is asked for, by callers of this class
    common_key: bytes  #: of the same, asked for without credentials
    method: bytes
    fields: Fields
    wishes: RequestDirectives = NO_WISHES
    authorised: bool = False  #: it comes with credentials
    cookie: bool = False
    secret: bool = False  #: what it asks for may hold a key
    none_match: bytes | None = None
    modified_since: bytes | None = None
    range: bytes | None = None
    if_range: bytes | None = None
    guarded: bool = False  #: to be answered only in one state of the resource, which its origin alone knows
    plain: bool = True  #: nothing of all that: any answer that is fresh will do

    @property
    def cacheable(self) -> bool:
        """Whether a stored answer may answer it."""
        return self.method in (b"GET", b"HEAD") and not self.guarded

    @property
    def may_be_recalled(self) -> bool:
        """Whether an answer to it may lie on disk, and its caller would take that."""
        return self.method == b"GET" and not (self.authorised or self.secret or self.wishes.no_store)

    @property
    def conditional(self) -> bool:
        """Whether its caller holds an answer, too."""
        return self.none_match is not None or self.modified_since is not None


def resource_key(source: str, target: bytes, *, authorised: bool) -> bytes:
    """A digest: a target may hold secrets. Callers with credentials have keys of their own."""
    parts = (source.encode(), b"with credentials" if authorised else b"", target)
    return hashlib.sha256(b"".join([b"%d:%b" % (len(part), part) for part in parts])).digest()


def read_request(source: str, target: bytes, head: RequestHead) -> CacheRequest:
    """`target`: what is asked of that source."""
    fields = head.fields
    names = {name for name, _ in fields}
    authorised = b"authorization" in names
    common = resource_key(source, target, authorised=False)
    key = resource_key(source, target, authorised=True) if authorised else common
    cookie, secret = b"cookie" in names, _may_hold_a_key(target)
    if not names & _SPECIAL:
        return CacheRequest(
            key=key,
            common_key=common,
            method=head.method,
            fields=fields,
            authorised=authorised,
            cookie=cookie,
            secret=secret,
        )
    return CacheRequest(
        key=key,
        common_key=common,
        method=head.method,
        fields=fields,
        wishes=_wishes(fields),
        authorised=authorised,
        cookie=cookie,
        secret=secret,
        none_match=joined(fields, b"if-none-match"),
        modified_since=head.first(b"if-modified-since"),
        range=head.first(b"range") if head.method == b"GET" else None,
        if_range=head.first(b"if-range"),
        guarded=b"if-match" in names or b"if-unmodified-since" in names,
        plain=False,
    )


def is_poisonous(name: bytes) -> bool:
    """Whether a field of a request must not reach the source of what is kept; however it is spelt."""
    return name.replace(b"_", b"-") in _POISONOUS


def _may_hold_a_key(target: bytes) -> bool:
    """By the names of its parameters."""
    query = target.partition(b"?")[2].decode("latin-1")
    return any(is_secret(unquote_plus(pair.partition("=")[0])) for pair in query.split("&") if pair)


def joined(fields: Fields, name: bytes) -> bytes | None:
    """All lines of a field as one list (RFC 9110, section 5.3); None where there is none."""
    values = [value for known, value in fields if known == name]
    return b", ".join(values) if values else None


def _wishes(fields: Fields) -> RequestDirectives:
    """`Pragma` counts where `Cache-Control` is absent (RFC 9111, section 5.4)."""
    said = [value for name, value in fields if name == b"cache-control"]
    if not said and any(
        name == b"pragma" and b"no-cache" in value.lower().replace(b" ", b"").split(b",")
        for name, value in fields
    ):
        said = [b"no-cache"]
    return request_directives(*said) if said else NO_WISHES
