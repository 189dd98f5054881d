"""Watches every target on its own schedule; what fails goes down the line."""

import asyncio
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from autonomous_healing.agents.agent import Worker
from autonomous_healing.agents.belt import Belt, BeltClosed
from autonomous_healing.agents.options import MonitoringSettings, TargetSettings
from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.call import FailedCall
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.probe import Probe, Prober
from autonomous_healing.resilience import Clock

#: An active target is probed at least once in so many seconds (spec: agents, section 2).
LONGEST_TRUST = 600.0

#: A day in the parameters of a target, counted from the day of the probe.
TODAY = re.compile(r"\{today([+-]\d{1,4})?\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One endpoint that is watched, with one question."""

    endpoint: Endpoint
    settings: TargetSettings
    interval: float  #: seconds


def build_targets(settings: MonitoringSettings, endpoints: Sequence[Endpoint]) -> tuple[Target, ...]:
    """Those of the configured targets whose source is enabled."""
    known = {(one.source.id, one.name): one for one in endpoints}
    return tuple(
        Target(
            endpoint=known[one.source, one.endpoint],
            settings=one,
            interval=one.check_interval or getattr(settings.intervals_by_priority, one.priority),
        )
        for one in settings.endpoints
        if (one.source, one.endpoint) in known
    )


def dated(params: Mapping[str, str], now: datetime) -> dict[str, str]:
    """`{today}` and `{today-5}` filled in."""
    return {name: _filled(value, now) for name, value in params.items()}


def _filled(value: str, now: datetime) -> str:
    day = TODAY.fullmatch(value)
    return (now + timedelta(days=int(day[1] or 0))).date().isoformat() if day else value


class MonitoringAgent(Worker):
    """One schedule per target; a slow probe delays no other."""

    def __init__(
        self,
        targets: Sequence[Target],
        prober: Prober,
        admission: Admission,
        belt: Belt[FailedCall],
        settings: MonitoringSettings,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        super().__init__("monitoring", clock)
        self._targets = targets
        self._prober = prober
        self._admission = admission
        self._belt = belt
        self._settings = settings
        self._rng = rng
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._stopping = asyncio.Event()
        self._probed_at: dict[str, float] = {}
        #: The last success that was known when a probe ended: what live traffic shows is newer.
        self._known_success: dict[str, datetime | None] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as watching:
            tasks = [watching.create_task(self._watch(target)) for target in self._targets]
            await self._stopping.wait()
            for task in tasks:
                task.cancel()
        await self._belt.close()

    def stop(self) -> None:
        """No more probes; the belt ends, and so does the line behind it."""
        self._stopping.set()

    async def _watch(self, target: Target) -> None:
        # The first probes are spread over one interval, so that a start is no burst.
        self._probed_at.setdefault(target.endpoint.place, self._clock.monotonic())
        await self._clock.sleep(self._rng.uniform(0.0, target.interval))
        healthy = True
        while True:
            failed = await self._look(target)
            self.succeeded()
            if failed is not None:
                await self._hand_on(failed)
            edge = healthy and failed is not None
            healthy = failed is None
            await self._clock.sleep(self._settings.edge_reprobe if edge else self._spread(target.interval))

    async def _look(self, target: Target) -> FailedCall | None:
        """None also where live traffic has just shown that the endpoint is well, or no key is set."""
        if self._seen_well(target) or self._waits_for_a_key(target.endpoint):
            return None
        probe = Probe(
            endpoint=target.endpoint,
            params=dated(target.settings.params, self._clock.now()),
            timeout=target.settings.timeout,
        )
        async with self._slots:
            failed = await self._prober.probe(probe)
        self._probed_at[target.endpoint.place] = self._clock.monotonic()
        self._known_success[target.endpoint.place] = self._admission.window(target.endpoint).last_success
        return failed

    def _seen_well(self, target: Target) -> bool:
        next_turn = self._clock.monotonic() + target.interval
        trusted = next_turn - self._probed_at[target.endpoint.place] <= LONGEST_TRUST
        if target.settings.probe_mode == "active" and not trusted:
            return False
        last = self._admission.window(target.endpoint).last_success
        if last is None or last == self._known_success.get(target.endpoint.place):
            return False
        return (self._clock.now() - last).total_seconds() < target.interval

    def _waits_for_a_key(self, endpoint: Endpoint) -> bool:
        source = endpoint.source
        return source.auth.place != "none" and not self._admission.limits(source).keys.keys

    async def _hand_on(self, failed: FailedCall) -> None:
        if self._stopping.is_set():
            return
        try:
            await self._belt.put(failed)
        except BeltClosed:
            return  # the stop came between

    def _spread(self, interval: float) -> float:
        return interval * self._rng.uniform(1 - self._settings.jitter, 1 + self._settings.jitter)
