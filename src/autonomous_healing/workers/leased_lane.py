"""A worker's lane: plain questions that it may ask itself, and the way to the owner for all others."""

import asyncio
import itertools
import os
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.cache import Copy, ResponseCache
from autonomous_healing.endpoint_healing.call import Call, Response
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.fetch import Fetcher
from autonomous_healing.endpoint_healing.healthy_path import HealthyPath, Question
from autonomous_healing.endpoint_healing.keys import Key
from autonomous_healing.endpoint_healing.observations import Observations
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.quota import most_of
from autonomous_healing.endpoint_healing.upstream import Upstream
from autonomous_healing.proxy.crowd import Crowd
from autonomous_healing.proxy.healing_proxy import PlainQuestions
from autonomous_healing.proxy.lane import Asked, Lane, PlainAttempt
from autonomous_healing.proxy.provenance import refusal
from autonomous_healing.proxy.wire_form import send, wire_head
from autonomous_healing.resilience import Clock
from autonomous_healing.workers.attempts import Answered, Failed, HandOver, Late, Outcome, Waiting
from autonomous_healing.workers.leases import Leases
from autonomous_healing.workers.seen import Copies

#: Seconds that the owner may take beyond what it gives a request itself.
_GRACE = 5.0

#: Seconds in which the owner must have taken what nobody waits for.
_TELL_SECONDS = 5.0


class LeasedPath(HealthyPath):
    """Asks by leave of the owner, and tells it of good answers."""

    def __init__(
        self,
        fetcher: Fetcher,
        upstream: Upstream,
        cache: ResponseCache,
        observations: Observations,
        clock: Clock,
        leases: Leases,
        copies: Copies,
    ) -> None:
        super().__init__(fetcher, upstream, cache, observations, clock)
        self._own_cache = cache
        self._leases = leases
        self._copies = copies

    def admit(self, question: Question, purpose: Purpose = Purpose.FIRST) -> Key | None:
        """The key to ask with; None without a lease, and where this process has calls enough under way."""
        target = question.target
        return self._leases.take(target.place, most_of(question.weight)) if target.flow.has_room() else None

    def learned(self, endpoint: Endpoint, alias: str, limits: Mapping[str, str]) -> None:
        """The owner counts."""
        self._leases.told(endpoint.place, alias, limits)

    def remember(self, question: Question, answer: wire.Answer, response: Response, head: bytes) -> None:
        super().remember(question, answer, response, head)
        copy = self._own_cache.latest(question.resource)
        if copy is not None and copy.response is response:
            self._copies.offer(question, answer, copy.kept_at + response.keeping.age)


class OwnersDoors:
    """The owner's sockets, as a worker uses them."""

    def __init__(
        self, requests: wire.OriginPool, attempts: wire.OriginPool, most: int, seconds: float
    ) -> None:
        """`most`: bytes of a reply that are held; `seconds` that the owner gives a request."""
        self._requests = requests
        self._attempts = attempts
        self._most = most
        self._seconds = seconds + _GRACE
        self._loop = asyncio.get_running_loop()

    def relay(self, exchange: wire.Exchange) -> None:
        """Hand a request on as it came."""
        try:
            head = wire.handed_on(exchange)
        except ValueError:
            send(exchange, refusal(400, "Bad request", "the request cannot be handed on"))
            return
        self._hand(exchange, head, self._requests)

    def hand_over(self, exchange: wire.Exchange, message: HandOver) -> wire.Handing:
        """Have an attempt gone on with; the reply goes to the client."""
        return self._hand(exchange, _posted(message), self._attempts)

    async def tell(self, message: HandOver | Late) -> None:
        """Without a client who waits."""
        with suppress(wire.WireError):  # an owner that is away counts nothing any more
            await self._attempts.fetch(b"POST", _posted(message), seconds=_TELL_SECONDS, most=self._most)

    def _hand(self, exchange: wire.Exchange, head: bytes, place: wire.OriginPool) -> wire.Handing:
        due = self._loop.time() + self._seconds
        handing = wire.Handing(exchange, head, due, self._most, failed=_owner_away, over=_nothing)
        place.ask(handing)
        return handing


