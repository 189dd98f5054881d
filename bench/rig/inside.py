"""The product itself, started so that it can be looked into, and what it holds: files, tasks, objects.

As a program: runs `autonomous-healing` with the arguments given, as it is. A signal makes the process
write down which tasks it has and which objects of ours; nothing in the product knows of that.
"""

import asyncio
import gc
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from autonomous_healing.resilience import SystemClock
from bench.rig.faults import CannotMeasure
from bench.rig.postgres import end_postgres
from bench.rig.processes import clean_environment, free_ports, running
from bench.rig.product import Place, Product, configuration

CLOCK = SystemClock()

_OURS = "autonomous_healing."
_ROOT = Path(__file__).resolve().parents[2]
_TOLD_SECONDS = 20.0
_LOOKS = 0.05


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds, as it tells itself."""

    tasks: Mapping[str, int]  #: that are not done, by what they run
    objects: Mapping[str, int]  #: of our types, by name, after a collection
    garbage: int  #: objects that only a collection could free

    @property
    def task_count(self) -> int:
        return sum(self.tasks.values())


def held_now(loop: asyncio.AbstractEventLoop) -> Held:
    """Of this process. What was frozen before (`gc.freeze`) is not among the objects."""
    tasks = Counter(_name_of(task) for task in asyncio.all_tasks(loop))
    garbage = gc.collect()
    kinds = Counter(type(one) for one in gc.get_objects())
    ours = {kind.__name__: count for kind, count in kinds.items() if str(kind.__module__).startswith(_OURS)}
    return Held(dict(tasks), ours, garbage)


def _name_of(task: "asyncio.Task[object]") -> str:
    return str(getattr(task.get_coro(), "__qualname__", "?"))


def _tell_on_signal(place: Path) -> None:
    """Written whole and then put in its place; between two callbacks, on the loop's own thread."""

    def tell(_: int, __: object) -> None:
        held = held_now(asyncio.get_running_loop())
        fresh = place.with_suffix(".new")
        fresh.write_text(json.dumps([dict(held.tasks), dict(held.objects), held.garbage]), encoding="utf-8")
        fresh.rename(place)

    signal.signal(signal.SIGUSR1, tell)


def main() -> None:
    """`python -m bench.rig.inside FILE VERB [OPTIONS]`."""
    from autonomous_healing.commands import main as product_main

    _, place, *options = sys.argv
    sys.argv = ["autonomous-healing", *options]
    _tell_on_signal(Path(place))
    product_main()


@dataclass(frozen=True, slots=True)
class Look:
    """What a product holds at a moment."""

    rss_mb: float
    files: int  #: open descriptors
    sockets: Mapping[str, int]  #: by state; those too that only the kernel still has
    held: Held

    @property
    def open_sockets(self) -> int:
        """Those that should be gone by now: whoever waits for the last packets is gone already."""
        return sum(count for state, count in self.sockets.items() if state != "TIME_WAIT")


@dataclass(frozen=True, slots=True)
class Inside:
    """A product that can be looked into."""

    product: Product
    told: Path

    @property
    def last_words(self) -> str:
        return self.product.program.last_words

    async def held(self) -> Held:
        """What it holds now; `CannotMeasure` where it does not say."""
        self.told.unlink(missing_ok=True)
        os.kill(self.product.program.pid, signal.SIGUSR1)
        deadline = CLOCK.monotonic() + _TOLD_SECONDS
        while not self.told.exists():
            if CLOCK.monotonic() > deadline:
                raise CannotMeasure(
                    f"the product does not say what it holds: {self.product.program.last_words}"
                )
            await CLOCK.sleep(_LOOKS)
        tasks, objects, garbage = json.loads(self.told.read_text(encoding="utf-8"))
        return Held(tasks, objects, garbage)

    @property
    def rss_mb(self) -> float:
        return float(psutil.Process(self.product.program.pid).memory_info().rss) / 1_000_000

    @property
    def files(self) -> int:
        """Open file descriptors."""
        return len(os.listdir(f"/proc/{self.product.program.pid}/fd"))

    def peers(self) -> set[tuple[int, int]]:
        """Ports of all its connections over TCP: its own and the other side's."""
        open_now = psutil.Process(self.product.program.pid).net_connections("tcp4")
        return {(one.laddr.port, one.raddr.port) for one in open_now if one.raddr}

    def orphans(self, port: int) -> int:
        """Connections at a door that it has closed, and whose last bytes the kernel still keeps."""
        return sum(
            one.pid is None and one.laddr.port == port and one.status == psutil.CONN_FIN_WAIT1
            for one in psutil.net_connections("tcp4")
        )

    async def look(self, origin_port: int) -> Look:
        """Everything as it is now; sockets at its doors and towards the origin."""
        rss_mb, files = self.rss_mb, self.files
        doors = {self.product.port, self.product.raw_port}
        sockets = sockets_by_state(psutil.net_connections("tcp4"), doors, origin_port)
        return Look(rss_mb, files, sockets, await self.held())


def sockets_by_state(
    connections: Iterable[object], doors: set[int | None], origin_port: int
) -> dict[str, int]:
    """Of what psutil tells; only the proxy's ends count, and no listening ones."""
    states: Counter[str] = Counter()
    for one in connections:
        local, remote = one.laddr, one.raddr  # type: ignore[attr-defined]
        if remote and (local.port in doors or remote.port == origin_port):
            states[str(one.status)] += 1  # type: ignore[attr-defined]
    return dict(states)


@asynccontextmanager
async def product_inside(place: Place, **sections: Mapping[str, object]) -> AsyncIterator[Inside]:
    """Started, not yet up; `sections` of its configuration stand in place of the rig's own."""
    place.home.mkdir()
    place.home.chmod(0o711)  # PostgreSQL works as another account, which must be able to pass through
    port, dashboard_port, raw_port = free_ports(3)
    file, told = place.home / "healing_config.yaml", place.home / "held.json"
    file.write_text(json.dumps({**configuration(place, raw_port), **sections}, indent=1))
    doors = ("--proxy-port", str(port), "--dashboard-port", str(dashboard_port))
    program = (sys.executable, "-P", "-m", "bench.rig.inside", str(told), "start", "--config", str(file))
    environment = clean_environment(PYTHONPATH=str(_ROOT))
    try:
        async with running(place.name, (*program, *doors), place.home, environment) as started:
            yield Inside(Product(place, started, port, dashboard_port, raw_port), told)
    finally:
        await end_postgres(place.cluster)


if __name__ == "__main__":
    main()
