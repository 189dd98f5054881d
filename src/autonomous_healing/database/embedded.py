"""A PostgreSQL that the product starts itself, on a Unix socket only. Knows nothing of our tables."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import asyncpg

from autonomous_healing.database.cluster import PORT, Cluster
from autonomous_healing.database.errors import AWAY, DataDirectoryInUse, EmbeddedFailure
from autonomous_healing.database.locks import FileLock
from autonomous_healing.database.processes import clear_after_crash, postmaster_of, socket_dir_of
from autonomous_healing.database.queries import load_queries
from autonomous_healing.database.unprivileged import reachable_cluster, reachable_programs, server_account
from autonomous_healing.database.waiting import Clock

log = logging.getLogger(__name__)

_SQL = load_queries(__package__, "statements.sql")
_T = TypeVar("_T")

_START_SECONDS = 30.0
_LAUNCH_SECONDS = 2.0  #: a launched server is seen in its pid file by then, or it has died
_RECOVERY_SECONDS = 300.0  #: after an unclean stop the server first reads back what it had not written
_ASK_EVERY_SECONDS = 0.05
_THREAD_SECONDS = 150.0  #: above the sum of the deadlines of the programs run in it
_TRIES = 2


class EmbeddedPostgres:
    """The server of one data directory: started, asked, found again after a kill, stopped.

    There is no password and none is needed: the server has no network port, and its socket lies in a
    directory of mode 0700. One running copy of the product at a time owns the data directory. A server that
    outlived a killed product is taken over as it is.
    """

    def __init__(self, data_dir: Path, clock: Clock, settings: Mapping[str, str] | None = None) -> None:
        """`settings` are PostgreSQL's own, beyond those the product sets."""
        self._data_dir = data_dir
        self._clock = clock
        self._settings = dict(settings or {})
        self._cluster: Cluster | None = None
        self._lock: FileLock | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> str:
        """Start the server or find it running, and return the DSN of the product's database in it.

        Raises `DataDirectoryInUse`, or `EmbeddedFailure` with the server's last words.
        """
        async with self._turn:
            if self._cluster is None:
                self._cluster = await self._in_thread(self._claim)
            for tries_left in reversed(range(_TRIES)):
                try:
                    return await self._started(self._cluster)
                except EmbeddedFailure as fault:
                    if not tries_left:
                        raise
                    log.warning("embedded_start_retried", extra={"reason": str(fault)})
            raise AssertionError("the last try returns or raises")

    async def stop(self) -> None:
        """Stop the server and let others have the directory."""
        async with self._turn:
            if self._cluster is not None and postmaster_of(self._cluster.home) is not None:
                await self._in_thread(self._cluster.stop)
            if self._lock is not None:
                self._lock.release()
            self._cluster = self._lock = None

    def alive(self) -> bool:
        """Whether the server's first process is there; says nothing of whether it answers."""
        return self.pid is not None

    @property
    def pid(self) -> int | None:
        """Of the server's first process."""
        return None if self._cluster is None else postmaster_of(self._cluster.home)

    def _claim(self) -> Cluster:
        account = server_account()
        home = reachable_cluster(self._data_dir, account)
        if home != self._data_dir.expanduser().resolve():
            log.warning("data_directory_moved", extra={"wanted": str(self._data_dir), "used": str(home)})
        home.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(home.with_name(f"{home.name}.lock"))
        try:
            lock.acquire()
        except BlockingIOError:
            raise DataDirectoryInUse(f"another running copy uses the data directory {home}") from None
        self._lock = lock
        return Cluster(
            home=home, account=account, programs=reachable_programs(account), settings=self._settings
        )

    async def _started(self, cluster: Cluster) -> str:
        patience, grace, sockets = _START_SECONDS, 0.0, None
        if postmaster_of(cluster.home) is not None:
            sockets = socket_dir_of(cluster.home)
        else:
            if await self._in_thread(lambda: clear_after_crash(cluster.home, cluster.socket_dir())):
                log.warning("embedded_found_unclean", extra={"data_dir": str(cluster.home)})
                patience = _RECOVERY_SECONDS
            await self._in_thread(cluster.make)
            sockets, grace = await self._in_thread(cluster.launch), _LAUNCH_SECONDS
        administrator = _address("postgres", "postgres", sockets)
        await self._until_it_answers(cluster, administrator, patience, grace)
        return _address("healing", "autonomous_healing", sockets)

    async def _until_it_answers(self, cluster: Cluster, dsn: str, patience: float, grace: float) -> None:
        deadline = self._clock.monotonic() + patience
        launched_by = self._clock.monotonic() + grace
        while True:
            try:
                await _furnish(dsn)
            except (*AWAY, asyncpg.InterfaceError, asyncpg.PostgresError) as fault:
                now = self._clock.monotonic()
                died = now >= launched_by and postmaster_of(cluster.home) is None
                if died or now >= deadline:
                    said = cluster.last_words()
                    raise EmbeddedFailure(f"{cluster.home} does not answer: {fault}\n{said}") from fault
            else:
                return
            await self._clock.sleep(_ASK_EVERY_SECONDS)

    async def _in_thread(self, step: Callable[[], _T]) -> _T:
        """Run a blocking step aside; a cancelled caller waits for its end, so that steps never overlap."""
        work = asyncio.create_task(asyncio.to_thread(step))
        try:
            async with asyncio.timeout(_THREAD_SECONDS):
                return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            raise
        except OSError as fault:
            raise EmbeddedFailure(f"{type(fault).__name__}: {fault}") from fault


def running_server(data_dir: Path) -> str | None:
    """The DSN of the product's database in a server that another copy runs; None while none does."""
    home = reachable_cluster(data_dir, server_account())
    if postmaster_of(home) is None:
        return None
    return _address("healing", "autonomous_healing", socket_dir_of(home))


def _address(user: str, database: str, sockets: Path | None) -> str:
    return f"postgresql://{user}@/{database}?host={quote(str(sockets), safe='')}&port={PORT}"


async def _furnish(dsn: str) -> None:
    """Ask the server for an answer, and make the product's role and database the first time."""
    async with asyncio.timeout(5):
        connection = await asyncpg.connect(dsn, timeout=5)
        try:
            if not await connection.fetch(_SQL["role_exists"]):
                await connection.execute(_SQL["create_role"])
            if not await connection.fetch(_SQL["database_exists"]):
                await connection.execute(_SQL["create_database"])
        finally:
            connection.terminate()
