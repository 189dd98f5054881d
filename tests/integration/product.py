"""The whole product for tests: in the test's own event loop, or as a process that can be killed."""

import asyncio
import os
import random
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import msgspec
import yaml
from tests.eventually import CLOCK, eventually

from autonomous_healing.application import Application
from autonomous_healing.commands.demo import DEMO_CONFIG
from autonomous_healing.database.processes import postmaster_of, socket_dir_of
from autonomous_healing.drills import KEYS, Stage
from autonomous_healing.endpoint_healing.freshness import AlwaysOpen
from autonomous_healing.settings import Settings, load_settings

SOURCES = ("yahoo_finance", *KEYS)

#: A start makes a PostgreSQL data directory first, on two cores that others use as well.
START_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Got:
    """One answer over the socket."""

    status: int
    headers: Mapping[str, str]  #: names in lower case
    body: bytes

    @property
    def healing(self) -> dict[str, str]:
        """The headers that say what was done, without `healing-`."""
        return {
            name.removeprefix("healing-"): value
            for name, value in self.headers.items()
            if name.startswith("healing-")
        }

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Doors:
    """The two ports of a running product, as its users see them."""

    def __init__(self, session: aiohttp.ClientSession, proxy_port: int, dashboard_port: int) -> None:
        self._session = session
        self.proxy = f"http://127.0.0.1:{proxy_port}"
        self.dashboard = f"http://127.0.0.1:{dashboard_port}"

    async def ask(self, path: str, **headers: str) -> Got:
        """A request to the proxy; `healing_allow="exact"` becomes `Healing-Allow: exact`."""
        return await self._get(self.proxy + path, headers)

    async def look(self, path: str) -> Got:
        """A request to the dashboard."""
        return await self._get(self.dashboard + path, {})

    async def rows(self, path: str) -> list[dict[str, Any]]:
        """The rows of one of the dashboard's listings."""
        document = (await self.look(path)).json()
        [rows] = [value for value in document.values() if isinstance(value, list)]
        return list(rows)

    async def _get(self, url: str, headers: Mapping[str, str]) -> Got:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.get(url, headers=named) as answer:
            body = await answer.read()
            got = {name.lower(): value for name, value in answer.headers.items()}
            return Got(status=answer.status, headers=got, body=body)


def settings_for(stage: Stage, home: Path, **changes: Any) -> Settings:
    """The demo's settings with the twins for providers, directories of its own, and nothing watched."""
    hosts = {f"sources__{source}__hosts": list(stage.hosts(source)) for source in SOURCES}
    wanted: dict[str, Any] = {
        "server__proxy_port": 0,
        "server__dashboard_port": 0,
        "database__data_dir": str(home / "pg"),
        "database__spool_dir": str(home / "spool"),
        "monitoring__endpoints": [],
        **hosts,
        **changes,
    }
    return load_settings(DEMO_CONFIG, {}, **wanted)


def keys_for(settings: Settings) -> dict[str, str]:
    """The keys that the twins accept, by the names that the settings give them."""
    return {
        name: key
        for source, keys in KEYS.items()
        for name, key in zip(settings.sources[source].keys, keys, strict=True)
    }


class Product(Doors):
    """The application in this event loop."""

    def __init__(self, application: Application, session: aiohttp.ClientSession) -> None:
        super().__init__(session, application.proxy.port, application.dashboard.port)
        self.application = application
        self.data_dir = Path(application.settings.database.data_dir)

    @property
    def events(self) -> int:
        """Failures so far: each is one line in the journal and one row in `error_events`."""
        return self.application.journal.recorded

    async def everything_stored(self, seconds: float = 30.0) -> None:
        """Until no row waits any more, on its way, in memory or on disk."""
        writer = self.application.report_writer
        await eventually(lambda: writer.events == self.events, seconds)
        await eventually(lambda: self.application.writer.counts.pending == 0, seconds)

    async def table(self, sql: str, *args: object) -> list[asyncpg.Record]:
        """Rows of the product's own database, which may still be on its way up."""
        await eventually(lambda: self.application.database.away_since is None, START_SECONDS)
        return await self.application.database.fetch(sql, *args)


@asynccontextmanager
async def in_process(settings: Settings) -> AsyncIterator[Product]:
    """Started, and stopped whatever happens."""
    application = Application(settings, keys_for(settings), AlwaysOpen(), CLOCK, random.Random(7))
    async with aiohttp.ClientSession() as session:
        await application.start()
        try:
            await eventually(lambda: _answers(session, application))
            yield Product(application, session)
        finally:
            await application.stop()


