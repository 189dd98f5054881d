"""`autonomous-healing demo`: the real product against twins of the providers, and its judge."""

import asyncio
import os
import random
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import msgspec
from rich.console import Console
from rich.live import Live

from autonomous_healing import drills
from autonomous_healing.application import Application
from autonomous_healing.commands.demo_report import missed_targets, show
from autonomous_healing.commands.demo_view import DemoView
from autonomous_healing.commands.start import FAULT, on_signals, run_loop, settings_or_exit
from autonomous_healing.database import DatabaseAway
from autonomous_healing.drills import (
    KEYS,
    Answer,
    Clients,
    DrillReport,
    Judge,
    NotReady,
    Stage,
    overhead_ms,
    questions,
    warm_up,
    write_report,
    write_scenario,
)
from autonomous_healing.endpoint_healing.freshness import AlwaysOpen
from autonomous_healing.resilience import Clock, SystemClock
from autonomous_healing.settings import Settings
from autonomous_healing.settings.logs import configure_logging
from autonomous_healing.wire import PortTaken

#: Beside the drills, so that an installed product has it too; `config/demo.yaml` is a link to it.
DEMO_CONFIG = Path(drills.__file__).with_name("demo.yaml")

#: Seconds at most between the last answer and the count: for a database that is just coming back.
SETTLE_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    duration: float  #: seconds
    seed: int
    rate: float  #: requests a second


def demo(
    *,
    duration: Annotated[float, cyclopts.Parameter(help="Seconds of traffic.")] = 60.0,
    seed: Annotated[int, cyclopts.Parameter(help="The same seed gives the same market and script.")] = 7,
    rate: Annotated[float, cyclopts.Parameter(help="Requests a second.")] = 40.0,
    json: Annotated[Path | None, cyclopts.Parameter(help="Write the report here too.")] = None,
    proxy_port: Annotated[
        int | None, cyclopts.Parameter(help="Port of the proxy; 0 takes a free one.")
    ] = None,
    dashboard_port: Annotated[int | None, cyclopts.Parameter(help="Port of the dashboard.")] = None,
) -> int:
    """Show the product at work and judge it; exit code 1 when a target is missed."""
    console = Console(soft_wrap=True)
    if duration < 10 or not 1 <= rate <= 1000:
        console.print("--duration takes 10 seconds or more, --rate 1 to 1000 requests a second", style="red")
        return FAULT
    ports = {"server__proxy_port": proxy_port, "server__dashboard_port": dashboard_port}
    report = run_loop(_run(Wish(duration=duration, seed=seed, rate=rate), ports, console))
    if report is None:
        return FAULT
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(report.to_json()), indent=2) + b"\n")
    show(report, console)
    missed = missed_targets(report)
    for target in missed:
        console.print(f"missed: {target}", style="red", markup=False)
    return 1 if missed else 0


async def _run(wish: Wish, ports: dict[str, Any], console: Console) -> DrillReport | None:
    """None when it could not be played to its end."""
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="ah-demo-") as directory:
        # Run as root, PostgreSQL works as another account, which must be able to pass through.
        os.chmod(directory, 0o711)  # noqa: S103  to pass through, not to list or write
        async with Stage(wish.seed, clock) as stage:
            settings = _settings(stage, directory, ports, console)
            configure_logging(settings.logging)
            try:
                application = Application(
                    settings, _environment(settings), AlwaysOpen(), clock, random.Random(wish.seed)
                )
                await application.start()
            except PortTaken as taken:
                console.print(f"{taken}: choose others with --proxy-port and --dashboard-port", style="red")
                return None
            try:
                return await Demo(wish, stage, application, clock, console).play()
            finally:
                await application.stop()


