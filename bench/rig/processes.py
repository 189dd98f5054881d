"""Programs that run for as long as a measurement, each stopped by its pid whatever happens."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from autonomous_healing.resilience import SystemClock
from bench.rig.faults import CannotMeasure

CLOCK = SystemClock()

_STOP_SECONDS = 20.0


class Running:
    """One program, with what it has said so far."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, said: Path) -> None:
        self.name = name
        self.pid = process.pid
        self._process = process
        self._said = said

    async def ready(self, question: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Until it answers the question with yes; `CannotMeasure` with its last words if it does not."""
        deadline = CLOCK.monotonic() + seconds
        while not await _without_error(question):
            if self._process.returncode is not None:
                raise CannotMeasure(f"{self.name} ended with {self._process.returncode}:\n{self.last_words}")
            if CLOCK.monotonic() > deadline:
                raise CannotMeasure(f"{self.name} is not up after {seconds:g} s:\n{self.last_words}")
            await CLOCK.sleep(0.05)

    @property
    def last_words(self) -> str:
        return self._said.read_text(errors="replace").strip()[-2000:]

    async def stop(self) -> None:
        """Asked first, then made to."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.returncode is not None:
                return
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await self._process.wait()


@asynccontextmanager
async def running(
    name: str, command: tuple[str, ...], home: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    """Started in its own directory; what it says goes to a file there."""
    said = home / f"{name}.log"
    with said.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=home,
            env=clean_environment() if environment is None else environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    program = Running(name, process, said)
    try:
        yield program
    finally:
        await program.stop()


def clean_environment(**more: str) -> dict[str, str]:
    """Nothing that could be taken for settings."""
    home = os.environ.get("HOME", "/")
    return {"PATH": f"{os.defpath}:/usr/sbin:/sbin", "HOME": home, "LC_ALL": "C.UTF-8", **more}


def free_ports(count: int) -> list[int]:
    """Held all at once, so that no two are the same."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


async def _without_error(question: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await question()
    except OSError:
        return False
