"""`autonomous-healing start`: the whole product until a signal."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import cyclopts
from rich.console import Console

from autonomous_healing.application import Application
from autonomous_healing.commands.process import carry_traffic, settle
from autonomous_healing.database import DatabaseAway, DatabaseRefused
from autonomous_healing.endpoint_healing.market_hours import (
    CalendarUnread,
    UnknownCalendar,
    load_market_hours,
)
from autonomous_healing.resilience import SystemClock
from autonomous_healing.settings import BadSettings, Settings, load_settings, write_if_absent
from autonomous_healing.settings.logs import configure_logging, redact_logs
from autonomous_healing.wire import PortTaken

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

#: Exit codes: a clean stop is 0.
FAULT, BAD_SETTINGS, NO_DATABASE = 1, 2, 3

DEFAULT_CONFIG = Path("config/healing_config.yaml")

#: Seconds for a whole stop; then what is left is cut short.
STOP_SECONDS = 15.0


def run_loop(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    """On uvloop where it is installed, on asyncio's own loop elsewhere; a second signal exits with 1."""
    try:
        import uvloop
    except ModuleNotFoundError:
        run = asyncio.run
    else:
        run = uvloop.run
    try:
        return run(main)
    except asyncio.CancelledError:
        sys.exit(FAULT)


def settings_or_exit(
    config: Path | None, environ: Mapping[str, str], console: Console, *, create: bool = False, **more: Any
) -> Settings:
    """The settings, or the list of what is wrong with them and exit code 2."""
    try:
        if create and config is not None:
            write_if_absent(config)
        return load_settings(config, environ, **more)
    except BadSettings as bad:
        console.print(str(bad), style="red", markup=False)
        sys.exit(BAD_SETTINGS)


async def run_product(settings: Settings, environ: Mapping[str, str], console: Console) -> int:
    """Until SIGINT or SIGTERM; a second signal cuts the stop short."""
    signalled = on_signals()
    try:
        hours = await load_market_hours(settings.monitoring.market_calendar, SystemClock().now())
        carry_traffic()
        application = Application(settings, environ, hours)
        redact_logs(application.parts.redactions.everything.text)
        await application.start()
        settle()
    except UnknownCalendar as unknown:
        console.print(f"monitoring.market_calendar: {unknown}", style="red", markup=False)
        return BAD_SETTINGS
    except PortTaken as taken:
        console.print(f"{taken}: choose another with --proxy-port or --dashboard-port", style="red")
        return FAULT
    except DatabaseRefused as refused:
        console.print(str(refused), style="red", markup=False)
        return FAULT
    except DatabaseAway as away:
        console.print(f"the database is required and not there: {away}", style="red", markup=False)
        return NO_DATABASE
    except (OSError, CalendarUnread) as fault:  # an address that is not ours, a directory not to be made
        console.print(f"cannot start: {fault}", style="red", markup=False)
        return FAULT
    console.print(banner(application, settings), markup=False, highlight=False)
    await signalled.wait()
    log.info("stop_requested")
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await application.stop()
    except TimeoutError:
        log.warning("stop_cut_short", extra={"seconds": STOP_SECONDS})
        return FAULT
    return 0


def on_signals() -> asyncio.Event:
    """Set at the first SIGINT or SIGTERM; the second one ends the program at once."""
    signalled = asyncio.Event()
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()

    def note() -> None:
        if signalled.is_set() and main is not None:
            main.cancel()
        signalled.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, note)
    return signalled


def banner(application: Application, settings: Settings) -> str:
    """Facts only, as they are now."""
    host = settings.server.host
    away = application.database.away_since
    lines = [
        "autonomous_healing is up",
        f"  proxy      http://{host}:{application.proxy.port}/api/<source>/<path>",
        f"  dashboard  http://{host}:{application.dashboard.port}/health-dashboard",
        f"  database   {'away, events are kept on disk' if away else 'there'} ({settings.database.mode})",
        "  agents     " + ", ".join(f"{one.name} {one.state}" for one in application.statuses()),
        f"  endpoints  {len(application.endpoints)} registered",
    ]
    for target in settings.monitoring.endpoints:
        every = target.check_interval or getattr(settings.monitoring.intervals_by_priority, target.priority)
        lines.append(
            f"    {target.source}{target.endpoint}  every {every:.0f}s  {_waits(application, target.source)}"
        )
    for source, options in settings.sources.items():
        if options.enabled and _lacks_a_key(application, source):
            ways = (*(f"set {name}" for name in options.keys[:1]), f"`autonomous-healing key add {source}`")
            lines.append(f"  no key     {source}: {' or '.join(ways)}")
    if complaint := application.keys.complaint:
        lines.append(f"  keys       {complaint}")
    lines.append(f"  logs       {settings.logging.dir or 'standard error'}")
    return "\n".join(line.rstrip() for line in lines)


def _waits(application: Application, source: str) -> str:
    options = application.settings.sources[source]
    if not options.enabled:
        return "off"
    return "waits for a key" if _lacks_a_key(application, source) else ""


def _lacks_a_key(application: Application, source: str) -> bool:
    ring = application.keys.rings.get(source)
    return ring is not None and not ring.keys


def start(
    *,
    config: Annotated[
        Path, cyclopts.Parameter(help="Configuration; written with the defaults if absent.")
    ] = (DEFAULT_CONFIG),
    check: Annotated[bool, cyclopts.Parameter(help="Only check the configuration.", negative="")] = False,
    proxy_port: Annotated[int | None, cyclopts.Parameter(help="Port of the proxy.")] = None,
    dashboard_port: Annotated[int | None, cyclopts.Parameter(help="Port of the dashboard.")] = None,
    require_database: Annotated[
        bool, cyclopts.Parameter(help="Refuse to start without the database (exit code 3).", negative="")
    ] = False,
) -> int:
    """Run the product until a signal."""
    console = Console(stderr=False, soft_wrap=True)
    settings = settings_or_exit(
        config,
        os.environ,
        console,
        create=not check,
        server__proxy_port=proxy_port,
        server__dashboard_port=dashboard_port,
        database__require_at_start=True if require_database else None,
    )
    if check:
        console.print(f"{config}: no faults", markup=False)
        return 0
    try:
        configure_logging(settings.logging)
    except OSError as fault:
        console.print(f"logging.dir: {fault}", style="red", markup=False)
        return BAD_SETTINGS
    return run_loop(run_product(settings, os.environ, console))
