"""Answers as rows of a table, and back: for the shared cache, and for whoever else keeps copies there."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from autonomous_healing.endpoint_healing.caching.stored import Received, StoredAnswer

#: Seconds that an answer which can be confirmed stays after its end.
_CONFIRMABLE = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRow:
    """One answer in the table `response_cache`. No secret may be in it, neither plain nor in the key."""

    key: bytes  #: of the variant, a SHA-256
    resource: bytes  #: of what is asked for, a SHA-256; the same as `key` where nothing varies
    varies: tuple[str, ...] = ()  #: fields of a request that choose among the answers to it
    source: str
    endpoint: str
    kind: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    stored_at: datetime
    fresh_until: datetime
    stale_until: datetime  #: after this it is of no use
    as_of: datetime | None = None  #: of the data
    etag: str | None = None
    hits: int = 0

    @property
    def checksum(self) -> bytes:
        """Over all that must not change unnoticed."""
        digest = hashlib.blake2b(digest_size=16)
        times = (self.stored_at, self.fresh_until, self.stale_until, self.as_of)
        told = [self.source, self.endpoint, self.kind, str(self.status), self.etag or ""]
        told += ["" if at is None else str(at.timestamp()) for at in times]
        told += [*self.varies, *(part for pair in self.headers for part in pair)]
        for part in (self.key, self.resource, *(one.encode() for one in told), self.body):
            digest.update(b"%d:" % len(part))
            digest.update(part)
        return digest.digest()


def row_of(stored: StoredAnswer, window: float, date: datetime, now: float) -> CacheRow:
    """`window`: seconds after its end in which it may stand in for its source. `now`: monotonic seconds."""
    rules = stored.facts.rules
    confirmable = stored.facts.etag is not None or stored.facts.last_modified is not None
    use = max(
        window,
        0.0 if stored.strict else max(rules.stale_while_revalidate, rules.stale_if_error),
        _CONFIRMABLE if confirmable else 0.0,
    )
    fresh_until = date + timedelta(seconds=stored.lifetime - stored.age(now))
    source, _, name = stored.place.partition("/")
    etag = stored.facts.etag
    return CacheRow(
        key=stored.key,
        resource=stored.resource,
        varies=tuple(name.decode("latin-1") for name in stored.varies),
        source=source,
        endpoint="/" + name,
        kind="other",
        status=stored.status,
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in stored.fields),
        body=stored.body,
        stored_at=date,
        fresh_until=fresh_until,
        stale_until=fresh_until + timedelta(seconds=use),
        etag=etag.decode("latin-1") if etag is not None else None,
        hits=stored.hits,
    )


def answer_in(row: CacheRow, date: datetime, now: float) -> StoredAnswer:
    """As it would be had it stayed in memory. Raises `ValueError` for what is no answer.

    One that seems to come from the future is over: the clock has been put back, by who knows how much.
    """
    fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in row.headers]
    received = Received(
        status=row.status, fields=fields, body=row.body, at=now, took=0.0, date=row.stored_at.timestamp()
    )
    stored = StoredAnswer(row.source + row.endpoint, row.resource, (), received)
    left = (row.fresh_until - date).total_seconds() if date >= row.stored_at else 0.0
    stored.key = row.key
    stored.initial_age = max(0.0, stored.lifetime - left)
    stored.hits = row.hits
    return stored
