"""Entries of the audit log, and how each is tied to the one before it. Pure.

The hash of an entry is SHA-256 over the hash before it and the canonical JSON of all else in its row; the
first is tied to 64 zeros. Whoever changes, takes out or swaps a row leaves a hash that does not fit.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

#: What the details of an entry may hold.
Plain = None | bool | int | str | Sequence["Plain"] | Mapping[str, "Plain"]

#: Whole numbers up to here are the same to every reader of JSON (RFC 8785, section 3.2.2.3; RFC 7493, 2.2).
_LARGEST = 2**53 - 1


class NotAudited(Exception):
    """An entry could not be written, so what it was to tell of must not be done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One consequential act, before it has its place."""

    at: datetime
    actor: str  #: a person by the name of a token, a rule with its version, a learned entry, a model
    origin: str  #: person, rule, learned or generated
    action: str  #: "target.drain"
    subject: str  #: what it was done to: "yahoo_finance/chart"
    verdict: str  #: approved, needs_approval or denied
    details: Mapping[str, Plain]

    @property
    def written_at(self) -> str:
        """The moment as it is hashed: in UTC, with microseconds."""
        return self.at.astimezone(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class Head:
    """How far a chain goes: who knows this much can tell whether anything before it was changed."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


#: Of an empty chain.
GENESIS = Head(0, "0" * 64)


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """An entry in its place."""

    seq: int
    entry: Entry
    prev_hash: str
    hash: str

    @property
    def head(self) -> Head:
        return Head(self.seq, self.hash)


def link_after(head: Head, entry: Entry) -> Link:
    """The next link of the chain. Raises `ValueError` for details that have no canonical form."""
    seq = head.seq + 1
    return Link(seq=seq, entry=entry, prev_hash=head.hash, hash=_hash(seq, entry, head.hash))


def flaw_in(link: Link, before: Head) -> str | None:
    """Why a link does not follow on what is before it, or None."""
    if link.seq != before.seq + 1:
        return f"is missing; the next one is {link.seq}"
    if link.prev_hash != before.hash:
        return "is not tied to the one before it"
    try:
        expected = _hash(link.seq, link.entry, link.prev_hash)
    except (ValueError, OverflowError) as wrong:
        return f"was changed: {wrong}"
    return None if link.hash == expected else "was changed: its hash does not fit"


def _hash(seq: int, entry: Entry, prev_hash: str) -> str:
    row: Mapping[str, Plain] = {
        "seq": seq,
        "at": entry.written_at,
        "actor": entry.actor,
        "origin": entry.origin,
        "action": entry.action,
        "subject": entry.subject,
        "verdict": entry.verdict,
        "details": entry.details,
        "prev_hash": prev_hash,
    }
    return hashlib.sha256((prev_hash + canonical(row)).encode()).hexdigest()


def canonical(value: Plain) -> str:
    """JSON that has one writing only (RFC 8785): sorted names, no spaces, nothing escaped that need not be.

    Of JSON it takes objects with ASCII names, arrays, text, whole numbers to 2^53 - 1, true, false and null.
    Raises `ValueError` for all else: for fractions, which would need the digits of ECMAScript, and for
    NUL and lone surrogates, which PostgreSQL does not keep.
    """
    _check(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _check(value: Plain) -> None:
    match value:
        case None | bool():
            pass
        case int():
            if abs(value) > _LARGEST:
                raise ValueError("holds a number beyond 2^53")
        case str():
            if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
                raise ValueError("holds a NUL or a lone surrogate")
        case dict():
            for name, inner in value.items():
                if not (isinstance(name, str) and name.isascii()):
                    raise ValueError("holds a name that is not ASCII")
                _check(name)
                _check(inner)
        case list() | tuple():
            for inner in value:
                _check(inner)
        case _:
            raise ValueError(f"holds a {type(value).__name__}")