def _posted(message: HandOver | Late) -> bytes:
    body = msgspec.msgpack.encode(message)
    return wire.request_bytes(_OWNER, b"POST", b"/", (), length=len(body)) + body


_OWNER = wire.Origin("http", "localhost", 80)


def _owner_away(exchange: wire.Exchange, _: wire.WireError) -> None:
    reply = refusal(503, "Service unavailable", "the process that heals does not answer")
    reply.headers["Retry-After"] = "1"
    send(exchange, reply)


def _nothing(_: wire.Ending) -> None:
    return


class LeasedLane(Lane):
    """Takes questions for which there is a lease."""

    def __init__(
        self,
        questions: PlainQuestions,
        path: HealthyPath,
        fetcher: Fetcher,
        buffer_bytes: int,
        owner: OwnersDoors,
    ) -> None:
        super().__init__(questions, path, fetcher, buffer_bytes)
        self.owner = owner
        self._numbers = itertools.count(1)

    def begin(
        self, exchange: wire.Exchange, asked: Asked, copy: Copy | None, crowd: Crowd | None = None
    ) -> bool:
        if exchange.body or exchange.upload is not None:
            return False
        key = self.path.admit(asked.question, Purpose.FIRST)
        if key is None:
            return False
        attempt = LeasedAttempt(self, exchange, asked, key, copy, crowd=crowd)
        asked.question.route.connections.ask(attempt)
        return True

    def new_number(self) -> str:
        """Of an attempt, among those of all workers."""
        return f"{os.getpid()}-{next(self._numbers)}"


class LeasedAttempt(PlainAttempt[LeasedLane]):
    """One whose failures are the owner's business."""

    __slots__ = ("_handing", "_number")

    _handing: wire.Handing  #: there once it is given up
    _number: str

    def unfit(self, call: Call, answer: wire.Answer) -> None:
        """The owner finds out what is wrong with it."""
        self._question.target.flow.record_handed_over(answer.head.status)
        self._hand_over(_answered(answer))

    def failed(self, error: wire.WireError) -> None:
        self._give_back()
        if error.timed_out:
            self._question.target.flow.record_handed_over(None)
        if self._given_up:
            self._tell_late(Failed.of(error))
        elif self._streaming:
            self._exchange.abort()
            self._lane.go_on(self._lane.owner.tell(self._message(Failed.of(error), wanted=False)))
        else:
            self._hand_over(Failed.of(error))

    def given_up(self) -> None:
        """The owner heals."""
        self._hand_over(Waiting())
        self._exchange.on_gone = self._client_left

    def came_late(self, answer: wire.Answer) -> None:
        """A good one still wins while the owner has not replied."""
        exchange, path, question = self._exchange, self._lane.path, self._question
        if self._is_waited_for and not exchange.answered and not self._handing.begun:
            call = self._call()
            response = self._lane.questions.plainly_good(path, call, self._sent(), answer)
            if response is not None:
                self._handing.cancel()
                path.note(question, path.clock.monotonic() - self._start)
                reply = self._lane.questions.untouched(response)
                head = wire_head(reply)
                path.remember(question, answer, response, head)
                exchange.respond(head, reply.body)
                return
        self._tell_late(_answered(answer))

    def _client_left(self) -> None:
        self.cancel()
        self._handing.cancel()

    def _hand_over(self, outcome: Answered | Failed | Waiting) -> None:
        self._asked.question.leader, self._joinable = None, False
        if not self._is_waited_for:
            self._lane.go_on(self._lane.owner.tell(self._message(outcome, wanted=False)))
            return
        self._handing = self._lane.owner.hand_over(self._exchange, self._message(outcome))

    def _tell_late(self, outcome: Outcome) -> None:
        self._lane.go_on(self._lane.owner.tell(Late(number=self._number, outcome=outcome)))

    def _message(self, outcome: Answered | Failed | Waiting, *, wanted: bool = True) -> HandOver:
        self._number = self._lane.new_number()
        return HandOver(
            number=self._number,
            target=self._exchange.request.target,
            forwarded=dict(self._asked.forwarded),
            alias=self._key.alias,
            start=self._start,
            patience=self._question.target.patience,
            outcome=outcome,
            wanted=wanted,
        )


def _answered(answer: wire.Answer) -> Answered:
    return Answered(answer.status, answer.head.fields, answer.body)
