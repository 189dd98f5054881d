"""The door to endpoint healing: ask for data, or hand in a failed call."""

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from autonomous_healing.endpoint_healing.background_retries import BackgroundRetries
from autonomous_healing.endpoint_healing.call import Call, FailedCall, Failure, Response, Trouble
from autonomous_healing.endpoint_healing.codes import CALLER_ERROR, Blame
from autonomous_healing.endpoint_healing.diagnosis import diagnose
from autonomous_healing.endpoint_healing.fetch import Fetcher, FetchFailed, Hop
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.endpoint_healing.flights import Flights
from autonomous_healing.endpoint_healing.health import FELT_ERROR
from autonomous_healing.endpoint_healing.hedging import Hedger
from autonomous_healing.endpoint_healing.kept_copies import KeptCopies
from autonomous_healing.endpoint_healing.options import HealingSettings
from autonomous_healing.endpoint_healing.strategies import Cascade
from autonomous_healing.endpoint_healing.strategies.cascade import RETRY
from autonomous_healing.endpoint_healing.trail import EndpointReport, Trail, TrailRing, without_bodies
from autonomous_healing.healing import (
    Attempt,
    Diagnosis,
    Healing,
    HealingLoop,
    HealingReport,
    Journal,
    Outcome,
    Severity,
)
from autonomous_healing.resilience import Clock
from autonomous_healing.safety import Origin

#: Resources of which it is remembered that each caller must ask by itself.
MOST_ALONE = 4096

