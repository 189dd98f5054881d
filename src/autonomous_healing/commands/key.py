"""`autonomous-healing key add | list | rotate | remove | quarantine | release | encryption-key`."""

import getpass
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import cyclopts
from rich.console import Console

from autonomous_healing.commands.config import File
from autonomous_healing.commands.start import DEFAULT_CONFIG, run_loop, settings_or_exit
from autonomous_healing.database import DatabaseAway
from autonomous_healing.database.visiting import VisitedDatabase
from autonomous_healing.endpoint_healing.encryption import (
    VARIABLE,
    BadEncryptionKey,
    Cipher,
    fingerprint,
    fits,
    new_encryption_key,
)
from autonomous_healing.endpoint_healing.key_store import KeyRow, KeyStore
from autonomous_healing.endpoint_healing.redaction import LONG
from autonomous_healing.resilience import Clock, SystemClock
from autonomous_healing.safety.audit import AuditTrail
from autonomous_healing.safety.chain import Entry, NotAudited, Plain
from autonomous_healing.safety.store import AuditStore
from autonomous_healing.settings import Settings
from autonomous_healing.settings.faults import unknown

#: Exit codes; done is 0.
NOT_DONE, CANNOT = 1, 2

#: Characters of a key. A shorter one would be redacted wherever a word is like it.
_SHORTEST, _LONGEST = LONG, 512

key = cyclopts.App(
    name="key", help="Look after the keys of the sources. A product that runs follows in seconds."
)

SourceId = Annotated[str, cyclopts.Parameter(help="The source, as in the configuration.")]
Alias = Annotated[str, cyclopts.Parameter(help="Which of its keys, as `key list` shows it.")]


class Refused(Exception):
    """What is asked for cannot be done: why, in words."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the commands need of a running product."""

    store: KeyStore
    trail: AuditTrail
    clock: Clock

    async def row(self, source: str, alias: str) -> KeyRow:
        """Raises `Refused`."""
        rows = [row for row in await self.store.load() if row.source == source]
        found = next((row for row in rows if row.alias == alias), None)
        if found is None:
            raise Refused(f"{alias}: {unknown('key', alias, [row.alias for row in rows])}")
        return found

    async def stored(self, source: str, alias: str) -> KeyRow:
        """Raises `Refused`, also for a key of the environment."""
        row = await self.row(source, alias)
        if row.ciphertext is None:
            raise Refused(f"{alias} is in the environment of the product: change it there, and start again")
        return row

    async def record(self, action: str, alias: str, **details: Plain) -> None:
        """Written down before it is done. Raises `NotAudited`."""
        await self.trail.record(
            Entry(
                at=self.clock.now(),
                actor=f"command line of {getpass.getuser()}",
                origin="person",
                action=action,
                subject=alias,
                verdict="approved",
                details=details,
            )
        )


@key.command
def add(
    source: SourceId,
    *,
    purpose: Annotated[str, cyclopts.Parameter(help="What it is for.")] = "",
    path: File = DEFAULT_CONFIG,
) -> int:
    """Store one more key, encrypted. It is read from standard input, or asked for."""
    console, settings = _begin(path)

    async def work(desk: Desk) -> str:
        secret, cipher = _secret(), _cipher()
        rows = [row for row in await desk.store.load() if row.source == source]
        _refuse_double(secret, cipher, rows)
        alias = f"{source}#s{1 + max((_number(row.alias) for row in rows), default=0)}"
        await desk.record("key.add", alias, purpose=purpose)
        if not await desk.store.add(
            (source, alias), cipher.encrypt(secret), fingerprint(secret, os.urandom), purpose
        ):
            raise Refused(f"{alias} was given to another key at the same moment: try again")
        return f"stored as {alias}"

    return _run(console, settings, source, work)


@key.command(name="list")
def show(path: File = DEFAULT_CONFIG) -> int:
    """Print all keys by their aliases, with their states as they were last written down."""
    console, settings = _begin(path)

    async def work(desk: Desk) -> str:
        return _lines(await desk.store.load(), desk.clock.now())

    return _run(console, settings, None, work)


@key.command
def rotate(
    source: SourceId,
    alias: Alias,
    *,
    undo: Annotated[
        bool, cyclopts.Parameter(help="Take back the last rotation, up to a day after it.", negative="")
    ] = False,
    path: File = DEFAULT_CONFIG,
) -> int:
    """Put another key in the place of a stored one. It is read from standard input, or asked for."""
    console, settings = _begin(path)

    async def replace(desk: Desk) -> str:
        row, secret, cipher = await desk.stored(source, alias), _secret(), _cipher()
        _refuse_double(secret, cipher, [one for one in await desk.store.load() if one.source == source])
        await desk.record("key.rotate", alias)
        lying, print_of = cipher.encrypt(secret), fingerprint(secret, os.urandom)
        await desk.store.rotate(row.place, lying, print_of, desk.clock.now())
        return f"{alias} is another key from now on; the one before is kept for a day (--undo)"

    async def take_back(desk: Desk) -> str:
        row, cipher = await desk.stored(source, alias), _cipher()
        if row.former is None:
            raise Refused(f"nothing is kept of {alias} from before")
        former = cipher.decrypt(row.former)
        await desk.record("key.rotate_back", alias)
        await desk.store.rotate_back(row.place, fingerprint(former, os.urandom))
        return f"{alias} is the key that it was before"

    return _run(console, settings, source, take_back if undo else replace)