async def _answers(session: aiohttp.ClientSession, application: Application) -> bool:
    try:
        async with session.get(f"http://127.0.0.1:{application.dashboard.port}/livez") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False


class Process(Doors):
    """The product as a process of its own."""

    def __init__(
        self, home: Path, session: aiohttp.ClientSession, process: asyncio.subprocess.Process
    ) -> None:
        super().__init__(session, 0, 0)
        self.pid = process.pid
        self.banner = ""
        self._home = home
        self._process = process

    async def come_up(self) -> None:
        """Until the banner is complete and says where the doors are."""
        assert self._process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            while "  logs " not in self.banner:
                line = (await self._process.stdout.readline()).decode()
                assert line, f"ended early: {self.banner}\n{self.said}"
                self.banner += line
        self.proxy, self.dashboard = re.findall(r"http://127\.0\.0\.1:\d+", self.banner)

    @property
    def said(self) -> str:
        """What it has written to standard error so far."""
        return (self._home / "stderr").read_text()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ended(self, seconds: float = 20.0) -> int:
        """The exit code; `TimeoutError` if it goes on for longer."""
        async with asyncio.timeout(seconds):
            await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode

    async def kill(self) -> None:
        """As a machine out of memory does it: nobody is told, and nothing is tidied up."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()


@asynccontextmanager
async def as_process(
    settings: Settings, *arguments: str, env: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """Started and answering; whatever is left of it in the end is ended, its PostgreSQL included."""
    data_dir = Path(settings.database.data_dir)
    home = data_dir.parent
    async with aiohttp.ClientSession() as session:
        with (home / "stderr").open("ab") as said:
            started = await asyncio.create_subprocess_exec(
                *command_line(settings, *arguments),
                env=environment(keys_for(settings) if env is None else env),
                stdout=asyncio.subprocess.PIPE,
                stderr=said,
            )
        process = Process(home, session, started)
        try:
            await process.come_up()
            yield process
        finally:
            await process.kill()
            await end_postgres(data_dir)


async def run_to_end(*command: str, env: Mapping[str, str] | None = None, said: str = "") -> tuple[int, str]:
    """Exit code and all that was written, of a command that is expected to end by itself.

    `said`: on its standard input.
    """
    started = await asyncio.create_subprocess_exec(
        *command,
        env=environment(env or {}),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(START_SECONDS):
            written, _ = await started.communicate(said.encode())
    except TimeoutError:
        started.kill()
        await started.communicate()
        raise
    assert started.returncode is not None
    return started.returncode, written.decode()


async def run_key_command(
    settings: Settings, *words: str, env: Mapping[str, str], said: str = ""
) -> tuple[int, str]:
    """`autonomous-healing key ...` beside a product with these settings."""
    program = str(Path(sys.executable).with_name("autonomous-healing"))
    config = command_line(settings)[-1]
    code, written = await run_to_end(program, "key", *words, "--config", config, env=env, said=said)
    return code, written.strip()


def command_line(settings: Settings, *arguments: str) -> tuple[str, ...]:
    """How a person would start these settings: what is not the default is written to a file."""
    file = Path(settings.database.data_dir).parent / "healing_config.yaml"
    file.write_text(yaml.safe_dump(settings.model_dump(mode="json", by_alias=True, exclude_defaults=True)))
    return (sys.executable, "-m", "autonomous_healing", "--config", str(file), *arguments)


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the tests' own environment that could be taken for settings."""
    return {"PATH": os.defpath, "HOME": os.environ.get("HOME", "/"), **more}


async def end_postgres(data_dir: Path) -> None:
    """End the server that a killed product has left, by its pid."""
    pid = postmaster_of(data_dir)
    if pid is not None:
        os.kill(pid, signal.SIGQUIT)  # at once, with all its children
        await eventually(lambda: postmaster_of(data_dir) is None)


async def read_table(data_dir: Path, sql: str) -> Sequence[asyncpg.Record]:
    """Rows of a product that runs elsewhere, over the socket of its embedded PostgreSQL."""
    sockets = socket_dir_of(data_dir)
    connection = await asyncpg.connect(host=str(sockets), user="healing", database="autonomous_healing")
    try:
        await connection.execute("SET search_path TO healing")
        return list(await connection.fetch(sql))
    finally:
        await connection.close()
