"""Who did what, when and why, in a chain that shows when it was changed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from autonomous_healing.safety.chain import GENESIS, Entry, Head, Link, flaw_in
from autonomous_healing.safety.store import AuditStore

log = logging.getLogger(__name__)

#: Rows that are looked at in one piece: some milliseconds of work, between which others have their turn.
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Intact:
    """A chain without a break: as many entries as its head says."""

    head: Head


@dataclass(frozen=True, slots=True)
class Broken:
    """The first place that does not fit; nothing from there on can be relied on."""

    seq: int
    why: str

    def __str__(self) -> str:
        return f"entry {self.seq} {self.why}"


class AuditTrail:
    """The audit log as the product writes and reads it."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store
        self._noted: Head | None = None

    async def record(self, entry: Entry) -> Link:
        """Add an entry. Raises `NotAudited`, and `ValueError` as `canonical` does."""
        return await self._store.append(entry)

    async def newest(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> Sequence[Link]:
        """The latest entries first. Raises `DatabaseAway`."""
        return await self._store.newest(since, until, before, limit)

    async def verify(self, noted: Head | None = None) -> Intact | Broken:
        """Walk the whole chain; `noted` is a head from another place, without which a lost end is not seen.

        Raises `DatabaseAway`.
        """
        found = await self._walk(noted)
        if isinstance(found, Broken):
            log.error("audit_chain_broken", extra={"seq": found.seq, "reason": found.why})
        return found

    async def _walk(self, noted: Head | None) -> Intact | Broken:
        head = GENESIS
        while links := await self._store.links_after(head.seq, _PAGE):
            for link in links:
                if flaw := flaw_in(link, head) or _contradiction(link, noted):
                    return Broken(head.seq + 1, flaw)
                head = link.head
        if noted is not None and head.seq < noted.seq:
            return Broken(head.seq + 1, f"is missing, with all up to {noted.seq}")
        return Intact(head)

    async def note_head(self) -> None:
        """Say in the log where the chain ends, if that is new, and whether what was said last still holds.

        Whoever takes rows off the end would have to take them out of the log as well. Raises `DatabaseAway`.
        """
        head, noted = await self._store.head(), self._noted
        if head == noted:
            return
        if noted is not None and noted.seq:
            links = await self._store.links_after(noted.seq - 1, 1)
            if [link.head for link in links] != [noted]:
                log.error(
                    "audit_chain_broken", extra={"seq": noted.seq, "reason": "differs from what was noted"}
                )
        log.info("audit_head", extra={"seq": head.seq, "hash": head.hash})
        self._noted = head


def _contradiction(link: Link, noted: Head | None) -> str | None:
    if noted is None or link.seq != noted.seq or link.hash == noted.hash:
        return None
    return "is not the one that was noted"
