"""What the owner does with what workers tell it."""

import logging
from collections.abc import Callable, Iterable

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.cache import ResponseCache
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.fetch import Sent
from autonomous_healing.endpoint_healing.healthy_path import HealthyPath
from autonomous_healing.proxy.healing_proxy import PlainQuestions
from autonomous_healing.resilience import Clock
from autonomous_healing.workers.leases import Lender
from autonomous_healing.workers.messages import (
    Again,
    AskLease,
    FromOwner,
    FromWorker,
    GiveBack,
    Kept,
    LimitsTold,
    Seen,
)

log = logging.getLogger(__name__)


class Desk:
    """Lends, counts and keeps. What it is told of places that it does not know is dropped."""

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        admission: Admission,
        cache: ResponseCache,
        path: HealthyPath,
        questions: PlainQuestions,
        clock: Clock,
        workers: int,
    ) -> None:
        self._endpoints = {one.place: one for one in endpoints}
        self._admission = admission
        self._cache = cache
        self._path = path
        self._questions = questions
        self._clock = clock
        self.lender = Lender(self._endpoints.values(), admission, workers, clock)

    def take(self, message: FromWorker, reply: Callable[[FromOwner], None]) -> None:
        """One message of a worker that is at work."""
        match message:
            case AskLease(place=place):
                if lease := self.lender.grant(place):
                    reply(lease)
            case GiveBack(number=number, calls=calls):
                self.lender.take_back(number, calls)
            case Seen(place=place) if place in self._endpoints:
                self._count(self._endpoints[place], message)
            case Kept(place=place) if place in self._endpoints:
                self._keep(self._endpoints[place], message)
            case LimitsTold(place=place, alias=alias, fields=fields) if place in self._endpoints:
                self._path.learned(self._endpoints[place], alias, fields)
            case Again(resource=resource, crc=crc, asked_at=asked_at):
                self._cache.confirm(resource, crc, asked_at)
            case _:
                pass

    def _count(self, endpoint: Endpoint, seen: Seen) -> None:
        if endpoint.source.kind == "data":
            self._path.count_elsewhere(endpoint, seen.seconds)
            return
        window = self._admission.window(endpoint)
        window.record_successes(seen.seconds)
        for _ in range(seen.failed):
            window.record_failure()

    def _keep(self, endpoint: Endpoint, kept: Kept) -> None:
        """As if this process had asked: judged again, so that it is kept like any other."""
        host = endpoint.source.hosts[0]
        call = self._questions.plain_call(endpoint, kept.params, {}, 0.0)
        copy = self._cache.latest(call.resource)
        if copy is not None and copy.kept_at > kept.asked_at:
            return
        sent = Sent(host, None, self._questions.seconds_for(endpoint), self._clock.now(), kept.asked_at)
        head = wire.AnswerHead(1, kept.fields, None, False, frozenset(), True, 200)
        answer = wire.Answer(head, kept.body)
        response = self._questions.plainly_good(self._path, call, sent, answer)
        copy = self._cache.latest(call.resource)
        if copy is not None and copy.response is response:
            copy.came = answer
            self._cache.weigh(copy)
