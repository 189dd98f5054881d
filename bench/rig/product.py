"""The product itself as a process, with a configuration as an operator would write it."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from autonomous_healing.database.processes import postmaster_of
from autonomous_healing.endpoint_healing.catalog import default_sources
from autonomous_healing.endpoint_healing.options import SourceSettings
from bench.rig.asking import answers
from bench.rig.cores import pinned
from bench.rig.postgres import end_postgres, move_to
from bench.rig.processes import Running, clean_environment, free_ports, running

#: A start makes a PostgreSQL data directory first.
_START_SECONDS = 90.0

_RAW = "bench_raw"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a product lives, and what is behind it."""

    name: str
    home: Path
    host: str
    core: int
    spare_core: int  #: for its PostgreSQL, so that the proxy has its own core to itself
    authority: Path | None = None

    @property
    def cluster(self) -> Path:
        return self.home / "postgres"


@dataclass(frozen=True, slots=True)
class Product:
    """One that runs."""

    place: Place
    program: Running
    port: int
    dashboard_port: int
    raw_port: int | None  #: None where this product cannot pass a source through

    def url(self, symbol: str) -> str:
        return f"http://127.0.0.1:{self.port}/api/yahoo/chart/{symbol}?range=5d&interval=1d"

    def database(self) -> int | None:
        """The pid of its PostgreSQL."""
        return postmaster_of(self.place.cluster)

    async def come_up(self) -> None:
        """Until it takes requests and its PostgreSQL is there, which then moves to its own core."""
        ready = f"http://127.0.0.1:{self.dashboard_port}/readyz"

        async def complete() -> bool:
            return self.database() is not None and await answers(ready)

        await self.program.ready(complete, _START_SECONDS)
        move_to(self.place.spare_core, self.database())


@asynccontextmanager
async def product(place: Place) -> AsyncIterator[Product]:
    """Started, not yet up; its PostgreSQL is ended with it."""
    place.home.mkdir()
    place.home.chmod(0o711)  # PostgreSQL works as another account, which must be able to pass through
    port, dashboard_port, raw_port = free_ports(3)
    raw = raw_port if "kind" in SourceSettings.model_fields else None
    file = place.home / "healing_config.yaml"
    file.write_text(json.dumps(configuration(place, raw), indent=1))  # JSON is YAML too
    program = str(Path(sys.executable).with_name("autonomous-healing"))
    doors = ("--proxy-port", str(port), "--dashboard-port", str(dashboard_port))
    command = pinned(place.core, (program, "start", "--config", str(file), *doors))
    try:
        async with running(place.name, command, place.home, _environment(place)) as started:
            yield Product(place, started, port, dashboard_port, raw)
    finally:
        await end_postgres(place.cluster)


def configuration(place: Place, raw_port: int | None) -> dict[str, object]:
    """The defaults, save for the upstream, directories of its own, no quota, and nothing watched."""
    authority = str(place.authority) if place.authority else None
    upstream = _known(hosts=[place.host], allow_private=True, ca_file=authority)
    sources: dict[str, object] = {name: {"enabled": False} for name in default_sources()}
    sources["yahoo_finance"] = {**upstream, "quota": []}
    if raw_port is not None:
        sources[_RAW] = {**upstream, **_known(kind="raw", mount="/", port=raw_port)}
    return {
        "database": {"data_dir": str(place.cluster), "spool_dir": str(place.home / "spool")},
        "sources": sources,
        "monitoring": {"endpoints": []},
    }


def _known(**settings: object) -> dict[str, object]:
    """Those that are given and that this product has."""
    fields = SourceSettings.model_fields
    return {name: value for name, value in settings.items() if value is not None and name in fields}


def _environment(place: Place) -> dict[str, str]:
    """Where a source has no authority of its own, the one of the whole process is another."""
    if place.authority is None or "ca_file" in SourceSettings.model_fields:
        return clean_environment()
    return clean_environment(SSL_CERT_FILE=str(place.authority))
