"""wrk: as many requests as a number of kept-alive connections can take, for some seconds."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from bench.rig.cores import pinned
from bench.rig.faults import CannotMeasure, WrongAnswer
from bench.rig.processes import clean_environment

#: Run once at the end of a run; nothing of it is called for a request.
_SCRIPT = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'figures {"requests": %d, "bytes": %d, "microseconds": %d, ' ..
    '"refused": %d, "broken": %d, "p50": %d, "p99": %d}\\n',
    summary.requests, summary.bytes, summary.duration,
    e.status, e.connect + e.read + e.write + e.timeout, latency:percentile(50), latency:percentile(99)))
end
"""
_MARK = "figures "


@dataclass(frozen=True, slots=True)
class Load:
    """What came of one run."""

    requests: int
    bytes_each: float  #: of an answer, its head included
    per_second: float
    p50_ms: float
    p99_ms: float
    refused: int  #: answers with a status of 400 or more
    broken: int  #: connections that failed, and requests without an answer

    def check(self, side: str, body: int) -> None:
        """Raises `WrongAnswer` unless every answer was a good one with a body of this size."""
        if not self.requests:
            raise WrongAnswer(f"{side} answered nothing")
        if self.refused or self.broken:
            raise WrongAnswer(f"{side}: {self.refused} bad answers, {self.broken} broken, of {self.requests}")
        if not body <= self.bytes_each <= body + 2048:
            raise WrongAnswer(
                f"{side}: {self.bytes_each:.0f} bytes an answer, where the body alone has {body}"
            )


def parse(output: str) -> Load:
    """From all that wrk has written; `CannotMeasure` where the figures are missing."""
    lines = [line.removeprefix(_MARK) for line in output.splitlines() if line.startswith(_MARK)]
    try:
        [line] = lines
        told = json.loads(line)
        requests, seconds = int(told["requests"]), told["microseconds"] / 1e6
        return Load(
            requests=requests,
            bytes_each=told["bytes"] / max(1, requests),
            per_second=requests / seconds,
            p50_ms=told["p50"] / 1000,
            p99_ms=told["p99"] / 1000,
            refused=int(told["refused"]),
            broken=int(told["broken"]),
        )
    except (ValueError, KeyError, TypeError, ZeroDivisionError):
        raise CannotMeasure(f"wrk told no figures:\n{output.strip()[-1000:]}") from None


class Wrk:
    """The load generator, on a core of its own."""

    def __init__(self, program: str, core: int, home: Path) -> None:
        self._program = program
        self._core = core
        self._script = home / "figures.lua"
        self._script.write_text(_SCRIPT)

    async def run(self, url: str, connections: int, seconds: int) -> Load:
        """One thread, no think time."""
        told = ("-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(self._script), url)
        process = await asyncio.create_subprocess_exec(
            *pinned(self._core, (self._program, *told)),
            env=clean_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(seconds + 30):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return parse(output.decode(errors="replace"))
