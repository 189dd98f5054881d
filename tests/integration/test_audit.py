"""The audit log on a real PostgreSQL: one chain, which nobody changes unseen."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.integration.postgres import CARELESS, CLOCK
from tests.integration.product import run_to_end

from autonomous_healing.database import Database, DatabaseAway, DatabaseSettings
from autonomous_healing.database.connecting import prepare_schema
from autonomous_healing.database.embedded import EmbeddedPostgres
from autonomous_healing.safety.audit import AuditTrail, Broken, Intact
from autonomous_healing.safety.chain import GENESIS, Entry, Head, NotAudited
from autonomous_healing.safety.store import AuditStore

AT = datetime(2026, 3, 2, 15, 0, 0, 123456, tzinfo=UTC)

ENTRY = Entry(
    at=AT,
    actor="ann",
    origin="person",
    action="target.drain",
    subject="yahoo_finance/chart",
    verdict="approved",
    details={"reason": 'zu langsam \U0001f40c "\\\n', "calls": 3, "none": None, "list": [True, {"a": -1}]},
)


def trail_on(database: Database) -> AuditTrail:
    return AuditTrail(AuditStore(database))


@pytest.fixture
def trail(database: Database) -> AuditTrail:
    return trail_on(database)


async def filled(trail: AuditTrail, count: int = 5) -> Head:
    """So many entries, one a minute; the last head."""
    for n in range(count):
        link = await trail.record(replace(ENTRY, subject=f"subject {n + 1}", at=AT + timedelta(minutes=n)))
    return link.head


@asynccontextmanager
async def superuser(dsn: str, *, armed: bool = False) -> AsyncIterator[asyncpg.Connection]:
    """One who may do anything; with the trigger off, unless it is left `armed`."""
    connection = await asyncpg.connect(
        dsn.replace("//healing@", "//postgres@"), server_settings={"search_path": "healing"}
    )
    try:
        if not armed:
            await connection.execute("ALTER TABLE audit_log DISABLE TRIGGER USER")
        yield connection
    finally:
        await connection.close()


async def test_what_goes_in_comes_out_equal_and_tied_to_what_was_before(trail: AuditTrail) -> None:
    first, second = await trail.record(ENTRY), await trail.record(replace(ENTRY, verdict="denied"))

    assert list(await trail.newest()) == [second, first]
    assert (first.seq, first.prev_hash) == (GENESIS.seq + 1, GENESIS.hash)
    assert (second.seq, second.prev_hash) == (2, first.hash)
    assert await trail.verify() == Intact(second.head)


async def test_an_empty_log_is_intact(trail: AuditTrail) -> None:
    assert await trail.verify() == Intact(GENESIS)


async def test_newest_are_first_between_two_moments_and_below_a_place(trail: AuditTrail) -> None:
    await filled(trail, 6)

    async def places(**asked: Any) -> list[int]:
        return [link.seq for link in await trail.newest(**asked)]

    assert await places() == [6, 5, 4, 3, 2, 1]
    assert await places(limit=2) == [6, 5]
    assert await places(before=5, limit=2) == [4, 3]
    assert await places(since=AT + timedelta(minutes=3)) == [6, 5, 4]
    assert await places(until=AT + timedelta(minutes=3)) == [3, 2, 1]
    assert await places(since=AT + timedelta(minutes=1), until=AT + timedelta(minutes=3), before=3) == [2]


async def test_many_writers_at_once_make_one_chain_without_a_gap(dsn: str) -> None:
    settings = DatabaseSettings(mode="external", dsn=dsn, require_at_start=True, pool_max=4)
    databases = [Database(settings, CLOCK) for _ in range(3)]
    for one in databases:
        await one.start()
    try:
        trails = [trail_on(one) for one in databases]
        links = await asyncio.gather(
            *(trail.record(replace(ENTRY, subject=f"{n}")) for n in range(20) for trail in trails)
        )
        found = await trails[0].verify()
    finally:
        for one in databases:
            await one.stop()

    assert sorted(link.seq for link in links) == list(range(1, 61))
    assert found == Intact(max((link.head for link in links), key=lambda head: head.seq))


async def test_an_entry_that_fails_leaves_no_gap(trail: AuditTrail) -> None:
    await filled(trail, 2)
    with pytest.raises(ValueError, match="holds a float"):
        await trail.record(replace(ENTRY, details={"share": 0.5}))  # type: ignore[dict-item]
    with pytest.raises(NotAudited):
        await trail.record(replace(ENTRY, subject=None))  # type: ignore[arg-type]

    link = await trail.record(ENTRY)

    assert link.seq == 3
    assert await trail.verify() == Intact(link.head)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor = 'bob'",
        "UPDATE audit_log SET actor = 'bob' WHERE false",
        "DELETE FROM audit_log WHERE seq = 1",
        "TRUNCATE audit_log",
    ],
)
async def test_rows_are_neither_changed_nor_taken_away(
    trail: AuditTrail, database: Database, dsn: str, statement: str
) -> None:
    head = await filled(trail, 2)

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
        await database.execute(statement)
    async with superuser(dsn, armed=True) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await connection.execute(statement)

    assert await trail.verify() == Intact(head)


@pytest.mark.parametrize(
    ("tampering", "seq"),
    [
        ("UPDATE audit_log SET actor = 'bob' WHERE seq = 3", 3),
        ("UPDATE audit_log SET at = at + interval '1 microsecond' WHERE seq = 1", 1),
        ("UPDATE audit_log SET at = 'infinity' WHERE seq = 3", 3),
        ("UPDATE audit_log SET verdict = 'denied' WHERE seq = 5", 5),
        ("UPDATE audit_log SET details = details || '{\"calls\": 4}' WHERE seq = 3", 3),
        ("UPDATE audit_log SET details = details || '{\"calls\": 3.0}' WHERE seq = 3", 3),
        ("UPDATE audit_log SET details = '[]' WHERE seq = 3", 3),
        ("UPDATE audit_log SET hash = repeat('0', 64) WHERE seq = 3", 3),
        ("UPDATE audit_log SET prev_hash = repeat('0', 64) WHERE seq = 3", 3),
        ("DELETE FROM audit_log WHERE seq = 1", 1),
        ("DELETE FROM audit_log WHERE seq = 3", 3),
        ("DELETE FROM audit_log WHERE seq IN (2, 3)", 2),
        ("UPDATE audit_log SET seq = CASE seq WHEN 2 THEN 104 ELSE 102 END WHERE seq IN (2, 4);"
         "UPDATE audit_log SET seq = seq - 100 WHERE seq > 100", 2),
        ("DELETE FROM audit_log WHERE seq = 2; UPDATE audit_log SET seq = seq - 1 WHERE seq > 2", 2),
        ("INSERT INTO audit_log SELECT 6, at, 'eve', origin, action, subject, verdict, details, hash, hash"
         " FROM audit_log WHERE seq = 5", 6),
    ],
)  # fmt: skip
async def test_whatever_one_who_may_do_anything_does_to_a_row_is_found_at_its_place(
    trail: AuditTrail, dsn: str, tampering: str, seq: int, caplog: pytest.LogCaptureFixture
) -> None:
    await filled(trail)
    async with superuser(dsn) as connection:
        await connection.execute(tampering)

    found = await trail.verify()

    assert isinstance(found, Broken)
    assert found.seq == seq
    assert [one.__dict__["seq"] for one in caplog.records if one.message == "audit_chain_broken"] == [seq]


async def test_a_missing_end_is_seen_by_a_head_that_was_noted_elsewhere(trail: AuditTrail, dsn: str) -> None:
    noted = await filled(trail)
    async with superuser(dsn) as connection:
        await connection.execute("DELETE FROM audit_log WHERE seq > 3")

    assert isinstance(await trail.verify(), Intact)  # by itself, it only ends earlier
    assert await trail.verify(noted) == Broken(4, "is missing, with all up to 5")


async def test_an_end_that_was_written_anew_is_seen_by_a_head_that_was_noted_elsewhere(
    trail: AuditTrail, dsn: str
) -> None:
    noted = await filled(trail)
    async with superuser(dsn) as connection:
        await connection.execute("DELETE FROM audit_log WHERE seq > 3")
    await trail.record(ENTRY)
    await trail.record(ENTRY)

    assert await trail.verify(noted) == Broken(5, "is not the one that was noted")


async def test_a_head_that_was_noted_stays_true_while_the_chain_grows(trail: AuditTrail) -> None:
    noted = await filled(trail, 2)
    head = await filled(trail, 2)

    assert await trail.verify(noted) == Intact(head)


async def test_the_log_gets_each_new_head_and_says_when_one_is_gone(
    trail: AuditTrail, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def said(event: str) -> list[int]:
        return [one.__dict__["seq"] for one in caplog.records if one.message == event]

    await trail.note_head()
    first = await filled(trail, 2)
    await trail.note_head()
    await filled(trail, 1)
    await trail.note_head()
    await trail.note_head()
    assert (said("audit_head"), said("audit_chain_broken")) == ([0, 2, 3], [])
    [*_, line, _] = [one for one in caplog.records if one.message == "audit_head"]
    assert line.__dict__["hash"] == first.hash

    async with superuser(dsn) as connection:
        await connection.execute("DELETE FROM audit_log WHERE seq = 3")
    await trail.note_head()
    assert (said("audit_head"), said("audit_chain_broken")) == ([0, 2, 3, 2], [3])


async def test_a_walk_of_several_pages_finds_the_last_row(trail: AuditTrail, dsn: str) -> None:
    head = await filled(trail, 1001)
    assert await trail.verify() == Intact(head)
    async with superuser(dsn) as connection:
        await connection.execute("UPDATE audit_log SET actor = 'bob' WHERE seq = 1001")

    found = await trail.verify()

    assert isinstance(found, Broken)
    assert found.seq == 1001


async def test_a_log_that_is_locked_is_waited_for_no_longer_than_the_statement_timeout(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = DatabaseSettings(mode="external", dsn=dsn, require_at_start=True, statement_timeout_ms=200)
    database = Database(settings, CLOCK)
    await database.start()
    try:
        async with superuser(dsn) as connection, connection.transaction():
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtext('autonomous_healing audit ' || current_schema()))"
            )
            began = CLOCK.monotonic()
            with pytest.raises(NotAudited, match="statement timeout"):
                await trail_on(database).record(ENTRY)
            assert CLOCK.monotonic() - began < 3.0
        assert (await trail_on(database).record(ENTRY)).seq == 1
    finally:
        await database.stop()


async def test_nothing_is_recorded_or_read_while_the_database_is_away() -> None:
    nowhere = trail_on(Database(DatabaseSettings(mode="external", dsn="postgresql://nowhere/none"), CLOCK))

    with pytest.raises(NotAudited):
        await nowhere.record(ENTRY)
    with pytest.raises(DatabaseAway):
        await nowhere.verify()
    with pytest.raises(DatabaseAway):
        await nowhere.newest()


async def test_a_server_that_hangs_is_let_go_and_the_chain_goes_on(server_home: Path) -> None:
    server = EmbeddedPostgres(server_home / "pg", CLOCK, CARELESS)
    dsn = await server.start()
    settings = DatabaseSettings(
        mode="external", dsn=dsn, require_at_start=True, pool_min=1, pool_max=1, statement_timeout_ms=100
    )
    database = Database(settings, CLOCK)
    await database.start()
    try:
        trail = trail_on(database)
        await trail.record(ENTRY)
        [row] = await database.fetch("SELECT pg_backend_pid()")
        os.kill(row[0], signal.SIGSTOP)
        with pytest.raises(NotAudited):
            await trail.record(ENTRY)
        os.kill(row[0], signal.SIGCONT)
        link = await trail.record(ENTRY)
        assert await trail.verify() == Intact(link.head)
    finally:
        await database.stop()
        await server.stop()


async def verified(dsn: str, tmp_path: Path, *more: str) -> tuple[int, str]:
    """The command, as a person gives it."""
    file = tmp_path / "healing_config.yaml"
    file.write_text(f"database: {{mode: external, dsn: '{dsn}'}}")
    command = (sys.executable, "-c", "from autonomous_healing.commands import main; main()")
    code, said = await run_to_end(*command, "audit", "verify", "--config", str(file), *more)
    assert said.count("\n") == 1, said
    return code, said


async def test_the_command_tells_how_many_and_the_head_of_an_intact_log(
    trail: AuditTrail, dsn: str, tmp_path: Path
) -> None:
    head = await filled(trail)

    assert await verified(dsn, tmp_path) == (0, f"intact: 5 entries, head 5:{head.hash}\n")
    assert (await verified(dsn, tmp_path, "--noted", str(head)))[0] == 0


async def test_the_command_tells_the_place_of_a_break(trail: AuditTrail, dsn: str, tmp_path: Path) -> None:
    head = await filled(trail)
    async with superuser(dsn) as connection:
        await connection.execute("DELETE FROM audit_log WHERE seq = 5")
    code, said = await verified(dsn, tmp_path, "--noted", str(head))
    assert (code, "broken: entry 5 is missing" in said) == (1, True)

    async with superuser(dsn) as connection:
        await connection.execute("UPDATE audit_log SET subject = 'another' WHERE seq = 2")
    code, said = await verified(dsn, tmp_path)
    assert (code, "broken: entry 2 was changed" in said) == (1, True)


@pytest.mark.parametrize("noted", ["5", "5:abc", "x:" + "0" * 64])
async def test_a_head_that_cannot_be_read_is_told(dsn: str, tmp_path: Path, noted: str) -> None:
    code, said = await verified(dsn, tmp_path, "--noted", noted)

    assert (code, "--noted" in said) == (2, True)


async def test_the_command_says_so_where_it_cannot_look(empty_dsn: str, tmp_path: Path) -> None:
    code, said = await verified("postgresql://healing@127.0.0.1:1/none", tmp_path)
    assert (code, "not looked at" in said) == (2, True)

    code, said = await verified(empty_dsn, tmp_path)
    assert (code, "start this release of the product first" in said) == (2, True)


async def test_the_command_looks_at_the_server_of_a_running_product_and_starts_none(
    server_home: Path,
) -> None:
    file = server_home / "healing_config.yaml"
    file.write_text(f"database: {{data_dir: '{server_home}/pg'}}")
    command = (
        *(sys.executable, "-c", "from autonomous_healing.commands import main; main()"),
        *("audit", "verify", "--config", str(file)),
    )

    code, said = await run_to_end(*command)
    assert (code, "no PostgreSQL runs" in said) == (2, True)
    assert not (server_home / "pg").exists()

    server = EmbeddedPostgres(server_home / "pg", CLOCK, CARELESS)
    dsn = await server.start()
    try:
        await prepare_schema(dsn, DatabaseSettings(mode="external", dsn=dsn), "", CLOCK)
        code, said = await run_to_end(*command)
        assert (code, said) == (0, f"intact: 0 entries, head {GENESIS}\n")
        assert server.alive()
    finally:
        await server.stop()
