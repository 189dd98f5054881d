"""One attempt at one target: admitted, sent, judged, and counted where it belongs."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from autonomous_healing.endpoint_healing.admission import Admission, Refused
from autonomous_healing.endpoint_healing.blame import Blaming, is_hasty
from autonomous_healing.endpoint_healing.cache import ResponseCache
from autonomous_healing.endpoint_healing.call import Call, Failure, Finding, Response, Trouble
from autonomous_healing.endpoint_healing.codes import FROZEN, MISSING, STALE, THROTTLES
from autonomous_healing.endpoint_healing.diagnosis import diagnose
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.flow import UNAVAILABLE, Flows, LeftOut
from autonomous_healing.endpoint_healing.judging import UNREAD, Judges, Reading
from autonomous_healing.endpoint_healing.keeping import keeping
from autonomous_healing.endpoint_healing.keys import Key
from autonomous_healing.endpoint_healing.options import HealingSettings
from autonomous_healing.endpoint_healing.priority import OF_PURPOSE
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.records import Bars, Quote, Record
from autonomous_healing.endpoint_healing.relaying import bad_answer, content_type, relayed
from autonomous_healing.endpoint_healing.retry_after import OF_LIMITS, OUTAGE, retry_after
from autonomous_healing.endpoint_healing.upstream import Answer, Unanswered, Upstream
from autonomous_healing.healing import CannotHeal
from autonomous_healing.resilience import Clock, Deadline

#: Characters of a message that are kept; cut only after redaction, or half a key would be left.
MESSAGE = 200


#: Calls beyond the first that one request may cost its source, whatever heals it (spec: section 8).
MOST_EXTRA = 2


class FetchFailed(Exception):
    """The attempt brought no usable data."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class AskedInVain(CannotHeal):
    """An extra call was made, or refused, and brought nothing either."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Hop:
    """Which target an attempt goes to, when it is not the usual one."""

    host: str | None = None
    avoid_key: str | None = None
    seconds: float | None = None  #: less time than the endpoint's own
    extra: bool = False  #: charged to the retry budget
    purpose: Purpose | None = None  #: None: the call's own, or a retry where it is extra
    fresh: bool = False  #: past every cache on the way
    early: bool = False  #: although its circuit is open, before its time

    def purpose_for(self, call: Call) -> Purpose:
        """Why the attempt is made; what nobody waits for stays what it is, however often it is tried."""
        if call.origin != "live":
            return call.purpose
        return self.purpose or (Purpose.RETRY if self.extra else call.purpose)


FIRST = Hop()


@dataclass(frozen=True, slots=True)
class Sent:
    """One request that went out: where, with which key, when, and how long it may take."""

    host: str
    key: Key | None
    seconds: float
    began: datetime
    start: float  #: monotonic seconds


def _untold(_: Sent) -> None:
    return


def _up_to_date() -> None:
    return


class Fetcher:
    """Asks providers. Every call of the product to a provider goes through here."""

    def __init__(
        self,
        upstream: Upstream,
        admission: Admission,
        cache: ResponseCache,
        judges: Judges,
        clock: Clock,
        settings: HealingSettings,
        rng: random.Random | None = None,
    ) -> None:
        self.admission = admission
        self.flows = Flows(admission, settings, clock, rng or random.Random())
        self.blaming = Blaming(admission, clock)
        self.max_answer = settings.max_answer_mb * 1_048_576  #: bytes
        self.catch_up: Callable[[], None] = _up_to_date  #: counts good answers that were noted only
        self._upstream = upstream
        self._cache = cache
        self._judges = judges
        self._clock = clock
        self._settings = settings

    async def fetch(self, call: Call, hop: Hop = FIRST, tell: Callable[[Sent], None] = _untold) -> Response:
        """A judged answer, kept as last good copy. `tell` hears of the request as it is sent.

        Raises `FetchFailed`, and `CannotHeal` when no extra call may be decided.
        """
        endpoint, began = call.endpoint, self._clock.now()
        host = hop.host or self.admission.choose_host(endpoint)
        self._charge(call, hop)
        deadline = call.deadline if hop.seconds is None else call.deadline.within(hop.seconds)
        flow, wait = self.flows.of(endpoint, host), self.flows.seconds_to_wait(deadline)
        trial = not self.admission.breaker(endpoint, host).is_closed
        try:
            priority = max(call.priority, OF_PURPOSE.get(hop.purpose_for(call), call.priority))
            await flow.enter(priority, wait, trial=trial)
            try:
                return await self._fetch(call, host, hop, deadline, tell)
            finally:
                flow.leave()
        except Refused as refused:
            call.spent.left_out |= isinstance(refused, LeftOut)
            raise FetchFailed(self._refusal(endpoint, host, began, refused)) from None

    async def leave_out(self, call: Call, host: str) -> Response:
        """A first attempt that is not made, since `shedding` does not admit it. Raises `FetchFailed`."""
        self._charge(call, FIRST)
        call.spent.left_out = True
        refused = self.flows.of(call.endpoint, host).left_out()
        raise FetchFailed(self._refusal(call.endpoint, host, self._clock.now(), refused))

    def _charge(self, call: Call, hop: Hop) -> None:
        budget = self.admission.limits(call.endpoint.source).budget
        if not hop.extra:
            budget.count_first()
            return
        if reason := self.cannot_ask_again(call):
            raise CannotHeal(reason)
        budget.spend()
        call.spent.extra += 1

    async def _fetch(
        self, call: Call, host: str, hop: Hop, deadline: Deadline, tell: Callable[[Sent], None]
    ) -> Response:
        """By leave of its flow; raises `Refused` where circuit, key or quota say no."""
        endpoint = call.endpoint
        purpose, avoid = hop.purpose_for(call), hop.avoid_key
        weight = self.admission.limits(endpoint.source).ledger.weight(endpoint.name, call.params)
        key = self.admission.admit(
            endpoint, host, avoid_key=avoid, purpose=purpose, weight=weight, early=hop.early
        )
        seconds = min(endpoint.timeout, deadline.remaining())
        sent = Sent(host, key, seconds, self._clock.now(), self._clock.monotonic())
        tell(sent)
        try:
            answer = await self._ask(call, sent, fresh=hop.fresh or call.wishes.no_cache)
            outcome = await self._outcome(call, sent, answer)
        except BaseException:
            self.admission.breaker(endpoint, host).release_trial()
            raise
        return self._concluded(call, sent, outcome)

    def was_answered_since(self, call: Call, at: float) -> bool:
        """Whether the last good copy was asked for since then, in monotonic seconds."""
        copy = self._cache.latest(call.resource)
        return copy is not None and copy.kept_at + copy.response.keeping.age >= at

    def reuse(self, call: Call) -> Response | None:
        """A fresh copy, which needs no asking."""
        return self._cache.reuse(call)

    async def judge_kept(self, call: Call, answer: Answer) -> tuple[Response, bool] | None:
        """An answer from an earlier time as it looks now, and whether its data is too old; None if unfit."""
        reading = await self._judges.read(call, answer, self._clock.now())
        if reading.finding is not None and reading.finding.code != STALE:
            return None
        response = self._response(call, call.endpoint.source.hosts[0], answer, reading.record)
        return response, reading.finding is not None

    async def conclude(self, call: Call, sent: Sent, answer: Answer | Unanswered) -> Response:
        """What came of a request that another has sent: judged, counted and kept like all others.

        Raises `FetchFailed`.
        """
        return self._concluded(call, sent, await self._outcome(call, sent, answer))

    def judge_now(self, call: Call, sent: Sent, answer: Answer) -> Response | None:
        """The judged answer if it is well, neither waiting nor counting; None leaves it to `conclude`."""
        reading = self._judges.judge_now(call, sent.host, answer, self._clock.now())
        if reading.finding:
            return None
        self.blaming.found(call.endpoint.place, call.resource)
        return self._response(call, sent.host, answer, reading.record)

    def soft_timeout(self, endpoint: Endpoint) -> float:
        """Seconds after which healing begins: by p95, or by twice the expected time until that is known."""
        settings = self._settings.soft_timeout
        p95 = self.admission.window(endpoint).p95_seconds() or 2 * endpoint.source.expected_response
        return min(max(settings.factor * p95, settings.min), settings.max)

    def patience(self, endpoint: Endpoint, seconds: float | None = None) -> float:
        """Seconds until healing begins although an answer may come; even a short deadline leaves it some.

        `seconds` are those until the deadline; without them, the settings'.
        """
        left = self._settings.request_deadline if seconds is None else seconds
        return min(self.soft_timeout(endpoint), max(left - self._settings.local_reserve, left / 2))

    async def judge(self, call: Call, host: str, answer: Answer) -> Reading:
        """By rule and shape, then plausibility, freshness and movement; the first finding counts."""
        return await self._judges.judge(call, host, answer, self._clock.now())

    def cannot_ask_again(self, call: Call) -> str | None:
        """Why no extra call may be decided for it now, or None."""
        if call.spent.left_out:
            return "its source is in trouble, and spared"
        if call.spent.extra >= MOST_EXTRA:
            return f"{MOST_EXTRA} calls beyond the first were made for it already"
        return None if self.admission.limits(call.endpoint.source).budget.left() else "retry budget spent"

    def time_to_ask(self, deadline: Deadline) -> float:
        """Seconds of a healing that may be spent on asking; the rest is kept for local answers."""
        return deadline.remaining() - self._settings.local_reserve

    async def ask_again(self, call: Call, deadline: Deadline, hop: Hop) -> Response:
        """One extra call inside what is left of a healing; raises `CannotHeal` with what came instead."""
        seconds = self.time_to_ask(deadline)
        if seconds <= 0:
            raise CannotHeal("no time left")
        try:
            answer = await self.fetch(call, replace(hop, seconds=seconds, extra=True))
        except FetchFailed as again:
            raise AskedInVain(again.failure) from None
        if answer.status >= 300:
            raise CannotHeal(f"HTTP {answer.status}: redirected elsewhere")
        return answer

    async def rejudged(self, call: Call, part: Response, body: bytes) -> Response:
        """A body put together from parts, judged like any other; raises `CannotHeal`."""
        reading = await self.judge(call, part.host, Answer(part.status, {}, body))
        if reading.finding:
            raise CannotHeal(f"put together: {reading.finding.message}")
        return replace(part, body=body, record=reading.record, headers={})

    async def _ask(self, call: Call, sent: Sent, *, fresh: bool) -> Answer | Unanswered:
        secret = sent.key.secret if sent.key else None
        path = call.endpoint.upstream_path(call.params, secret)
        headers = {**call.headers, **call.endpoint.key_headers(secret)}
        named = None if fresh else self._cache.named(call.resource)
        if fresh:
            headers["cache-control"] = "no-cache"
        elif named is not None:
            name, _, value = named.condition.decode("latin-1").strip().partition(": ")
            headers[name] = value
        try:
            answer = await self._upstream.get(call.endpoint.source, sent.host, path, headers, sent.seconds)
        except Unanswered as none:
            return none
        if answer.status == 304 and named is not None and named.is_meant_by(answer.headers.get("etag")):
            self._cache.confirmed += 1
            return Answer(200, named.unchanged(answer.headers), named.response.body)
        return answer

    async def _outcome(self, call: Call, sent: Sent, answer: Answer | Unanswered) -> Response | Failure:
        if isinstance(answer, Unanswered):
            failure = self._failure(call, sent, trouble=answer.trouble, message=str(answer))
            return replace(failure, connected=answer.connected)
        self.blaming.answered()
        ledger = self.admission.limits(call.endpoint.source).ledger
        ledger.learn(sent.key.alias if sent.key else "", answer.headers, self._clock.now())
        if answer.status == 304:
            unasked = Reading(finding=Finding(MISSING, "HTTP 304, although no copy was spoken of"))
            return self._failure(call, sent, answer=answer, reading=unasked)
        if 300 <= answer.status < 400:
            return self._response(call, sent.host, answer, None)
        reading = await self.judge(call, sent.host, answer)
        if reading.finding or answer.status >= 400:
            failure = self._failure(call, sent, answer=answer, reading=reading)
            if not self.blaming.is_lost(failure, call.resource):
                return failure
            lost = Finding(MISSING, "HTTP 404, as for most of what was there before")
            return self._failure(call, sent, answer=answer, reading=Reading(finding=lost))
        return self._response(call, sent.host, answer, reading.record)

    def _concluded(self, call: Call, sent: Sent, outcome: Response | Failure) -> Response:
        """Counted where it belongs; raises `FetchFailed`."""
        endpoint = call.endpoint
        if isinstance(outcome, Failure):
            self.catch_up()  # or failures in a row would have had good answers between them
            hasty = is_hasty(call, sent.seconds, self.soft_timeout(endpoint))
            outcome = replace(outcome, blame=self.blaming.count(outcome, sent.start, hasty=hasty))
            self.flows.of(endpoint, sent.host).record_failed(outcome)
            if outcome.finding and outcome.finding.true_at:
                # The copy was kept while a frozen value could not be told from a quiet one.
                age = (self._clock.now() - outcome.finding.true_at).total_seconds()
                self._cache.date_back(call, age)
            raise FetchFailed(outcome)
        if sent.key is not None and sent.key.checking:
            self.admission.limits(endpoint.source).keys.accept(sent.key.alias)
        elapsed = self._clock.monotonic() - sent.start
        window = self.admission.window(endpoint)
        window.record_success(elapsed)
        self.admission.breaker(endpoint, sent.host).record_success(elapsed)
        self.admission.circuits.learn(endpoint, sent.host, window.p95_seconds())
        self.flows.of(endpoint, sent.host).record_good(elapsed)
        self._cache.keep(call, outcome, took=elapsed)
        self.blaming.found(endpoint.place, call.resource)
        return outcome

    def _response(self, call: Call, host: str, answer: Answer, record: Record | None) -> Response:
        redaction = self._judges.redactions.of(call.endpoint.source.id)
        return Response(
            status=answer.status,
            content_type=content_type(answer, redaction),
            body=redaction.body(answer.body),
            headers=relayed(answer.headers, redaction),
            source=call.endpoint.source.id,
            host=host,
            fetched_at=self._clock.now(),
            record=record,
            suspect=record is not None and self._judges.plausibility.suspect(record),
            delayed=isinstance(record, Quote | Bars) and record.delayed,
            keeping=keeping(answer.headers, self._clock.now()),
        )

    def _failure(
        self,
        call: Call,
        sent: Sent,
        *,
        answer: Answer | None = None,
        reading: Reading = UNREAD,
        trouble: Trouble | None = None,
        message: str = "",
    ) -> Failure:
        redaction, finding = self._judges.redactions.of(call.endpoint.source.id), reading.finding
        if answer is not None and not message:
            message = finding.message if finding else f"HTTP {answer.status}"
        failure = Failure(
            endpoint=call.endpoint,
            host=sent.host,
            observed_at=sent.began,
            elapsed=timedelta(seconds=self._clock.monotonic() - sent.start),
            status=answer.status if answer else None,
            trouble=trouble,
            finding=finding,
            key_alias=sent.key.alias if sent.key else None,
            message=redaction.text(message)[:MESSAGE],
            answer=bad_answer(answer, redaction) if answer else None,
            record=reading.record if finding and finding.code in (STALE, FROZEN) else None,
        )
        return replace(failure, retry_after=self._time_of_return(failure, answer))

    def _time_of_return(self, failure: Failure, answer: Answer | None) -> float | None:
        """Only a throttle ends at the reset of a limit, and only an outage (503) when Retry-After says so."""
        if answer is None:
            return None
        throttled = diagnose(failure).code in THROTTLES
        if not throttled and failure.status != UNAVAILABLE:
            return None
        names, cap = OF_LIMITS if throttled else OUTAGE, self._settings.retry_after_cap
        return retry_after(answer.headers, self._clock.now(), names, cap)

    def _refusal(self, endpoint: Endpoint, host: str, began: datetime, refused: Refused) -> Failure:
        return Failure(
            endpoint=endpoint,
            host=host,
            observed_at=began,
            elapsed=timedelta(0),
            refused=refused.code,
            retry_after=refused.retry_after,
            message=str(refused),
            blame=refused.blame,
        )
