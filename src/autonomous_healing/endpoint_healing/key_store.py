"""Keys in PostgreSQL: their states, and those that are stored. The statements are in key_store.sql."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from autonomous_healing.database import Database, load_queries
from autonomous_healing.endpoint_healing.key_states import KeyState

_SQL = load_queries(__package__, "key_store.sql")

Place = tuple[str, str]  #: source and alias


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyRow:
    """One key as the table has it. What is secret in it is encrypted, or only a print."""

    source: str
    alias: str
    ciphertext: bytes | None  #: None: the key itself is in the environment
    former: bytes | None  #: the one before the last rotation, for a day
    fingerprint: bytes
    state: KeyState
    until: datetime | None
    last_error: str
    excluded: Mapping[
        str, datetime
    ]  #: endpoints that its plan does not cover, and until when that is believed
    purpose: str  #: in the words of whoever added it
    revision: int  #: rises with each change
    created_at: datetime
    rotated_at: datetime | None

    @property
    def place(self) -> Place:
        return self.source, self.alias


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is written of a key that is in use."""

    source: str
    alias: str
    fingerprint: str  #: as hex digits
    state: str
    until: datetime | None
    last_error: str
    excluded: dict[str, datetime]
    terms_allow_rotation: bool
    revision: int  #: as it is known; 0: it is not


class KeyStore:
    """Its methods raise `DatabaseAway`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> list[KeyRow]:
        """Those of a source in the order in which they were stored."""
        return [_row(record) for record in await self._database.fetch(_SQL["load_keys"])]

    async def note(self, facts: Iterable[KeyFacts]) -> dict[Place, int]:
        """Keys of the environment that are new, or new in their place; their revisions."""
        return await self._written("note_keys", facts)

    async def save(self, facts: Iterable[KeyFacts]) -> dict[Place, int]:
        """The revisions of those that were written: not of any that somebody else has changed meanwhile."""
        return await self._written("save_states", facts)

    async def forget_others(self, aliases: Mapping[str, Iterable[str]]) -> None:
        """Keys of the environment of these sources that are none of these."""
        rows = [{"source": source, "aliases": list(known)} for source, known in aliases.items()]
        await self._database.execute(_SQL["forget_keys"], json.dumps(rows))

    async def forget_former(self, before: datetime) -> None:
        """What was rotated away before that moment."""
        await self._database.execute(_SQL["forget_former"], before)

    async def encrypt_anew(self, row: KeyRow, ciphertext: bytes, former: bytes | None) -> None:
        """The same secrets by another encryption key."""
        await self._database.execute(_SQL["encrypt_anew"], *row.place, ciphertext, former, row.revision)

    async def add(self, place: Place, ciphertext: bytes, fingerprint: bytes, purpose: str) -> bool:
        """False where the alias is taken."""
        return await self._did("add_key", *place, ciphertext, fingerprint, purpose)

    async def rotate(self, place: Place, ciphertext: bytes, fingerprint: bytes, at: datetime) -> bool:
        """False where no such key is stored."""
        return await self._did("rotate_key", *place, ciphertext, fingerprint, at)

    async def rotate_back(self, place: Place, fingerprint: bytes) -> bool:
        """False where nothing is kept of it from before."""
        return await self._did("rotate_key_back", *place, fingerprint)

    async def remove(self, place: Place) -> bool:
        """False where no such key is stored."""
        return await self._did("remove_key", *place)

    async def quarantine(self, place: Place, reason: str) -> bool:
        """False where there is no such key, or it is so already."""
        return await self._did("quarantine_key", *place, reason)

    async def release(self, place: Place) -> bool:
        """False where there is no such key in quarantine."""
        return await self._did("release_key", *place)

    async def _did(self, name: str, *args: object) -> bool:
        return bool(await self._database.fetch(_SQL[name], *args))

    async def _written(self, name: str, facts: Iterable[KeyFacts]) -> dict[Place, int]:
        rows = msgspec.json.encode(list(facts)).decode()
        records = await self._database.fetch(_SQL[name], rows)
        return {(one["source"], one["alias"]): one["revision"] for one in records}


def _row(record: Any) -> KeyRow:
    return KeyRow(
        source=record["source"],
        alias=record["alias"],
        ciphertext=record["ciphertext"],
        former=record["former"],
        fingerprint=record["fingerprint"],
        state=KeyState(record["state"]),
        until=record["until"],
        last_error=record["last_error"],
        excluded=msgspec.json.decode(record["excluded"], type=dict[str, datetime]),
        purpose=record["purpose"],
        revision=record["revision"],
        created_at=record["created_at"],
        rotated_at=record["rotated_at"],
    )
