"""First attempts of workers that did not bring what is plainly good: the owner goes on with them."""

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from datetime import timedelta
from typing import TypeAlias, TypeVar

import msgspec

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.admission import Admission
from autonomous_healing.endpoint_healing.call import Call, Response
from autonomous_healing.endpoint_healing.endpoints import Endpoint
from autonomous_healing.endpoint_healing.fetch import Sent
from autonomous_healing.endpoint_healing.healthy_path import Question
from autonomous_healing.endpoint_healing.keys import Key
from autonomous_healing.proxy import ProxyServer
from autonomous_healing.proxy.provenance import refusal
from autonomous_healing.proxy.wire_form import send
from autonomous_healing.resilience import Clock

#: Seconds beyond the end of an attempt after which its worker must be gone.
_GRACE = 1.0

#: Outcomes that are held because they overtook their attempts: each may have a body. And attempts that ended.
_MOST_EARLY, _MOST_ENDED = 64, 4096

ValueT = TypeVar("ValueT")


class Answered(msgspec.Struct, frozen=True, array_like=True, tag="answered"):
    """What the source said, as it came."""

    status: int
    fields: list[tuple[bytes, bytes]]
    body: bytes

    def as_answer(self) -> wire.Answer:
        """As the wire would have given it."""
        head = wire.AnswerHead(1, self.fields, None, False, frozenset(), True, self.status)
        return wire.Answer(head, self.body)


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """Why no answer came."""

    phase: str
    why: str
    timed_out: bool
    too_large: bool

    @classmethod
    def of(cls, error: wire.WireError) -> "Failed":
        """In words that go over a socket."""
        return cls(error.phase.value, str(error), error.timed_out, error.too_large)

    def as_error(self) -> wire.WireError:
        """As the wire would have raised it."""
        return wire.WireError(
            wire.Phase(self.phase), self.why, timed_out=self.timed_out, too_large=self.too_large
        )


class Waiting(msgspec.Struct, frozen=True, array_like=True, tag="waiting"):
    """Nothing yet, and patience is over; `Late` will tell."""


Outcome: TypeAlias = Answered | Failed


class HandOver(msgspec.Struct, frozen=True, kw_only=True, tag="hand_over"):
    """One first attempt."""

    number: str
    target: bytes  #: of the caller's request
    forwarded: dict[str, str]
    alias: str  #: of the key it was made with; empty for none
    start: float  #: monotonic seconds
    patience: float
    outcome: Answered | Failed | Waiting
    wanted: bool = True  #: a caller waits for a reply


class Late(msgspec.Struct, frozen=True, kw_only=True, tag="late"):
    """What became of an attempt for which patience was over."""

    number: str
    outcome: Outcome


_MESSAGES = msgspec.msgpack.Decoder(HandOver | Late)


class Attempts:
    """The owner's side. Nothing that a caller sends comes here: it has a socket of its own."""

    def __init__(self, proxy: ProxyServer, admission: Admission, clock: Clock) -> None:
        self._proxy = proxy
        self._admission = admission
        self._clock = clock
        self._late: dict[str, asyncio.Future[Outcome]] = {}
        self._early: OrderedDict[str, Outcome] = OrderedDict()  #: what overtook its attempt
        self._ended: OrderedDict[str, None] = OrderedDict()  #: attempts of which nobody waits to hear

    def handle(self, exchange: wire.Exchange) -> None:
        """Go on with an attempt, or hear what became of one."""
        try:
            message = _MESSAGES.decode(exchange.body)
        except msgspec.MsgspecError:
            send(exchange, refusal(400, "Bad request", "this is no attempt"))
            return
        if isinstance(message, Late):
            self._come_late(message)
            exchange.respond(_NOTHING)
            return
        question = self._proxy.question(message.target)
        if question is None:
            send(exchange, refusal(400, "Bad request", "this is no plain question"))
            return
        lane, sent = self._proxy.lane, self._sent(question, message)
        gone = self._clock.monotonic() - message.start
        call = lane.proxy.plain_call(question.endpoint, question.params, message.forwarded, gone)
        if message.wanted:
            lane.leave(exchange, self._follow(exchange, question, call, sent, message))
        else:
            lane.go_on(self._first(call, sent, message))
            exchange.respond(_NOTHING)

    async def _follow(
        self,
        exchange: wire.Exchange,
        question: Question,
        call: Call,
        sent: Sent,
        message: HandOver,
    ) -> None:
        lane, first = self._proxy.lane, self._first(call, sent, message)
        reply = await lane.proxy.follow(call, first, sent.began, sent.start, message.patience)
        lane.reply(exchange, question, reply)

    def _sent(self, question: Question, message: HandOver) -> Sent:
        clock, endpoint = self._clock, question.endpoint
        began = clock.now() - timedelta(seconds=clock.monotonic() - message.start)
        key, seconds = self._key(endpoint, message.alias), self._proxy.lane.proxy.seconds_for(endpoint)
        return Sent(question.target.host, key, seconds, began, message.start)

    def _key(self, endpoint: Endpoint, alias: str) -> Key | None:
        keys = self._admission.limits(endpoint.source).keys.keys
        return next((key for key in keys if key.alias == alias), None)

    def _first(self, call: Call, sent: Sent, message: HandOver) -> Coroutine[None, None, Response]:
        match message.outcome:
            case Waiting() if early := self._early.pop(message.number, None):
                return self._concluded(call, sent, early)
            case Waiting():
                late = self._late[message.number] = asyncio.get_running_loop().create_future()
                return self._awaited(call, sent, message.number, late)
            case outcome:
                return self._concluded(call, sent, outcome)

    async def _concluded(self, call: Call, sent: Sent, outcome: Outcome) -> Response:
        lane = self._proxy.lane
        self._admission.limits(call.endpoint.source).budget.count_first()  # good ones are counted elsewhere
        if isinstance(outcome, Answered):
            return await lane.judged(call, sent, outcome.as_answer())
        return await lane.told_of(call, sent, outcome.as_error())

    async def _awaited(
        self, call: Call, sent: Sent, number: str, late: "asyncio.Future[Outcome]"
    ) -> Response:
        left = sent.seconds - (self._clock.monotonic() - sent.start) + _GRACE
        try:
            async with asyncio.timeout(left):
                outcome = await late
        except TimeoutError:
            outcome = Failed.of(wire.WireError(wire.Phase.HEAD, "no answer in time", timed_out=True))
        finally:
            self._late.pop(number, None)
            _keep_last(self._ended, number, None, _MOST_ENDED)
        return await self._concluded(call, sent, outcome)

    def _come_late(self, message: Late) -> None:
        late = self._late.get(message.number)
        if late is not None and not late.done():
            late.set_result(message.outcome)
        elif late is None and message.number not in self._ended:
            _keep_last(self._early, message.number, message.outcome, _MOST_EARLY)


def _keep_last(known: OrderedDict[str, ValueT], number: str, value: ValueT, most: int) -> None:
    known[number] = value
    if len(known) > most:
        known.popitem(last=False)


_NOTHING = wire.whole_head(wire.status_line(204), (), None)
