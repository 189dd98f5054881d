"""A plain question on its shortest way: one callback to send it on, one to answer it.

Everything that is not plain leaves the lane for a task of its own, with what is known by then.
"""

import asyncio
from collections.abc import Callable, Coroutine

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.cache import Copy
from autonomous_healing.endpoint_healing.call import Call, Response
from autonomous_healing.endpoint_healing.concurrency import Crowded
from autonomous_healing.endpoint_healing.fetch import Fetcher, Sent
from autonomous_healing.endpoint_healing.health import FELT_ERROR
from autonomous_healing.endpoint_healing.healthy_path import Healed, HealthyPath, Question
from autonomous_healing.endpoint_healing.priority import Priority
from autonomous_healing.endpoint_healing.purpose import Purpose
from autonomous_healing.endpoint_healing.upstream import Answer, Unanswered, read, unanswered
from autonomous_healing.proxy.crowd import Crowd
from autonomous_healing.proxy.healing_proxy import HealingProxy
from autonomous_healing.proxy.lane import Asked, Lane, PlainAttempt
from autonomous_healing.proxy.provenance import Reply
from autonomous_healing.proxy.standing import Standing
from autonomous_healing.proxy.wire_form import wire_head

#: Begins to tell what came of a first attempt; not earlier, or who leaves at once would leave it unawaited.
First = Callable[[], Coroutine[None, None, Response]]


class FastLane(Lane):
    """Takes questions that nothing stands in the way of, and heals what becomes of them otherwise."""

    def __init__(self, proxy: HealingProxy, path: HealthyPath, fetcher: Fetcher, buffer_bytes: int) -> None:
        super().__init__(proxy, path, fetcher, buffer_bytes)
        self.proxy = proxy

    def begin(
        self, exchange: wire.Exchange, asked: Asked, copy: Copy | None, crowd: Crowd | None = None
    ) -> bool:
        question = asked.question
        if question.target.flow.is_spared and self._leaves_out(exchange, asked, crowd):
            return crowd is None
        purpose = Purpose.FIRST if crowd is None else Purpose.PREFETCH
        key = self.path.admit(question, purpose)
        if key is None:
            return crowd is None and (
                self._take_detour(exchange, asked, copy) or self._stand_in_line(exchange, asked)
            )
        attempt = FirstAttempt(self, exchange, asked, key, copy, crowd=crowd)
        question.route.connections.ask(attempt)
        return True

    def _take_detour(self, exchange: wire.Exchange, asked: Asked, copy: Copy | None) -> bool:
        """By another host, or with what was healed a moment ago."""
        for other in self.path.others(asked.question):
            key = self.path.admit(other, Purpose.FIRST)
            if key is not None:
                attempt = FirstAttempt(self, exchange, asked, key, copy, other)
                other.route.connections.ask(attempt)
                return True
        healed = self.path.healed(asked.question)
        if healed is not None:
            exchange.respond(healed.head, healed.body)
        return healed is not None

    def _leaves_out(self, exchange: wire.Exchange, asked: Asked, crowd: Crowd | None) -> bool:
        """Whether the source is in trouble, and not asked this: copies answer, or whatever else heals."""
        target = asked.question.target
        if not (target.breaker.is_steady and target.flow.has_room()):
            return False
        if crowd is None and target.flow.shedding.admits(Priority.INTERACTIVE):
            return False
        healed = self.path.healed(asked.question) if crowd is None else None
        if healed is not None:
            exchange.respond(healed.head, healed.body)
        elif crowd is None:
            self.leave(exchange, self._healed_without(exchange, asked))
        return True

    async def _healed_without(self, exchange: wire.Exchange, asked: Asked) -> None:
        question, clock = asked.question, self.path.clock
        call = self.proxy.plain_call(question.endpoint, question.params, asked.forwarded, 0.0)
        first, patience = self.fetcher.leave_out(call, question.target.host), question.target.patience
        reply = await self.proxy.follow(call, first, clock.now(), clock.monotonic(), patience)
        self.reply(exchange, question, reply)

    def _stand_in_line(self, exchange: wire.Exchange, asked: Asked) -> bool:
        """Where only a slot is missing."""
        target = asked.question.target
        if not (target.breaker.is_steady and target.flow.is_full):
            return False
        try:
            Standing(self, exchange, asked)
        except Crowded:
            return False
        return True

    def reply(self, exchange: wire.Exchange, question: Question, reply: Reply) -> None:
        """Answer, and keep for the next who ask the same what may be said again."""
        head = wire_head(reply)
        if reply.repeats is not None:
            until = self.path.clock.monotonic() + reply.repeats.seconds
            self.path.keep_healed(question, Healed(head, reply.body, reply.repeats.felt, until))
        exchange.respond(head, reply.body)

    async def judged(self, call: Call, sent: Sent, answer: wire.Answer) -> Response:
        """A first attempt's answer by the full judgement. Raises `FetchFailed`."""
        outcome: Answer | Unanswered
        try:
            outcome = read(answer, self.max_answer)
        except Unanswered as none:
            outcome = none
        return await self.fetcher.conclude(call, sent, outcome)

    async def told_of(self, call: Call, sent: Sent, error: wire.WireError) -> Response:
        """A first attempt that brought no answer. Raises `FetchFailed`."""
        seconds = self.proxy.seconds_for(call.endpoint)
        return await self.fetcher.conclude(call, sent, unanswered(error, seconds))


