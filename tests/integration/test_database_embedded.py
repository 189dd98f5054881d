"""The embedded server comes up from whatever state a kill has left, and ends when told to."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil  # type: ignore[import-untyped]
import pytest
from tests.integration.postgres import until

from autonomous_healing.database.embedded import EmbeddedPostgres
from autonomous_healing.database.errors import DataDirectoryInUse, EmbeddedFailure
from autonomous_healing.database.unprivileged import server_account
from autonomous_healing.resilience.clock import SystemClock

#: Runs a server and is killed without a chance to stop it.
VICTIM = """
import asyncio, sys
from pathlib import Path
from autonomous_healing.database.embedded import EmbeddedPostgres
from autonomous_healing.resilience.clock import SystemClock

async def live():
    server = EmbeddedPostgres(Path(sys.argv[1]), SystemClock())
    await server.start()
    sys.stdout.write(f"{server.pid}\\n")
    sys.stdout.flush()
    await SystemClock().sleep(3600)

asyncio.run(live())
"""


async def answer(dsn: str, sql: str = "SELECT 1") -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def kill(pid: int | None) -> None:
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def socket_dir(dsn: str) -> Path:
    return Path(parse_qs(urlsplit(dsn).query)["host"][0])


def only_its_owner_enters(directory: Path) -> bool:
    return directory.stat().st_mode & 0o077 == 0


def servers_in(home: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and process.cwd().startswith(str(home)):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


@pytest.fixture
async def server(server_home: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(server_home / "pg", SystemClock())
    yield server
    await server.stop()


async def test_starts_from_nothing_answers_and_stops(server: EmbeddedPostgres, server_home: Path) -> None:
    dsn = await server.start()
    assert (
        await answer(dsn, "SELECT current_user || '@' || current_database()") == "healing@autonomous_healing"
    )
    assert await answer(dsn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    assert await answer(dsn, "SELECT current_setting('listen_addresses')") == ""
    assert (server_home / "pg").stat().st_mode & 0o077 == 0
    assert server.alive()

    await server.stop()

    assert not server.alive()
    assert servers_in(server_home) == []


async def test_a_second_start_finds_the_server_running(server: EmbeddedPostgres) -> None:
    dsn = await server.start()
    pid = server.pid

    assert await server.start() == dsn
    assert server.pid == pid
    await server.stop()


async def test_keeps_what_was_committed_when_the_postmaster_is_killed(server: EmbeddedPostgres) -> None:
    dsn = await server.start()
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    kill(server.pid)

    await until(lambda: not server.alive())
    dsn = await server.start()

    assert await answer(dsn, "SELECT value FROM kept") == 7
    connection.terminate()


async def test_gets_rid_of_a_backend_that_outlives_its_postmaster(server: EmbeddedPostgres) -> None:
    dsn = await server.start()
    connection = await asyncpg.connect(dsn)
    backend = await connection.fetchval("SELECT pg_backend_pid()")
    os.kill(backend, signal.SIGSTOP)  # it cannot notice that it is orphaned
    kill(server.pid)

    assert await answer(await server.start()) == 1

    assert not psutil.pid_exists(backend) or psutil.Process(backend).status() == psutil.STATUS_ZOMBIE
    connection.terminate()


async def test_takes_over_the_server_of_a_killed_product(server_home: Path) -> None:
    script = (sys.executable, "-c", VICTIM, str(server_home / "pg"))
    victim = await asyncio.create_subprocess_exec(*script, stdout=asyncio.subprocess.PIPE)
    assert victim.stdout is not None
    pid = int(await victim.stdout.readline())
    server = EmbeddedPostgres(server_home / "pg", SystemClock())
    with pytest.raises(DataDirectoryInUse, match="another running copy"):
        await server.start()

    victim.kill()
    await victim.wait()

    assert await answer(await server.start()) == 1
    assert server.pid == pid
    await server.stop()


async def test_refuses_a_second_copy_on_the_same_directory(
    server: EmbeddedPostgres, server_home: Path
) -> None:
    await server.start()
    second = EmbeddedPostgres(server_home / "pg", SystemClock())

    with pytest.raises(DataDirectoryInUse, match=str(server_home)):
        await second.start()
    await second.stop()

    assert server.alive()
    await server.stop()
    assert await answer(await second.start()) == 1
    await second.stop()


@pytest.fixture
def stranger() -> Iterator[int]:
    """A live process of the server's account that is no PostgreSQL."""
    process = subprocess.Popen(["sleep", "600"], user=server_account())
    yield process.pid
    process.kill()
    process.wait()


async def test_is_not_fooled_by_a_pid_that_now_belongs_to_a_stranger(
    server: EmbeddedPostgres, server_home: Path, stranger: int
) -> None:
    await server.start()
    kill(server.pid)
    await until(lambda: not server.alive())
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        file = server_home / "pg" / name
        lines = file.read_text().split("\n")
        file.write_text("\n".join([str(stranger), *lines[1:]]))

    assert not server.alive()
    assert await answer(await server.start()) == 1

    assert psutil.pid_exists(stranger)
    await server.stop()


@pytest.mark.parametrize("torn", ["", "nonsense", "123"])
async def test_is_not_stopped_by_a_torn_pid_file(
    server: EmbeddedPostgres, server_home: Path, torn: str
) -> None:
    await server.start()
    await server.stop()
    (server_home / "pg" / "postmaster.pid").write_text(torn)

    assert await answer(await server.start()) == 1


async def test_begins_again_where_the_directory_was_half_made(
    server_home: Path, server: EmbeddedPostgres
) -> None:
    (server_home / "pg.new").mkdir()
    (server_home / "pg.new" / "PG_VERSION").write_text("18\n")

    assert await answer(await server.start()) == 1
    await server.stop()


async def test_a_long_path_gets_a_short_socket(server_home: Path) -> None:
    home = server_home / ("long" * 30)
    home.mkdir()
    server = EmbeddedPostgres(home / "pg", SystemClock())

    dsn = await server.start()
    assert await answer(dsn) == 1
    assert only_its_owner_enters(socket_dir(dsn))
    kill(server.pid)
    assert await answer(await server.start()) == 1

    await server.stop()
    assert not socket_dir(dsn).exists()


async def test_leaves_a_directory_alone_that_holds_something_else(server_home: Path) -> None:
    (server_home / "pg").mkdir()
    (server_home / "pg" / "thesis.txt").write_text("ten years of work")
    server = EmbeddedPostgres(server_home / "pg", SystemClock())

    with pytest.raises(EmbeddedFailure, match="not empty"):
        await server.start()

    assert (server_home / "pg" / "thesis.txt").read_text() == "ten years of work"
    await server.stop()


async def test_a_failed_start_ends_with_the_words_of_the_server(
    server: EmbeddedPostgres, server_home: Path
) -> None:
    await server.start()
    await server.stop()
    (server_home / "pg" / "postgresql.auto.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(EmbeddedFailure, match="no_such_setting"):
        await server.start()
    await server.stop()