@key.command
def remove(source: SourceId, alias: Alias, *, path: File = DEFAULT_CONFIG) -> int:
    """Take a stored key away, for good."""

    async def act(desk: Desk) -> str:
        row = await desk.stored(source, alias)
        await desk.record("key.remove", alias)
        await desk.store.remove(row.place)
        return f"{alias} is gone"

    return _run(*_begin(path), source, act)


@key.command
def quarantine(
    source: SourceId,
    alias: Alias,
    *,
    reason: Annotated[str, cyclopts.Parameter(help="Why, for those who look at it later.")] = "by hand",
    path: File = DEFAULT_CONFIG,
) -> int:
    """Take a key out of use until it is released."""

    async def act(desk: Desk) -> str:
        row = await desk.row(source, alias)
        await desk.record("key.quarantine", alias, reason=reason)
        done = await desk.store.quarantine(row.place, reason)
        return f"{alias} is {'' if done else 'already '}in quarantine"

    return _run(*_begin(path), source, act)


@key.command
def release(source: SourceId, alias: Alias, *, path: File = DEFAULT_CONFIG) -> int:
    """Put a quarantined key back into use."""

    async def act(desk: Desk) -> str:
        row = await desk.row(source, alias)
        await desk.record("key.release", alias)
        if not await desk.store.release(row.place):
            raise Refused(f"{alias} is {row.state}, not quarantined")
        return f"{alias} is in use again"

    return _run(*_begin(path), source, act)


@key.command(name="encryption-key")
def encryption_key() -> None:
    """Print a new key for ENCRYPTION_KEY, by which stored keys are encrypted."""
    Console(soft_wrap=True).print(new_encryption_key(), markup=False, highlight=False)


def _begin(path: File) -> tuple[Console, Settings]:
    console = Console(soft_wrap=True, highlight=False, markup=False)
    return console, settings_or_exit(path, os.environ, console)


def _run(
    console: Console, settings: Settings, source: str | None, work: Callable[[Desk], Awaitable[str]]
) -> int:
    try:
        if source is not None:
            _require_keys(settings, source)
        said = run_loop(_at_the_desk(settings, work))
    except Refused as why:
        console.print(str(why), style="red")
        return NOT_DONE
    except (DatabaseAway, NotAudited, BadEncryptionKey) as why:
        console.print(f"cannot: {why}", style="red")
        return CANNOT
    console.print(said)
    return 0


async def _at_the_desk(settings: Settings, work: Callable[[Desk], Awaitable[str]]) -> str:
    clock = SystemClock()
    database = VisitedDatabase(settings.database, clock, os.environ.get("HEALING_DB_PASSWORD", ""))
    try:
        await database.start()
        return await work(Desk(KeyStore(database), AuditTrail(AuditStore(database)), clock))
    finally:
        await database.stop()


def _require_keys(settings: Settings, source: str) -> None:
    known = settings.sources
    if source not in known:
        raise Refused(f"{source}: {unknown('source', source, known)}")
    if known[source].auth.place == "none":
        raise Refused(f"{source} wants no key")


def _cipher() -> Cipher:
    """Raises `BadEncryptionKey`."""
    cipher = Cipher(os.environ.get(VARIABLE, ""))
    if cipher.problem:
        raise BadEncryptionKey(f"{cipher.problem}: `autonomous-healing key encryption-key` makes one")
    return cipher


def _secret() -> str:
    """Never from the command line, which others can see. Raises `Refused`."""
    typed = getpass.getpass("Key: ") if sys.stdin.isatty() else sys.stdin.readline()
    secret = typed.strip()
    fits_one = _SHORTEST <= len(secret) <= _LONGEST
    if not (fits_one and secret.isascii() and secret.isprintable() and " " not in secret):
        raise Refused(f"that is no key: {_SHORTEST} to {_LONGEST} printable characters without blanks")
    return secret


def _refuse_double(secret: str, cipher: Cipher, rows: Sequence[KeyRow]) -> None:
    """Also where the product's `ENCRYPTION_KEY` is another one: it could not read what is stored here."""
    for row in rows:
        if fits(secret, row.fingerprint):
            raise Refused(f"that key is there already: {row.alias}")
        if row.ciphertext is not None:
            cipher.decrypt(row.ciphertext)


def _number(alias: str) -> int:
    _, _, number = alias.partition("#s")
    return int(number) if number.isdigit() else 0


def _lines(rows: Sequence[KeyRow], now: datetime) -> str:
    """A line for each, in columns."""
    table = [("key", "state", "returns", "from", "last error", "purpose")]
    for row in rows:
        left = "" if row.until is None else f"in {max(0, round((row.until - now).total_seconds()))}s"
        origin = "environment" if row.ciphertext is None else "stored"
        table.append((row.alias, row.state.value, left, origin, row.last_error, row.purpose))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )
    return "\n".join(lines)
