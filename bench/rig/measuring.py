"""One run of one side: the right answers, and what they cost."""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.rig.accounts import used_by
from bench.rig.asking import Got, ask
from bench.rig.faults import WrongAnswer
from bench.rig.figures import per_ten_thousand
from bench.rig.load import Wrk
from bench.rig.processes import CLOCK
from bench.rig.sides import Door, Side
from bench.rig.upstream import Upstream

_LOOK_SECONDS = 0.1
_QUIET = 0.2  #: share of a core that all proxies together may use while nobody asks
_PATIENCE = 5.0

#: Share of answers that may come from elsewhere than they have to: from the upstream, or from memory.
_OTHERS = 0.01


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked for, over how many connections at once."""

    kind: str
    connections: int

    @property
    def name(self) -> str:
        return f"{self.kind}_c{self.connections}"


@dataclass(frozen=True, slots=True)
class Run:
    """What one side needed in one round of one case."""

    requests: int
    cpu: float  #: seconds per 10 000 requests
    database_cpu: float  #: the same, of the PostgreSQL beside the proxy
    per_second: float
    p50_ms: float
    p99_ms: float
    rss_mb: float
    asked_upstream: float  #: how often, by answer
    quiet: bool  #: whether all its work was done when the account was closed


class Meter:
    """Runs one at a time, each from quiet to quiet, so that work put off is paid by who put it off."""

    def __init__(self, wrk: Wrk, upstream: Upstream, sides: Iterable[Side]) -> None:
        self._wrk = wrk
        self._upstream = upstream
        self._doors = [door for side in sides for door in side.doors.values()]

    async def run(self, side: Side, case: Case, seconds: int) -> Run:
        """Raises `WrongAnswer` where a single answer was not what it had to be."""
        door, name = side.doors[case.kind], f"{side.name} {case.name}"
        await self._check(name, case.kind, door)
        await self.settle()
        asked_before = await self._upstream.requests()
        before, database_before = used_by([door.pid]), _database(door)
        load = await self._wrk.run(door.url, case.connections, seconds)
        quiet = await self.settle()
        after, database_after = used_by([door.pid]), _database(door)
        load.check(name, len(self._upstream.bodies[case.kind][0]))
        asked = await self._upstream.requests() - asked_before - 1  # the count is a request too
        if complaint := complaint_about_asking(load.requests, asked, door):
            raise WrongAnswer(f"{name}: {complaint}")
        await self._check(name, case.kind, door)
        return Run(
            requests=load.requests,
            cpu=per_ten_thousand(after.cpu - before.cpu, load.requests),
            database_cpu=per_ten_thousand(database_after - database_before, load.requests),
            per_second=load.per_second,
            p50_ms=load.p50_ms,
            p99_ms=load.p99_ms,
            rss_mb=after.rss_mb,
            asked_upstream=asked / load.requests,
            quiet=quiet,
        )

    async def settle(self) -> bool:
        """Until no proxy has anything left to do; False where that takes too long."""
        deadline = CLOCK.monotonic() + _PATIENCE
        used = self._used()
        while CLOCK.monotonic() < deadline:
            await CLOCK.sleep(_LOOK_SECONDS)
            used, before = self._used(), used
            if used - before <= _QUIET * _LOOK_SECONDS:
                return True
        return False

    def _used(self) -> float:
        databases = {pid for door in self._doors if (pid := door.database()) is not None}
        return used_by({door.pid for door in self._doors} | databases).cpu

    async def _check(self, name: str, kind: str, door: Door) -> None:
        try:
            got = await ask(door.url)
        except OSError as fault:
            raise WrongAnswer(f"{name}: {fault}") from fault
        if complaint := complaint_about(got, self._upstream.bodies[kind], heals=door.heals):
            raise WrongAnswer(f"{name}: {complaint}")


def complaint_about_asking(answers: int, asked: int, door: Door) -> str | None:
    """What is wrong with how often the upstream was asked for these, if anything is."""
    told = f"{answers} answers, for which the upstream was asked {asked} times"
    if door.remembers:
        return told if asked > answers * _OTHERS else None
    return told if not door.heals and asked < answers * (1 - _OTHERS) else None


def complaint_about(got: Got, bodies: Iterable[bytes], *, heals: bool) -> str | None:
    """What is wrong with an answer, if anything is."""
    said = got.headers.get("healing-status")
    if got.status != 200:
        return f"status {got.status}: {got.body[:300]!r}"
    if got.body not in bodies:
        return f"a body that the upstream does not have: {got.body[:200]!r}"
    if heals and said != "healed":
        return f"Healing-Status is {said!r} although the upstream fails"
    if not heals and said is not None:
        return f"Healing-Status is {said!r} although the upstream is well"
    return None


def _database(door: Door) -> float:
    pid = door.database()
    return 0.0 if pid is None else used_by([pid]).cpu
