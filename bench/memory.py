"""What one more endpoint costs a product that is at rest: memory, time to start, CPU.

The product runs as its own process, first with the five sources of its defaults, then with thousands more
that are passed through, each to a host of its own. Nobody asks anything, until the dashboard's list of all
endpoints is looked at once. Its PostgreSQL is not counted, and is there before the first start that counts.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from autonomous_healing.database.processes import postmaster_of
from bench.rig.accounts import used_by
from bench.rig.asking import answers, ask
from bench.rig.faults import WrongAnswer
from bench.rig.figures import Figure, over_rounds
from bench.rig.machine import this_machine
from bench.rig.postgres import end_postgres
from bench.rig.processes import CLOCK, Running, clean_environment, free_ports, running
from bench.rig.stage import home_of_a_run, play, positive
from bench.rig.targets import Target

SOURCES = 10_000

_START_SECONDS = 300.0
_SETTLE_SECONDS = 3.0
_REST_SECONDS = 10.0  #: as long as the longest pause between two chores of the product's bookkeeper


@dataclass(frozen=True, kw_only=True, slots=True)
class Rest:
    """One product at rest."""

    endpoints: int
    start_seconds: float
    rss_mb: float
    cpu_percent: float  #: of one core
    look_seconds: float  #: until the dashboard had listed all endpoints
    looked_at_rss_mb: float  #: after that


def configuration(home: Path, more: int) -> dict[str, object]:
    """The defaults, with so many raw sources more, and nothing watched."""
    return {
        "database": {"data_dir": str(home / "postgres"), "spool_dir": str(home / "spool")},
        "server": {"workers": 1},
        "monitoring": {"endpoints": []},
        "sources": {
            f"source_{n}": {
                "kind": "raw",
                "hosts": [f"http://source-{n}.test/api"],
                "mount": f"/sources/{n}",
            }
            for n in range(more)
        },
    }


@asynccontextmanager
async def product(home: Path, more: int) -> AsyncIterator[tuple[Running, str]]:
    """Started, not yet up, with the address of its dashboard."""
    file = home / "healing_config.yaml"
    file.write_text(json.dumps(configuration(home, more), indent=1))  # JSON is YAML too
    port, dashboard_port = free_ports(2)
    program = str(Path(sys.executable).with_name("autonomous-healing"))
    doors = ("--proxy-port", str(port), "--dashboard-port", str(dashboard_port))
    command = (program, "start", "--config", str(file), *doors)
    async with running("product", command, home, clean_environment()) as started:
        yield started, f"http://127.0.0.1:{dashboard_port}"


async def at_rest(home: Path, more: int) -> Rest:
    """Raises `CannotMeasure`."""
    began = CLOCK.monotonic()
    async with product(home, more) as (program, dashboard):
        await program.ready(lambda: _complete(home, dashboard), _START_SECONDS)
        start_seconds = CLOCK.monotonic() - began
        await CLOCK.sleep(_SETTLE_SECONDS)
        before = used_by([program.pid])
        await CLOCK.sleep(_REST_SECONDS)
        rest = used_by([program.pid])
        began = CLOCK.monotonic()
        listed = json.loads((await ask(f"{dashboard}/api/health/endpoints")).body)["count"]
        look_seconds = CLOCK.monotonic() - began
        if listed < more:
            raise WrongAnswer(f"{listed} endpoints are listed, not {more} and those of the defaults")
        return Rest(
            endpoints=listed,
            start_seconds=start_seconds,
            rss_mb=rest.rss_mb,
            cpu_percent=(rest.cpu - before.cpu) / _REST_SECONDS * 100,
            look_seconds=look_seconds,
            looked_at_rss_mb=used_by([program.pid]).rss_mb,
        )


async def _complete(home: Path, dashboard: str) -> bool:
    there = await asyncio.to_thread(postmaster_of, home / "postgres")
    return there is not None and await answers(f"{dashboard}/readyz")


async def measure(rounds: int, more: int) -> list[tuple[Rest, Rest]]:
    """Pairs of few and many, after a start that makes what later ones find."""
    with home_of_a_run() as home:
        try:
            async with product(home, 0) as (program, dashboard):
                await program.ready(lambda: _complete(home, dashboard), _START_SECONDS)
            return [(await at_rest(home, 0), await at_rest(home, more)) for _ in range(rounds)]
        finally:
            await end_postgres(home / "postgres")


def figures_of(rounds: Sequence[tuple[Rest, Rest]], more: int) -> dict[str, Figure | None]:
    """Few without a suffix, many with their number behind."""
    suffix = f"_{more // 1000}k_endpoints" if more % 1000 == 0 else f"_{more}_endpoints"
    figures: dict[str, Figure | None] = {}
    for name in ("rss_mb", "looked_at_rss_mb", "start_seconds", "cpu_percent", "look_seconds"):
        for end, rests in (("", [few for few, _ in rounds]), (suffix, [many for _, many in rounds])):
            figures[f"{name}{end}"] = over_rounds([getattr(rest, name) for rest in rests])
    figures["bytes_per_endpoint"] = over_rounds(
        [(many.rss_mb - few.rss_mb) * 1e6 / (many.endpoints - few.endpoints) for few, many in rounds], 0
    )
    return figures


#: Of the process that carries traffic.
FIRST, GOAL = Target("rss_mb_10k_endpoints", 120.0), Target("rss_mb_10k_endpoints", 80.0)


def document(rounds: Sequence[tuple[Rest, Rest]], more: int) -> dict[str, object]:
    """For a file."""
    found = figures_of(rounds, more)
    values: Mapping[str, float | None] = {
        name: figure.value if figure else None for name, figure in found.items()
    }
    return {
        **values,
        "spread": {name: [figure.least, figure.most] for name, figure in found.items() if figure},
        "reached": {str(one): one.reached(values.get(one.figure)) for one in (FIRST, GOAL)},
        "rounds": len(rounds),
        "machine": asdict(this_machine()),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.memory", description=__doc__)
    parser.add_argument("--sources", type=positive, default=SOURCES, help="raw sources beside the defaults")
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args(argv)
    rounds = play(measure(arguments.rounds, arguments.sources))
    if rounds is None:
        return 1
    figures = document(rounds, arguments.sources)
    sys.stdout.writelines(f"{name:34} {value}\n" for name, value in figures.items())
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
