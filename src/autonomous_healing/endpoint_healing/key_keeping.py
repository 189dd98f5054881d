"""Keeps the keys in use and those in the database alike, in both directions."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from autonomous_healing.endpoint_healing.encryption import BadEncryptionKey, Cipher, fingerprint, fits
from autonomous_healing.endpoint_healing.key_states import Key, KeyState
from autonomous_healing.endpoint_healing.key_store import KeyFacts, KeyRow, KeyStore, Place
from autonomous_healing.endpoint_healing.keys import KEPT_SECONDS, KeyRing
from autonomous_healing.endpoint_healing.redaction import Redactions
from autonomous_healing.resilience import Clock

log = logging.getLogger(__name__)

#: Of a key whose row has to be written again whatever became of it.
_UNWRITTEN = -1


@dataclass(frozen=True, slots=True)
class _Known:
    """A key as it was last read or written."""

    revision: int
    changes: int
    fingerprint: bytes


class KeyKeeper:
    """Brings stored keys into the rings, and the states of all keys to the database.

    What somebody else wrote meanwhile, such as a command, goes before what happened here.
    """

    def __init__(
        self,
        rings: Mapping[str, KeyRing],
        store: KeyStore,
        cipher: Cipher,
        redactions: Redactions,
        clock: Clock,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`rings` by source, of those that need keys."""
        self.problem = cipher.problem  #: why stored keys cannot be read, in words
        self.locked: Mapping[str, tuple[str, ...]] = {}  #: aliases of those, by source
        self.changed: Callable[[str], None] = lambda source: (
            None
        )  #: told of each source whose keys are others
        self.rings = rings
        self._store = store
        self._cipher = cipher
        self._redactions = redactions
        self._clock = clock
        self._random_bytes = random_bytes
        self._known: dict[Place, _Known] = {}
        self._stored: set[Place] = set()  #: of the keys in use, those that come from the database
        self._begun = False
        self._turn = asyncio.Lock()

    @property
    def complaint(self) -> str:
        """What somebody should know who starts the product; empty where stored keys are fine or missing."""
        if self.locked:
            aliases = [alias for known in self.locked.values() for alias in known]
            return f"{', '.join(aliases)} cannot be read: {self.problem}"
        return self.problem if self._cipher.malformed else ""

    async def sync(self) -> None:
        """One look in both directions. Raises `DatabaseAway`, with nothing lost."""
        async with self._turn:
            rows = {row.place: row for row in await self._store.load() if row.source in self.rings}
            if not self._begun:
                self._recognise(rows.values())
            self._take_up(rows)
            self._take_over(rows)
            await self._write()
            await self._forget_former(rows.values())
            if not self._begun:
                await self._begin(rows.values())

    async def rotate_key(self, source: str, new_key: str, alias: str | None = None) -> None:
        """Use another key from now on, in place of that one or of the source's first; the old is kept a day.

        A key of the environment is replaced until the next start, a stored one for good. Raises
        `UnknownKey`, for a stored one also `BadEncryptionKey` and `DatabaseAway`, with nothing changed.
        """
        ring = self.rings[source]
        key = ring.key(alias or next((key.alias for key in ring.keys), source))
        place = (source, key.alias)
        if place in self._stored:
            lying, print_of = self._cipher.encrypt(new_key), fingerprint(new_key, self._random_bytes)
            await self._store.rotate(place, lying, print_of, self._clock.now())
            await self.sync()
            return
        self._redactions.add(source, new_key)
        ring.rotate(key.alias, new_key)
        self._known.pop(place, None)
        self.changed(source)

    def secrets(self, source: str) -> dict[str, str]:
        """By alias, in order: for the processes beside this one, and for nobody else."""
        return {key.alias: key.secret for key in self.rings[source].keys}

    def _recognise(self, rows: Iterable[KeyRow]) -> None:
        """Keys of the environment, by their secrets: their places there may have changed."""
        rows = [row for row in rows if row.ciphertext is None]
        for ring, key in self._all():
            row = next((one for one in rows if one.source == ring.source.id and _fits(key, one)), None)
            if row is None:
                continue
            happened = key.changes  # since the start, and so newer
            if not happened:
                self._restore(ring, row, key.alias)
            if row.alias == key.alias:
                changes = _UNWRITTEN if happened else key.changes
                self._known[row.place] = _Known(row.revision, changes, row.fingerprint)

    def _take_up(self, rows: Mapping[Place, KeyRow]) -> None:
        """Stored keys that are new, others by now, or gone."""
        locked: dict[str, tuple[str, ...]] = {}
        for place, row in rows.items():
            known = self._known.get(place)
            if row.ciphertext is None or (known is not None and known.fingerprint == row.fingerprint):
                continue
            try:
                secret = self._cipher.decrypt(row.ciphertext)
            except BadEncryptionKey as bad:
                self.problem = str(bad)
                locked[row.source] = (*locked.get(row.source, ()), row.alias)
            else:
                self._put(row, secret)
        for place in self._stored - rows.keys():
            self._drop(place)
        self._tell_of_locked(locked)

    def _put(self, row: KeyRow, secret: str) -> None:
        ring = self.rings[row.source]
        self._redactions.add(row.source, secret)
        if row.place in self._stored:
            ring.rotate(row.alias, secret)
            log.info("key_rotated", extra={"key": row.alias})
        else:
            ring.add(row.alias, secret)
            self._stored.add(row.place)
            log.info("key_added", extra={"key": row.alias})
        self._restore(ring, row, row.alias)
        self._note(ring, row)
        self.changed(row.source)

    def _drop(self, place: Place) -> None:
        source, alias = place
        self.rings[source].remove(alias)
        self._stored.discard(place)
        self._known.pop(place, None)
        log.info("key_removed", extra={"key": alias})
        self.changed(source)

    def _take_over(self, rows: Mapping[Place, KeyRow]) -> None:
        """States that somebody else has written."""
        for place, known in list(self._known.items()):
            row = rows.get(place)
            if row is None:
                del self._known[place]  # to be written again
            elif row.revision != known.revision:
                self._obey(self.rings[row.source], row)

    def _obey(self, ring: KeyRing, row: KeyRow) -> None:
        key = ring.key(row.alias)
        if row.ciphertext is None and not _fits(key, row):
            return  # another installation has another key of that name
        if row.state is KeyState.QUARANTINED:
            ring.quarantine(key.alias, row.last_error)
        elif row.state is KeyState.OK and key.state is KeyState.QUARANTINED:
            ring.release(key.alias)
        else:
            self._restore(ring, row, key.alias)
        self._note(ring, row)

    async def _write(self) -> None:
        """What is new in the environment, and what has changed since it was last written."""
        drafts: dict[Place, _Known] = {}
        new: list[KeyFacts] = []
        changed: list[KeyFacts] = []
        for ring, key in self._all():
            place = (ring.source.id, key.alias)
            known = self._known.get(place)
            if known is not None and known.changes == key.changes:
                continue
            print_of = known.fingerprint if known else fingerprint(key.secret, self._random_bytes)
            drafts[place] = _Known(known.revision if known else 0, key.changes, print_of)
            (changed if known else new).append(self._facts(ring, key, drafts[place]))
        written = await self._store.note(new) if new else {}
        written |= await self._store.save(changed) if changed else {}
        for place, revision in written.items():
            self._known[place] = _Known(revision, drafts[place].changes, drafts[place].fingerprint)

    async def _begin(self, rows: Iterable[KeyRow]) -> None:
        """Done once: forget keys that left the environment, and renew what an older key has encrypted."""
        aliases = {source: [key.alias for key in ring.keys] for source, ring in self.rings.items()}
        await self._store.forget_others(aliases)
        for row in rows:
            if row.ciphertext is None or row.place not in self._stored:
                continue
            try:
                lying = self._cipher.renewed(row.ciphertext)
                former = row.former and self._cipher.renewed(row.former)
            except BadEncryptionKey:
                continue  # of a former one, which is forgotten within a day
            if (lying, former) != (row.ciphertext, row.former):
                await self._store.encrypt_anew(row, lying, former)
        self._begun = True

    async def _forget_former(self, rows: Iterable[KeyRow]) -> None:
        for ring in self.rings.values():
            ring.forget_former()
        if any(row.former for row in rows):
            await self._store.forget_former(self._in(-KEPT_SECONDS))

    def _facts(self, ring: KeyRing, key: Key, known: _Known) -> KeyFacts:
        left = key.seconds_left(self._clock.monotonic())
        return KeyFacts(
            source=ring.source.id,
            alias=key.alias,
            fingerprint=known.fingerprint.hex(),
            state=key.state.value,
            until=None if left is None else self._in(left),
            last_error=key.last_error,
            excluded={name: self._in(seconds) for name, seconds in ring.excluded(key.alias).items()},
            terms_allow_rotation=ring.source.terms_allow_rotation,
            revision=known.revision,
        )

    def _restore(self, ring: KeyRing, row: KeyRow, alias: str) -> None:
        ring.restore(alias, row.state, None if row.until is None else self._until(row.until), row.last_error)
        ring.exclude(alias, {name: self._until(at) for name, at in row.excluded.items()})

    def _note(self, ring: KeyRing, row: KeyRow) -> None:
        self._known[row.place] = _Known(row.revision, ring.key(row.alias).changes, row.fingerprint)

    def _in(self, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=seconds)

    def _until(self, at: datetime) -> float:
        return max(0.0, (at - self._clock.now()).total_seconds())

    def _all(self) -> Iterator[tuple[KeyRing, Key]]:
        return ((ring, key) for ring in self.rings.values() for key in ring.keys)

    def _tell_of_locked(self, locked: Mapping[str, tuple[str, ...]]) -> None:
        for source, aliases in locked.items():
            if aliases != self.locked.get(source):
                log.error(
                    "stored_keys_unreadable",
                    extra={"source": source, "keys": list(aliases), "reason": self.problem},
                )
        self.locked = locked


def _fits(key: Key, row: KeyRow) -> bool:
    return fits(key.secret, row.fingerprint)