def _settings(stage: Stage, directory: str, ports: dict[str, Any], console: Console) -> Settings:
    """The demo's configuration, with the sources pointed at the twins and a database of its own."""
    hosts: dict[str, Any] = {
        f"sources__{source}__hosts": list(stage.hosts(source)) for source in ("yahoo_finance", *KEYS)
    }
    return settings_or_exit(
        DEMO_CONFIG,
        {},
        console,
        database__data_dir=f"{directory}/postgres",
        database__spool_dir=f"{directory}/spool",
        **hosts,
        **ports,
    )


def _environment(settings: Settings) -> dict[str, str]:
    """The keys that the twins accept, under the names that the configuration gives them."""
    return {
        name: key
        for source, keys in KEYS.items()
        for name, key in zip(settings.sources[source].keys, keys, strict=True)
    }


class Demo:
    """One run: rehearse, play, settle, judge."""

    def __init__(
        self, wish: Wish, stage: Stage, application: Application, clock: Clock, console: Console
    ) -> None:
        self._wish = wish
        self._stage = stage
        self._application = application
        self._clock = clock
        self._console = console
        self._answers: list[Answer] = []
        self._signalled = on_signals()

    async def play(self) -> DrillReport | None:
        """None when it could not begin, or a signal ended it."""
        host, port = self._application.settings.server.host, self._application.proxy.port
        async with Clients(f"http://{host}:{port}", self._clock) as clients:
            asked = questions(self._clock.now())
            self._console.print("warming up: a round of good answers", style="dim")
            try:
                await warm_up(clients, asked)
            except NotReady as cold:
                self._console.print(f"no good answer before any fault: {cold}", style="red", markup=False)
                return None
            overhead = await overhead_ms(clients, self._stage, asked, self._clock)
            began = self._clock.now() + timedelta(seconds=0.5)
            await self._traffic(clients, began)
        if self._signalled.is_set():
            return None
        await self._settle()
        return await self._judge(began, overhead)

    async def _traffic(self, clients: Clients, began: datetime) -> None:
        wish = self._wish
        scenario = write_scenario(began, wish.duration, wish.rate, wish.seed)
        self._stage.lay(scenario.faults)
        view = DemoView(self._application, len(scenario.requests))

        def heard(answer: Answer) -> None:
            self._answers.append(answer)
            view.heard(answer)

        playing = asyncio.create_task(clients.follow(scenario.requests, heard))
        stopping = asyncio.create_task(self._signalled.wait())
        try:
            await self._watch(view, playing, stopping)
        finally:
            for task in (playing, stopping):
                task.cancel()
            await asyncio.gather(playing, stopping, return_exceptions=True)

    async def _watch(self, view: DemoView, *until: asyncio.Task[Any]) -> None:
        """Draw until the first of these is done; on what is no terminal, a line every five seconds."""
        if not self._console.is_terminal:
            while not (await asyncio.wait(until, timeout=5.0, return_when=asyncio.FIRST_COMPLETED))[0]:
                self._console.print(view.line(), highlight=False)
            return
        with Live(view.draw(), console=self._console, auto_refresh=False) as live:
            while not (await asyncio.wait(until, timeout=0.5, return_when=asyncio.FIRST_COMPLETED))[0]:
                live.update(view.draw(), refresh=True)

    async def _settle(self) -> None:
        """Until every event has reached the database, or the time is up and the report shows it."""
        deadline = self._clock.monotonic() + SETTLE_SECONDS
        while self._clock.monotonic() < deadline:
            await self._clock.sleep(0.5)
            if self._application.database.away_since is None and not self._application.writer.counts.pending:
                return

    async def _judge(self, began: datetime, overhead: float) -> DrillReport:
        application = self._application
        try:
            healings = await application.store.healings_since(began)
            stored = await application.store.count_events(application.started_at)
        except DatabaseAway:
            healings, stored = [], 0
        judge = Judge(self._stage.market, self._stage.exchanges(), self._stage.faults)
        return write_report(
            [judge.judge(answer) for answer in self._answers],
            healings,
            events_emitted=application.journal.recorded_of("endpoint"),
            events_stored=stored,
            overhead_p50_ms=overhead,
        )
