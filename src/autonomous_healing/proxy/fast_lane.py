"""A plain question on its shortest way: one callback to send it on, one to answer it.

Everything that is not plain leaves the lane for a task of its own, with what is known by then.
"""

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.call import Call, Response
from autonomous_healing.endpoint_healing.fetch import Fetcher, FetchFailed, Sent
from autonomous_healing.endpoint_healing.healthy_path import KEYLESS, Healed, HealthyPath, Question
from autonomous_healing.endpoint_healing.keys import Key
from autonomous_healing.endpoint_healing.upstream import Answer, Unanswered, read, unanswered
from autonomous_healing.proxy.healing_proxy import HealingProxy
from autonomous_healing.proxy.provenance import Reply, unchecked
from autonomous_healing.proxy.wire_form import streaming_head, wire_head

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A plain request, as it is asked upstream."""

    question: Question
    forwarded: Mapping[str, str]  #: of the caller's head, what goes on
    more: bytes  #: the same as lines


class FastLane:
    """Takes questions that nothing stands in the way of."""

    def __init__(self, proxy: HealingProxy, path: HealthyPath, fetcher: Fetcher, buffer_bytes: int) -> None:
        self.proxy = proxy
        self.path = path
        self.fetcher = fetcher
        self.buffer_bytes = buffer_bytes
        self.max_answer = fetcher.max_answer
        self._tasks: set[asyncio.Task[object]] = set()
        self._loop = asyncio.get_running_loop()

    def take(self, exchange: wire.Exchange, asked: "Asked") -> bool:
        """Whether it is on its way; if not, nothing has been done."""
        question = asked.question
        key = self.path.admit(question)
        if key is None:
            healed = self.path.healed(question)
            if healed is not None:
                exchange.respond(healed.head, healed.body)
            return healed is not None
        question.route.connections.ask(FirstAttempt(self, exchange, asked, key, self._loop.time()))
        return True

    def leave(self, exchange: wire.Exchange, rest: Coroutine[None, None, None]) -> None:
        """Go on in a task, which ends when the client leaves."""
        exchange.on_gone = self.go_on(rest).cancel

    def go_on(self, rest: Coroutine[None, None, object]) -> asyncio.Task[object]:
        """In a task of its own that nobody waits for."""
        task = self._loop.create_task(rest)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) and not isinstance(fault, FetchFailed):
            log.error("lane_task_crashed", exc_info=fault)

    def reply(self, exchange: wire.Exchange, question: Question, reply: Reply) -> None:
        """Answer, and keep for the next who ask the same what may be said again."""
        head = wire_head(reply)
        if reply.repeats is not None:
            until = self.path.clock.monotonic() + reply.repeats.seconds
            self.path.keep_healed(question, Healed(head, reply.body, reply.repeats.felt, until))
        exchange.respond(head, reply.body)

    async def stop(self) -> None:
        """End what still runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class FirstAttempt(wire.Asking):
    """The first attempt at a question, for one client."""

    __slots__ = ("_asked", "_exchange", "_key", "_lane", "_late", "_question", "_start", "_streaming")

    def __init__(
        self,
        lane: FastLane,
        exchange: wire.Exchange,
        asked: Asked,
        key: Key,
        now: float,
    ) -> None:
        question = asked.question
        request = lane.path.request(question, key, asked.more)
        # A source that knows a key might repeat it, so what it says is read to the end before it goes on.
        most = lane.buffer_bytes if key is KEYLESS else lane.max_answer
        super().__init__(b"GET", request, now + question.target.patience, most)
        self._lane = lane
        self._asked = asked
        self._exchange = exchange
        self._question = question
        self._key = key
        self._start = lane.path.clock.monotonic()
        self._late: asyncio.Future[wire.Answer] | None = None
        self._streaming = False
        exchange.on_gone = self.cancel

    def answered(self, answer: wire.Answer) -> None:
        if self._late is not None:
            if not self._late.done():
                self._late.set_result(answer)
            return
        path, question = self._lane.path, self._question
        copy = path.known(question, answer)
        if copy is not None:
            self._exchange.respond(copy.head, copy.response.body)
            path.note(question, path.clock.monotonic() - self._start)
            return
        call = self._call()
        response = path.judged(call, self._sent(), answer)
        if response is None:
            self._leave(call, self._judged(call, answer))
            return
        path.note(question, path.clock.monotonic() - self._start)
        reply = self._lane.proxy.untouched(call, response)
        head = wire_head(reply)
        path.remember(question, answer, response, head)
        self._exchange.respond(head, reply.body)

    def failed(self, error: wire.WireError) -> None:
        if self._late is not None:
            if not self._late.done():
                self._late.set_exception(error)
            return
        call = self._call()
        if self._streaming:
            self._exchange.abort()
            self._lane.go_on(self._told_of(call, error))
        else:
            self._leave(call, self._told_of(call, error))

    def begins(self, head: wire.AnswerHead, early: bytes, flow: wire.Flow) -> wire.Sink | None:
        """Too large to be held: on it goes, and says that nobody looked at it."""
        plain = head.status == 200 and head.first(b"content-encoding") is None
        if not plain or self._late is not None:
            return None
        self._streaming = True
        self._exchange.flow = flow
        reply = unchecked({name.decode(): value.decode("latin-1") for name, value in head.fields})
        self._exchange.begin(streaming_head(reply, head.length), head.length)
        self._exchange.write(early)
        return self

    def take(self, piece: bytes) -> None:
        """More of an answer that streams."""
        self._exchange.write(piece)

    def end(self) -> None:
        """The answer that streams is whole."""
        self._exchange.finish()
        self._lane.path.note(self._question, self._lane.path.clock.monotonic() - self._start)

    def overdue(self) -> None:
        """First the patience is over, and healing begins; later the time of the attempt itself."""
        if self.over:
            return
        if self._late is not None or self._streaming:
            super().overdue()
            return
        call, loop = self._call(), asyncio.get_running_loop()
        self._late = loop.create_future()
        gone = self._lane.path.clock.monotonic() - self._start
        self.due = loop.time() + min(self._question.endpoint.timeout - gone, call.deadline.remaining())
        if self.place is not None:
            self.place.watch(self)
        self._leave(call, self._awaited(call, self._late))

    def _leave(self, call: Call, first: Coroutine[None, None, Response]) -> None:
        """Leave the lane: what came of the first attempt is judged, and healed, in a task."""
        self._lane.leave(self._exchange, self._healed(call, first))

    async def _healed(self, call: Call, first: Coroutine[None, None, Response]) -> None:
        sent, patience = self._sent(), self._question.target.patience
        reply = await self._lane.proxy.follow(call, first, sent.began, sent.start, patience)
        self._lane.reply(self._exchange, self._question, reply)

    async def _judged(self, call: Call, answer: wire.Answer) -> Response:
        outcome: Answer | Unanswered
        try:
            outcome = read(answer, self._lane.max_answer)
        except Unanswered as none:
            outcome = none
        return await self._lane.fetcher.conclude(call, self._sent(), outcome)

    async def _told_of(self, call: Call, error: wire.WireError) -> Response:
        outcome = unanswered(error, self._question.endpoint.timeout)
        return await self._lane.fetcher.conclude(call, self._sent(), outcome)

    async def _awaited(self, call: Call, late: asyncio.Future[wire.Answer]) -> Response:
        try:
            answer = await late
        except wire.WireError as error:
            return await self._told_of(call, error)
        except asyncio.CancelledError:
            self.cancel()
            raise
        return await self._judged(call, answer)

    def _call(self) -> Call:
        gone = self._lane.path.clock.monotonic() - self._start
        asked = self._asked
        return self._lane.proxy.plain_call(
            asked.question.endpoint, asked.question.params, asked.forwarded, gone
        )

    def _sent(self) -> Sent:
        clock = self._lane.path.clock
        began = clock.now() - timedelta(seconds=clock.monotonic() - self._start)
        key = None if self._key is KEYLESS else self._key
        return Sent(self._question.target.host, key, self._question.endpoint.timeout, began, self._start)
