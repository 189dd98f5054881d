"""What the product still holds after broken origins and rude clients: memory, files, tasks, connections.

The product runs as its own process, a raw source and a data endpoint before an origin that breaks off a
share of its exchanges. In two laps it meets a storm of requests on each, a crowd that is connected and
silent, clients that leave in the middle, and clients that dawdle. After each it must be as before.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path

from bench.rig.bodies import chart
from bench.rig.faults import CannotMeasure
from bench.rig.inside import CLOCK, Look, product_inside
from bench.rig.machine import this_machine
from bench.rig.product import Place
from bench.rig.rough import BreakPlan, Origin
from bench.rig.stage import home_of_a_run, play
from bench.rig.targets import Target, Verdict
from bench.rig.trials import (
    HEAD,
    IDLE,
    LINGER,
    MEBI,
    PER_HOST,
    SLACK,
    STALL,
    SYMBOLS,
    WAITING,
    Amounts,
    Figures,
    Ground,
    Question,
    bodies,
    crowd,
    data_question,
    dawdlers,
    leavers,
    raw_question,
    storm,
)

LAPS = (Amounts(30_000, 2000, 1000, 300, 200, 50), Amounts(10_000, 2000, 400, 300, 200, 50))
QUICK = (Amounts(2000, 300, 100, 200, 30, 10),) * 2

#: Of these nothing may be left when all connections are gone.
IN_FLIGHT = frozenset(
    {"ClientConnection", "Exchange", "Upload", "OriginConnection", "Relay", "FirstAttempt", "Fetching"}
)

_SHARE = 0.05  #: of the exchanges, broken off in a storm
_SETTLE_SECONDS = 40.0  #: the product closes what is idle towards an origin after 30
_FILES_FOR_US = 8192
_WARMING = 2000  #: requests on each way


@dataclass(frozen=True, slots=True)
class Phase:
    """One trial, with what was held before, at most, and in the end."""

    name: str
    lap: int
    seconds: float
    settled: float  #: seconds until everything was as before, or the time was over
    before: Look
    after: Look
    most_rss_mb: float
    most_files: int
    figures: Figures


class Trials:
    """One after the other, each with a look before and after."""

    def __init__(self, on: Ground, start: Look) -> None:
        self.start = start
        self.phases: list[Phase] = []
        self._on = on
        self._last = start

    async def run(self, name: str, lap: int, trial: Awaitable[Figures], *, alone: bool = False) -> None:
        """`alone`: the origin closes nothing, so that the product has to let go by itself."""
        sys.stderr.write(f"lap {lap}: {name}\n")
        inside = self._on.inside
        most = [0.0, 0.0]

        async def watch() -> None:
            while True:
                most[:] = max(most[0], inside.rss_mb), max(most[1], inside.files)
                await CLOCK.sleep(0.1)

        watching = asyncio.create_task(watch())
        began = CLOCK.monotonic()
        try:
            figures = await trial
        except OSError as fault:
            raise CannotMeasure(f"{name}: {fault}; the product says:\n{inside.last_words}") from fault
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        seconds = CLOCK.monotonic() - began
        began = CLOCK.monotonic()
        after = await settle(self._on, self.start, alone=alone)
        settled = round(CLOCK.monotonic() - began, 1)
        rss_mb, files = max(most[0], after.rss_mb), max(int(most[1]), after.files)
        phase = Phase(name, lap, round(seconds, 1), settled, self._last, after, rss_mb, files, figures)
        self.phases.append(phase)
        self._last = after


async def settle(on: Ground, start: Look | None, *, alone: bool) -> Look:
    """Looks again and again until everything is as at the start, or the time is over."""
    deadline = CLOCK.monotonic() + _SETTLE_SECONDS
    while True:
        if not alone:
            on.origin.close_idle()
        await CLOCK.sleep(0.5)
        look = await on.inside.look(on.origin.port)
        if CLOCK.monotonic() > deadline or not (what_is_left(look, start or look) or look.open_sockets):
            return look


def what_is_left(look: Look, start: Look) -> Figures:
    """Of what was not there at the start; what is as it was is left out."""
    found = {
        "files_left": look.files - start.files if abs(look.files - start.files) > 5 else 0,
        "tasks_left": look.held.task_count - start.held.task_count,
        "objects_left": sum(count for name, count in look.held.objects.items() if name in IN_FLIGHT),
        "sockets_left": look.open_sockets,
    }
    return {name: count for name, count in found.items() if count}


@asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    """The origin listens, the product is up."""
    charts = {symbol: chart(symbol, 1024, CLOCK.now()) for symbol in SYMBOLS}
    origin = Origin(charts, BreakPlan(1, _SHARE))
    await origin.listen()
    cores = sorted(os.sched_getaffinity(0))
    limits = {"idle_seconds": IDLE, "head_seconds": HEAD, "body_stall_seconds": STALL}
    server = {**limits, "workers": 1, "max_body_bytes": 32 * MEBI}
    # A breaker that opens would keep the origin's faults away, and with them what is to be tried.
    breaker = {"consecutive": 1000, "ratio": 1.0}
    healing = {"breaker": breaker, "connections_per_host": PER_HOST, "waiting_per_host": WAITING}
    try:
        with home_of_a_run() as home:
            host = f"http://127.0.0.1:{origin.port}"
            place = Place("ours", home / "ours", host, cores[-1], cores[0])
            async with product_inside(place, server=server, healing=healing) as inside:
                await inside.product.come_up()
                _allow_files()
                yield Ground(inside, origin)
    finally:
        origin.close()


def _allow_files() -> None:
    """For our own sockets; after the product has started, which sees to that itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < _FILES_FOR_US:
        raise CannotMeasure(f"{_FILES_FOR_US} open files are needed; the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, _FILES_FOR_US), hard))


async def measure(laps: Sequence[Amounts]) -> Trials:
    """All laps. Raises `CannotMeasure`."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with ground() as on:
        sys.stderr.write("warming up\n")
        for port, ask in ((on.doors[1], _raw(0)), (on.doors[0], _data(on))):
            found = await storm(on.origin, port, islice(ask, _WARMING), breaking=False)
            if found["right"] < _WARMING:
                raise CannotMeasure(f"not right even while nothing is broken off: {found}")
        # One look may meet a task that comes and goes.
        looks = [await settle(on, None, alone=False)]
        looks += [await on.inside.look(on.origin.port) for _ in range(4)]
        trials = Trials(on, min(looks, key=lambda look: look.held.task_count))
        for lap, amounts in enumerate(laps, 1):
            data, raw = on.doors
            await trials.run("crowd", lap, crowd(on, amounts.crowd))
            questions = islice(_raw(lap), amounts.storm)
            await trials.run("storm_raw", lap, storm(on.origin, raw, questions), alone=lap == 1)
            await trials.run("storm_data", lap, storm(on.origin, data, islice(_data(on), amounts.storm)))
            await trials.run("bodies", lap, bodies(on, lap, amounts.bodies))
            await trials.run("leavers", lap, leavers(on, lap, amounts.leavers))
            await trials.run("dawdlers", lap, dawdlers(on, amounts))
        return trials


def _raw(lap: int) -> Iterator[Question]:
    return (raw_question(lap, number) for number in count())


def _data(on: Ground) -> Iterator[Question]:
    return (data_question(on.origin.charts, number) for number in count())


#: What each phase must not exceed, beside what is left after it.
BOUNDS: Mapping[str, Mapping[str, float]] = {
    "storm_raw": {"foreign": 0, "wrong": 0, "late": 0, "unexplained": 0, "sent_twice": 0, "spoiled": 0},
    "storm_data": {"foreign": 0, "wrong": 0, "late": 0, "unexplained": 0},
    "crowd": {
        "rss_growth_mb": 100,
        "p95_ms": 50,
        "others_failed": 0,
        "never_closed": 0,
        "closed_early": 0,
        "idle_most_s": IDLE + SLACK,
    },
    "bodies": {"failed": 0, "spoiled": 0},
    "leavers": {
        "late": 0,
        "not_sent": 0,
        "places_kept": 0,
        "stuck_upload_most_s": 1,
        "pipelined_most_s": 1,
    },
    "dawdlers": {
        "p95_ms": 50,
        "others_failed": 0,
        "orphans": 0,
        "head_most_s": HEAD + LINGER + SLACK,
        "body_most_s": STALL + LINGER + SLACK,
        "deaf_most_s": STALL + SLACK,
    },
}

LEFT = ("files_left", "tasks_left", "objects_left", "sockets_left")
GROWTH_MB = 10.0  #: in the whole last lap: about 1 for what is kept on purpose, the rest is luck
MOST_MB = 256.0  #: at any time


def figures_of(phases: Sequence[Phase], start: Look) -> Figures:
    """The worst of all laps, by phase and name."""
    worst: Figures = {}
    for phase in phases:
        left = dict.fromkeys(LEFT, 0.0) | what_is_left(phase.after, start)
        for name, value in {**phase.figures, **left, "most_rss_mb": round(phase.most_rss_mb, 1)}.items():
            key = f"{phase.name}.{name}"
            worst[key] = max(worst.get(key, value), value, key=abs)
    ends = [phase.after.rss_mb for phase in phases if phase.name == phases[-1].name]
    worst["rss_growth_last_lap_mb"] = round(ends[-1] - ends[-2], 1)
    return worst


def verdicts(figures: Figures) -> list[Verdict]:
    """Every bound with what was found."""
    targets = [
        Target(f"{phase}.{name}", bound)
        for phase, bounds in BOUNDS.items()
        for name, bound in (*bounds.items(), ("most_rss_mb", MOST_MB), *((name, 0.0) for name in LEFT))
    ]
    targets.append(Target("rss_growth_last_lap_mb", GROWTH_MB))
    return [
        Verdict(
            one.figure, str(one), figures.get(one.figure), bool(one.reached(_distance(figures, one.figure)))
        )
        for one in targets
    ]


def _distance(figures: Figures, name: str) -> float | None:
    """What is gone and was there at the start is as bad as what is left."""
    value = figures.get(name)
    return abs(value) if value is not None and name.endswith(LEFT) else value


def table(phases: Sequence[Phase], start: Look) -> Iterator[str]:
    """For people, line by line."""
    yield f"{'':22}seconds{'MB of memory':>22}{'open files':>19}     tasks  in flight, sockets\n"
    yield "lap phase      lasted settled   before   most  after   before most after\n"
    for one in phases:
        before, after = one.before, one.after
        sockets = " ".join(f"{state} {number}" for state, number in sorted(after.sockets.items()))
        flying = sum(number for name, number in after.held.objects.items() if name in IN_FLIGHT)
        yield (
            f"{one.lap:3} {one.name:10} {one.seconds:6.1f} {one.settled:7.1f} "
            f"{before.rss_mb:8.1f} {one.most_rss_mb:6.1f} {after.rss_mb:6.1f} "
            f"{before.files:8} {one.most_files:4} {after.files:5} "
            f"{before.held.task_count:6} {after.held.task_count:3} {flying:6}, {sockets or 'none'}\n"
        )
    for one in phases:
        yield f"\n{one.lap} {one.name}: " + ", ".join(
            f"{name} {value:g}" for name, value in one.figures.items()
        )
    yield "\n\n"
    for verdict in verdicts(figures_of(phases, start)):
        word = "kept" if verdict.reached else "BROKEN"
        yield f"{word:7} {verdict.target:45} {verdict.value}\n"


def document(trials: Trials, *, quick: bool) -> dict[str, object]:
    """For a file."""
    figures = figures_of(trials.phases, trials.start)
    return {
        **figures,
        "reached": [asdict(one) for one in verdicts(figures)],
        "start": asdict(trials.start),
        "phases": [asdict(one) for one in trials.phases],
        "machine": asdict(this_machine()),
        "quick": quick,
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench.leaks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a little of everything: is everything there?")
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    arguments = parser.parse_args(argv)
    trials = play(measure(QUICK if arguments.quick else LAPS))
    if trials is None:
        return 1
    sys.stdout.writelines(table(trials.phases, trials.start))
    if arguments.json:
        found = document(trials, quick=arguments.quick)
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0 if all(one.reached for one in verdicts(figures_of(trials.phases, trials.start))) else 1


if __name__ == "__main__":
    sys.exit(main())
