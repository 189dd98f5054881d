"""All that a product leaves behind or shows, as texts, to be searched for what must not be there."""

import os
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import aiohttp
import psutil  # type: ignore[import-untyped]
from tests.integration.product import Doors, read_table

Told = tuple[str, str]  #: where, and what


async def all_of_the_dashboard(product: Doors, trails: Iterable[str]) -> AsyncIterator[Told]:
    """Every page without a parameter, these trails, and the first words of the live socket."""
    document = (await product.look("/api/openapi.json")).json()
    paths = [path for path in document["paths"] if "{" not in path]
    for path in [*paths, *(f"/api/healing/trails/{trail}" for trail in sorted(set(trails)))]:
        got = await product.look(path)
        yield path, f"{dict(got.headers)} {got.body!r}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{product.dashboard}/ws/health", origin=product.dashboard) as socket,
    ):
        yield "/ws/health", str((await socket.receive(5.0)).data)


async def all_rows(data_dir: Path) -> AsyncIterator[Told]:
    """Of every table, as PostgreSQL writes them."""
    tables = await read_table(data_dir, "SELECT tablename FROM pg_tables WHERE schemaname = 'healing'")
    for table in (row["tablename"] for row in tables):
        for n, row in enumerate(
            await read_table(data_dir, f'SELECT one::text AS text FROM "{table}" AS one')
        ):
            yield f"{table} {n}", row["text"]


async def all_are_stored(product: Doors) -> bool:
    metrics = (await product.look("/metrics")).body.decode()
    health = (await product.look("/api/health")).json()
    return "healing_db_spool_bytes 0.0" in metrics and health["storage"] == "postgres"


def written(directory: Path) -> Iterator[Told]:
    """Every file below it, whatever it holds."""
    for folder, _, names in os.walk(directory):
        for name in names:
            file = Path(folder, name)
            yield str(file), file.read_bytes().decode("latin-1")


def command_lines(pid: int) -> Iterator[Told]:
    """Of a process and all that it has started."""
    process = psutil.Process(pid)
    for one in (process, *process.children(recursive=True)):
        yield f"command line of {one.pid}", " ".join(one.cmdline())
