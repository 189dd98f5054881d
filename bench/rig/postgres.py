"""The PostgreSQL that a product has started beside itself: it is no child of it."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from autonomous_healing.database.processes import postmaster_of
from bench.rig.accounts import members
from bench.rig.processes import CLOCK

_END_SECONDS = 10.0


def move_to(core: int, postmaster: int | None) -> None:
    """The server and all that it has started; what it starts later follows."""
    if postmaster is None:
        return
    for pid in members([postmaster]):
        with suppress(ProcessLookupError):
            os.sched_setaffinity(pid, {core})


async def end_postgres(cluster: Path) -> None:
    """Whatever a stopped product has left, at once, by its pid."""
    pid = await asyncio.to_thread(postmaster_of, cluster)
    if pid is None:
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGQUIT)
    deadline = CLOCK.monotonic() + _END_SECONDS
    while postmaster_of(cluster) is not None and CLOCK.monotonic() < deadline:
        await CLOCK.sleep(0.05)
