"""The product itself as a process, with a configuration as an operator would write it."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from autonomous_healing.database.processes import postmaster_of
from autonomous_healing.endpoint_healing.catalog import default_sources
from autonomous_healing.endpoint_healing.options import SourceSettings
from bench.rig.asking import answers
from bench.rig.cores import pinned
from bench.rig.faults import CannotMeasure
from bench.rig.postgres import end_postgres, move_to
from bench.rig.processes import Running, clean_environment, free_ports, running

#: A start makes a PostgreSQL data directory first.
_START_SECONDS = 90.0

_RAW, _CACHED = "bench_raw", "bench_cached"

_NONE: Mapping[str, str] = {}

_COMMAND = "from autonomous_healing.commands import main; main()"
_WHERE_IT_IS = "import autonomous_healing as it; print(it.__file__)"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a product lives, and what is behind it."""

    name: str
    home: Path
    host: str
    core: int
    spare_core: int  #: for its PostgreSQL, so that the proxy has its own core to itself
    authority: Path | None = None
    tree: Path | None = None  #: another checkout, where it is not to be this one's product

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
    cached_port: int | None = None  #: of a source that is passed through and cached; None as above

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
async def product(
    place: Place, *, sections: Mapping[str, object] = _NONE, secrets: Mapping[str, str] = _NONE
) -> AsyncIterator[Product]:
    """Started, not yet up; its PostgreSQL is ended with it.

    `sections` of its configuration stand in place of the rig's own; `secrets` are in its environment.
    """
    place.home.mkdir()
    place.home.chmod(0o711)  # PostgreSQL works as another account, which must be able to pass through
    port, dashboard_port, raw_port, cached_port = free_ports(4)
    raw = raw_port if "kind" in SourceSettings.model_fields else None
    cached = cached_port if "cache" in SourceSettings.model_fields and place.tree is None else None
    file = place.home / "healing_config.yaml"
    file.write_text(json.dumps(configuration(place, raw, cached) | dict(sections), indent=1))
    doors = ("--proxy-port", str(port), "--dashboard-port", str(dashboard_port))
    environment = {**_environment(place), **secrets}
    command = (*_program(place, environment), "start", "--config", str(file), *doors)
    try:
        async with running(place.name, pinned(place.core, command), place.home, environment) as started:
            yield Product(place, started, port, dashboard_port, raw, cached)
    finally:
        await end_postgres(place.cluster)


def _program(place: Place, environment: dict[str, str]) -> tuple[str, ...]:
    """Of another checkout, what is imported with this environment must lie there."""
    if place.tree is None:
        return (str(Path(sys.executable).with_name("autonomous-healing")),)
    python = (sys.executable, "-P")
    told = subprocess.run(
        (*python, "-c", _WHERE_IT_IS),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if not Path(told.stdout.strip() or "/").is_relative_to(place.tree.resolve()):
        raise CannotMeasure(f"no product in {place.tree}: {told.stdout.strip()}{told.stderr.strip()[-300:]}")
    return (*python, "-c", _COMMAND)


def configuration(place: Place, raw_port: int | None, cached_port: int | None = None) -> dict[str, object]:
    """The defaults, save for the upstream, directories of its own, no quota, and nothing watched.

    JSON, which is YAML too.
    """
    authority = str(place.authority) if place.authority else None
    upstream = known(hosts=[place.host], allow_private=True, ca_file=authority)
    sources: dict[str, object] = {name: {"enabled": False} for name in default_sources()}
    sources["yahoo_finance"] = {**upstream, "quota": []}
    if raw_port is not None:
        sources[_RAW] = {**upstream, **known(kind="raw", mount="/", port=raw_port)}
    if cached_port is not None:
        sources[_CACHED] = {**upstream, "kind": "raw", "mount": "/", "port": cached_port, "cache": "shared"}
    return {
        "database": {"data_dir": str(place.cluster), "spool_dir": str(place.home / "spool")},
        "sources": sources,
        "monitoring": {"endpoints": []},
    }


def known(**settings: object) -> dict[str, object]:
    """Those that are given and that this product has."""
    fields = SourceSettings.model_fields
    return {name: value for name, value in settings.items() if value is not None and name in fields}


def _environment(place: Place) -> dict[str, str]:
    """Where a source has no authority of its own, the one of the whole process is another."""
    more = {"PYTHONPATH": str(place.tree.resolve() / "src")} if place.tree else {}
    if place.authority is not None and "ca_file" not in SourceSettings.model_fields:
        more["SSL_CERT_FILE"] = str(place.authority)
    return clean_environment(**more)
