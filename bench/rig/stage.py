"""Where measurements take place: the upstream, the load generator and the certificates of one run."""

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.rig.certificates import Certificates, make_certificates
from bench.rig.cores import Cores, on_core, two_cores
from bench.rig.faults import CannotMeasure, WrongAnswer
from bench.rig.load import Wrk
from bench.rig.processes import CLOCK
from bench.rig.tools import Tools
from bench.rig.upstream import Upstream, serving

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Stage:
    """What every side has in common."""

    home: Path
    cores: Cores
    tools: Tools
    upstream: Upstream
    certificates: Certificates
    wrk: Wrk


@asynccontextmanager
async def stage(tools: Tools) -> AsyncIterator[Stage]:
    """Set up on the core of the load; everything is gone at the end, on a signal too."""
    end_on_signals()
    cores = two_cores()
    with on_core(cores.load), home_of_a_run() as home:
        certificates = make_certificates(tools.openssl, home / "certificates")
        async with serving(tools.nginx, home / "upstream", certificates, CLOCK.now()) as upstream:
            wrk = Wrk(tools.wrk, cores.load, home)
            yield Stage(home, cores, tools, upstream, certificates, wrk)


@contextmanager
def home_of_a_run() -> Iterator[Path]:
    """A directory that is gone in the end."""
    home = Path(tempfile.mkdtemp(prefix="ah-bench-"))
    home.chmod(0o711)  # the product's PostgreSQL works as another account, which must be able to pass through
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def positive(text: str) -> int:
    """A whole number above 0, for an option; `ValueError` for anything else."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def play(measurement: Coroutine[Any, Any, ResultT]) -> ResultT | None:
    """What it finds; None, with the reason on standard error, where it finds nothing or was stopped."""
    try:
        return asyncio.run(measurement)
    except (CannotMeasure, WrongAnswer) as fault:
        sys.stderr.write(f"{fault}\n")
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.stderr.write("stopped\n")
    return None


def end_on_signals() -> None:
    """The first one ends the measurement; those that follow do not disturb the tidying up."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def end() -> None:
        for number in numbers:
            loop.add_signal_handler(number, lambda: None)
        task.cancel()

    for number in numbers:
        loop.add_signal_handler(number, end)
