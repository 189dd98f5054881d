"""One more process on the proxy's port. Started by the product itself, with the folder of its sockets."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from autonomous_healing.commands.process import carry_traffic, settle
from autonomous_healing.commands.start import run_loop
from autonomous_healing.endpoint_healing.assembly import EndpointParts, build_parts
from autonomous_healing.endpoint_healing.catalog import build_endpoints
from autonomous_healing.endpoint_healing.freshness import AlwaysOpen, Sessions
from autonomous_healing.endpoint_healing.options import SourceSettings
from autonomous_healing.resilience import SystemClock, uuid7_from
from autonomous_healing.settings import Settings
from autonomous_healing.settings.doors import build_door
from autonomous_healing.settings.logs import configure_logging, redact_logs
from autonomous_healing.workers.channel import Channel
from autonomous_healing.workers.messages import CHANNEL, Configuration, FromOwner, FromWorker, Hello
from autonomous_healing.workers.worker_process import Duties, WorkerProcess

#: Exit code of a worker that nobody wants.
UNWANTED = 1

_MESSAGES = msgspec.msgpack.Decoder(FromOwner)


async def work(folder: Path) -> int:
    """Until the owner says stop, a signal does, or the owner is gone."""
    told_to_stop = on_signals()
    reader, writer = await asyncio.open_unix_connection(str(folder / CHANNEL))
    channel: Channel[FromOwner, FromWorker] = Channel(reader, writer, _MESSAGES)
    said = aiter(channel)
    channel.send(Hello(os.getpid()))
    orders = await anext(said, None)
    if not isinstance(orders, Configuration):
        return UNWANTED
    settings = Settings.model_validate_json(orders.settings)
    configure_logging(settings.logging, f"worker-{orders.number}")
    carry_traffic()
    clock = SystemClock()
    duties = _duties(folder, settings, orders, clock)
    redact_logs(duties.parts.redactions.everything.text)
    worker = WorkerProcess(duties, channel, clock, uuid7_from(clock))
    await worker.start()
    settle()
    try:
        await worker.run(said, told_to_stop)
    finally:
        await worker.stop()
        if worker.is_orphan:  # nobody else tidies up after an owner that was killed
            shutil.rmtree(folder, ignore_errors=True)
    return 0


def on_signals() -> asyncio.Event:
    """Set by SIGTERM. Ctrl-C goes to all processes at a terminal, and is the owner's to understand."""
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told_to_stop.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    return told_to_stop


def _duties(folder: Path, settings: Settings, orders: Configuration, clock: SystemClock) -> Duties:
    sources = _with_ports(settings.sources, orders.ports)
    hours = AlwaysOpen() if orders.sessions is None else Sessions(orders.sessions)
    server = settings.server.model_copy(update={"proxy_port": orders.port})
    stall = server.body_stall_seconds
    parts: EndpointParts = build_parts(
        build_endpoints(sources), sources, orders.secrets, settings.healing, hours, clock, stall
    )
    return Duties(folder=str(folder), door=build_door(server), healing=settings.healing, parts=parts)


def _with_ports(sources: Mapping[str, SourceSettings], ports: Mapping[str, int]) -> dict[str, SourceSettings]:
    """Those that are bound, where any free one was wanted."""
    return {
        source: one.model_copy(update={"port": ports.get(source, one.port)})
        for source, one in sources.items()
    }


def main() -> None:
    """`python -m autonomous_healing.commands.worker FOLDER`."""
    sys.exit(run_loop(work(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