#: The names under which a source's own answer stands in reports: the slow one to the first attempt that came
#: after all, and the one to a trial of an open circuit before its time.
LATE_ANSWER, LAST_RESORT = "late_answer", "last_resort"


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a caller gets: an answer, or the failure that nothing cured."""

    call: Call
    response: Response | None = None
    failure: Failure | None = None
    report: EndpointReport | None = None  #: of the healing, where there was one; holds no bodies
    bypassed: bool = False  #: nobody wanted it healed: caller, settings or safety

    @property
    def healed(self) -> bool:
        return self.response is not None and self.report is not None

    @property
    def felt(self) -> str:
        """As its caller feels it; empty where nothing is told of us: by who turns healing off, say."""
        if self.bypassed:
            return ""
        if self.response is not None:
            untouched = self.report is None and self.response.fidelity is Fidelity.EXACT
            return "fresh" if untouched else self.response.fidelity.word
        return FELT_ERROR if self.report is not None and not self.report.case.too_hasty else ""

    @property
    def shared(self) -> bool:
        """Whether others who asked at the same time may have it, too (RFC 9111, section 4)."""
        response = self.response
        return response is None or response.age is not None or response.keeping.shared


class NotCached(Exception):
    """The caller wants a copy or nothing, and there is none for it."""


class EndpointHealer:
    """Asks for data and heals what comes back wrong. Users' requests and probes come through here alike."""

    def __init__(
        self,
        fetcher: Fetcher,
        cascade: Cascade,
        loop: HealingLoop[FailedCall, Response],
        journal: Journal,
        clock: Clock,
        settings: HealingSettings,
        kept: KeptCopies | None = None,
    ) -> None:
        self.trails = TrailRing()
        self.cascade = cascade
        self._fetcher = fetcher
        self._loop = loop
        self._journal = journal
        self._clock = clock
        self._settings = settings
        self._kept = kept
        self.hedger = Hedger(fetcher, clock, settings)
        self._retries = BackgroundRetries(fetcher, clock, settings)
        self._background: set[asyncio.Task[Response]] = set()
        self._flights: Flights[Result] = Flights()
        self._alone: OrderedDict[str, None] = OrderedDict()  #: resources whose answers are not to be shared

    async def answer(self, call: Call) -> Result:
        """A truthful answer to a user's call, or the honest failure. Raises `NotCached`."""
        await self.recall(call)
        if fresh := self._fetcher.reuse(call):
            return self._felt(Result(call=call, response=fresh))
        if call.wishes.only_if_cached:
            raise NotCached
        if call.hurried or call.resource in self._alone or not self._settings.cache.coalesce:
            return self._felt(self._told(await self._asked(call)))
        wanted = (call.resource, call.policy, call.wishes, call.batch)
        result, joined = await self._flights.join(wanted, lambda: self._asked(call))
        if joined and not self._told(result).shared:
            result = await self._asked(call)
        return self._felt(self._told(result))

    async def recall(self, call: Call) -> None:
        """Take into memory a copy that only the second layer has."""
        if self._kept is not None:
            await self._kept.recall(call)

    async def _asked(self, call: Call) -> Result:
        began, start = self._clock.now(), self._clock.monotonic()
        patience = self._fetcher.patience(call.endpoint, call.deadline.remaining())
        return await self._follow(call, self.hedger.fetch(call), began, start, patience)

    async def follow(
        self,
        call: Call,
        first: Coroutine[None, None, Response],
        began: datetime,
        start: float,
        patience: float,
    ) -> Result:
        """What becomes of a first attempt that began at `start` (monotonic), healed where it fails.

        `patience`: seconds from its start until healing begins although an answer may still come.
        """
        return self._felt(await self._follow(call, first, began, start, patience))

    async def _follow(
        self,
        call: Call,
        first: Coroutine[None, None, Response],
        began: datetime,
        start: float,
        patience: float,
    ) -> Result:
        attempt = self._begin(first)
        bypassed = self._passes_through(call)
        try:
            await asyncio.wait({attempt}, timeout=patience - (self._clock.monotonic() - start))
            if attempt.done():
                result = await self._settle(call, attempt)
            else:
                result = await self._heal_meanwhile(call, attempt, began, start)
        except asyncio.CancelledError:
            attempt.cancel()  # the caller has gone, and nobody else waits for this
            raise
        if not bypassed:
            self._try_later(result)
        return replace(result, bypassed=bypassed)

    def _try_later(self, result: Result) -> None:
        """Where the answer is not the source's own, try to have a good copy again."""
        cure, report = result.response, result.report
        if result.failure is None or report is None or result.call.wishes.no_store:
            return
        if cure is None or cure.fidelity is not Fidelity.EXACT or cure.age is not None:
            looked = any(one.tried and one.strategy == RETRY for one in report.attempts)
            self._retries.begin(result.call, result.failure, looked_again=looked)

    async def heal(self, failed: FailedCall, diagnosis: Diagnosis) -> EndpointReport:
        """Try to cure; write it down. For failures that are diagnosed already."""
        report, _ = await self._cure(failed, diagnosis)
        return report

    def severity(self, call: Call) -> Severity:
        """The endpoint's present status; unknown counts as degraded."""
        return self._fetcher.admission.window(call.endpoint).read().status or Severity.DEGRADED

    async def stop(self) -> None:
        """End what still runs in the background."""
        await self._retries.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    def _told(self, result: Result) -> Result:
        """Whether those who ask the same may wait for one another is known from the last answer."""
        resource = result.call.resource
        self._alone.pop(resource, None)
        if not result.shared:
            self._alone[resource] = None
            if len(self._alone) > MOST_ALONE:
                self._alone.popitem(last=False)
        return result

    def _passes_through(self, call: Call) -> bool:
        healing_is_on = self._settings.enable_auto_healing and self._loop.may_act
        return not (healing_is_on and call.policy.levels)

    def _begin(self, first: Coroutine[None, None, Response]) -> asyncio.Task[Response]:
        attempt = asyncio.create_task(first)
        self._background.add(attempt)
        attempt.add_done_callback(self._forget)
        return attempt

    def _forget(self, task: asyncio.Task[Response]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # taken, so that a late failure nobody waits for is no warning

    async def _settle(self, call: Call, attempt: asyncio.Task[Response]) -> Result:
        try:
            return Result(call=call, response=await attempt)
        except FetchFailed as failed:
            failure = failed.failure
        diagnosis = diagnose(failure, self.severity(call))
        if diagnosis.code == CALLER_ERROR:
            self._fetcher.admission.window(call.endpoint).record_caller_error()
            return Result(call=call, failure=failure)
        report, cure = await self._cure(FailedCall(call=call, failure=failure), diagnosis)
        return Result(call=call, response=cure, failure=failure, report=report)

    async def _heal_meanwhile(
        self, call: Call, attempt: asyncio.Task[Response], began: datetime, start: float
    ) -> Result:
        """The soft timeout has passed: heal while the first attempt goes on, and may still win."""
        waited = self._clock.monotonic() - start
        hasty = call.hurried and waited < self._fetcher.soft_timeout(call.endpoint)
        failure = Failure(
            endpoint=call.endpoint,
            host=self._fetcher.admission.choose_host(call.endpoint),
            observed_at=began,
            elapsed=timedelta(seconds=waited),
            trouble=Trouble.SOFT_TIMEOUT,
            message=f"no answer within {waited:.1f}s",
            blame=Blame.CALLER if hasty else None,
        )
        failed = FailedCall(call=call, failure=failure)
        diagnosis, diagnosed_at = diagnose(failure, self.severity(call)), self._clock.now()
        heal_start = self._clock.monotonic()
        healing = await self._run(failed, diagnosis)
        if healing.cure is None:
            healing = await self._wait_for_late_answer(call, attempt, healing)
        seconds = self._clock.monotonic() - heal_start
        report = self._write_down(failed, diagnosis, healing, diagnosed_at, seconds)
        return Result(call=call, response=healing.cure, failure=failure, report=report)

    async def _wait_for_late_answer(
        self, call: Call, attempt: asyncio.Task[Response], healing: Healing[Response]
    ) -> Healing[Response]:
        started_at, start = self._clock.now(), self._clock.monotonic()
        await asyncio.wait({attempt}, timeout=call.deadline.remaining())
        cure: Response | None = None
        outcome, reason = Outcome.TIMED_OUT, "the deadline passed"
        if attempt.done():
            try:
                cure, outcome, reason = await attempt, Outcome.HEALED, ""
            except FetchFailed as failed:
                outcome, reason = Outcome.FAILED, failed.failure.message
        late = Attempt(
            strategy=LATE_ANSWER,
            outcome=outcome,
            reason=reason,
            started_at=started_at,
            seconds=self._clock.monotonic() - start,
        )
        return replace(healing, attempts=(*healing.attempts, late), cure=cure)

    async def _cure(self, failed: FailedCall, diagnosis: Diagnosis) -> tuple[EndpointReport, Response | None]:
        diagnosed_at, start = self._clock.now(), self._clock.monotonic()
        healing = await self._run(failed, diagnosis)
        if healing.cure is None and failed.failure.refused and not self._passes_through(failed.call):
            healing = await self._try_early(failed.call, healing)
        seconds = self._clock.monotonic() - start
        return self._write_down(failed, diagnosis, healing, diagnosed_at, seconds), healing.cure

    async def _try_early(self, call: Call, healing: Healing[Response]) -> Healing[Response]:
        """Nothing cured, and no circuit lets a call through: now and then the least bad host is asked."""
        host = self._fetcher.admission.circuits.last_resort(call.endpoint)
        seconds = self._fetcher.time_to_ask(call.deadline.within(self._settings.request_budget))
        if host is None or seconds <= 0:
            return healing
        started_at, start = self._clock.now(), self._clock.monotonic()
        cure: Response | None = None
        outcome, reason = Outcome.HEALED, ""
        try:
            cure = await self._fetcher.fetch(call, Hop(host=host, seconds=seconds, early=True))
        except FetchFailed as failed:
            outcome, reason = Outcome.FAILED, failed.failure.message
        early = Attempt(
            strategy=LAST_RESORT,
            outcome=outcome,
            reason=reason,
            started_at=started_at,
            seconds=self._clock.monotonic() - start,
        )
        return replace(healing, attempts=(*healing.attempts, early), cure=cure)

    async def _run(self, failed: FailedCall, diagnosis: Diagnosis) -> Healing[Response]:
        if not self._settings.enable_auto_healing or not failed.call.policy.levels:
            return Healing((), None, None)
        await self.recall(failed.call)
        source = failed.call.endpoint.source.id
        strategies = self.cascade.claim(diagnosis, source, Origin.RULE)
        deadline = failed.call.deadline.within(self._settings.request_budget)
        return await self._loop.heal(failed, diagnosis, strategies, deadline)

    def _write_down(
        self,
        failed: FailedCall,
        diagnosis: Diagnosis,
        healing: Healing[Response],
        diagnosed_at: datetime,
        seconds: float,
    ) -> EndpointReport:
        whole: EndpointReport = HealingReport(
            id=failed.call.id,
            patient="endpoint",
            origin=failed.call.origin,
            case=failed,
            diagnosis=diagnosis,
            attempts=healing.attempts,
            cure=healing.cure,
            observed_at=failed.failure.observed_at,
            diagnosed_at=diagnosed_at,
            ended_at=self._clock.now(),
            detect_seconds=failed.failure.elapsed.total_seconds(),
            heal_seconds=seconds,
            predicted=healing.predicted,
        )
        report = without_bodies(whole)
        if report.origin == "probe":
            window = self._fetcher.admission.window(failed.call.endpoint)
            window.record_probed(truthful=report.healed)
        self.trails.keep(Trail(report))
        self._journal.record(report)
        return report

    def _felt(self, result: Result) -> Result:
        """Counted as its caller feels it."""
        if result.felt:
            self._fetcher.admission.window(result.call.endpoint).record_felt(result.felt)
        return result