class FirstAttempt(PlainAttempt[FastLane]):
    """One whose failures are healed by this process."""

    __slots__ = ("_late",)

    _late: asyncio.Future[wire.Answer]  #: there once it is given up

    def unfit(self, call: Call, answer: wire.Answer) -> None:
        """What is wrong with it is found out, and healed."""
        self._leave(call, lambda: self._lane.judged(call, self._sent(), answer))

    def came_late(self, answer: wire.Answer) -> None:
        """Who heals meanwhile may still take it."""
        if not self._late.done():
            self._late.set_result(answer)

    def failed(self, error: wire.WireError) -> None:
        self._give_back()
        if self._given_up:
            if not self._late.done():
                self._late.set_exception(error)
            return
        call, target = self._call(), self._question.target
        if self._streaming:
            self._exchange.abort()
            target.budget.count_first()
            target.window.record_felt(FELT_ERROR)
            self._lane.go_on(self._lane.told_of(call, self._sent(), error))
        else:
            self._leave(call, lambda: self._lane.told_of(call, self._sent(), error))

    def given_up(self) -> None:
        call = self._call()
        self._late = asyncio.get_running_loop().create_future()
        self._leave(call, lambda: self._awaited(call, self._late))

    def _leave(self, call: Call, first: First) -> None:
        """Leave the lane: what came of the first attempt is judged, and healed, in a task.

        Where nobody waits for it, it is only counted.
        """
        self._question.target.budget.count_first()
        if not self._is_waited_for:
            self._asked.question.leader, self._joinable = None, False
            self._lane.go_on(first())
            return
        healing = self._lane.go_on(self._healed(call, first), self._stranded)

        def gone() -> None:
            self.cancel()
            healing.cancel()

        self._exchange.on_gone = gone

    def _stranded(self) -> wire.Exchange:
        """Who still waits where healing ended by itself; those to come ask anew."""
        question = self._asked.question
        if question.leader is self:
            question.leader = None
        return self._exchange

    async def _healed(self, call: Call, first: First) -> None:
        sent, patience = self._sent(), self._question.target.patience
        reply = await self._lane.proxy.follow(call, first(), sent.began, sent.start, patience)
        question = self._asked.question
        if question.leader is self:
            question.leader = None
        if not reply.shared:
            self._part_company()
        if self._crowd is not None and reply.felt and len(self._crowd) > 1:
            target = self._question.target
            self._lane.path.observations.note_repeated(target, reply.felt, len(self._crowd) - 1)
        self._lane.reply(self._exchange, question, reply)

    async def _awaited(self, call: Call, late: asyncio.Future[wire.Answer]) -> Response:
        try:
            answer = await late
        except wire.WireError as error:
            return await self._lane.told_of(call, self._sent(), error)
        except asyncio.CancelledError:
            self.cancel()
            raise
        return await self._lane.judged(call, self._sent(), answer)
