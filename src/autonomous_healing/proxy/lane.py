"""What every way of asking a plain question has in common: one callback to send it on, one to answer it."""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Generic, TypeVar

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.cache import Copy
from autonomous_healing.endpoint_healing.call import Call
from autonomous_healing.endpoint_healing.concurrency import Slots
from autonomous_healing.endpoint_healing.fetch import Fetcher, FetchFailed, Sent
from autonomous_healing.endpoint_healing.healthy_path import KEYLESS, HealthyPath, Question
from autonomous_healing.endpoint_healing.keys import Key
from autonomous_healing.proxy.crowd import Crowd
from autonomous_healing.proxy.healing_proxy import PlainQuestions, crashed
from autonomous_healing.proxy.provenance import unchecked
from autonomous_healing.proxy.wire_form import send, streaming_head, wire_head

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A plain request, as it is asked upstream."""

    question: Question
    forwarded: Mapping[str, str]  #: of the caller's head, what goes on
    more: bytes  #: the same as lines


def _is_asked(question: Question) -> bool:
    """Whether its source is being asked for it."""
    return question.leader is not None and question.leader.is_live


def _nowhere(exchange: wire.Exchange, asked: Asked) -> None:
    raise RuntimeError("a lane was used before it was told of the rest")


class Lane(ABC):
    """Where plain questions are taken, and the tasks of those that had to leave it."""

    def __init__(
        self, questions: PlainQuestions, path: HealthyPath, fetcher: Fetcher, buffer_bytes: int
    ) -> None:
        self.questions = questions
        self.path = path
        self.fetcher = fetcher
        self.buffer_bytes = buffer_bytes
        self.max_answer = fetcher.max_answer
        self._may_be_stale = questions.may_be_stale
        #: Where a client goes who waited here in vain; set by whoever has this lane.
        self.rest: Callable[[wire.Exchange, Asked], None] = _nowhere
        self._tasks: set[asyncio.Task[object]] = set()
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time

    def take(self, exchange: wire.Exchange, asked: Asked) -> bool:
        """Whether it is answered, or on its way; if not, nothing has been done."""
        question = asked.question
        path = self.path
        copy = path.copy(question)
        if copy is not None and copy.answers:
            age = path.clock.monotonic() - copy.kept_at
            if age < copy.fresh:
                self._reuse(exchange, asked, copy, age)
                return True
            if copy.while_revalidate and self._gives_while_it_asks(exchange, asked, copy, age):
                path.reuse_stale(question)
                self._answer_from(exchange, copy, age)
                return True
        elif copy is None and not question.looked and not path.may_begin(question):
            return False
        leader = question.leader
        return (leader is not None and leader.joined_by(exchange)) or self.begin(exchange, asked, copy)

    @abstractmethod
    def begin(
        self, exchange: wire.Exchange, asked: Asked, copy: Copy | None, crowd: Crowd | None = None
    ) -> bool:
        """Ask the source. Whether it is on its way; if not, nothing has been done.

        `copy`: what is kept of the answer. With a crowd, whose `exchange` is given, nobody need wait for it.
        """

    def _reuse(self, exchange: wire.Exchange, asked: Asked, copy: Copy, age: float) -> None:
        """Answer from a fresh copy; what is asked for often is fetched anew before it is over."""
        self.path.reuse(asked.question, copy)
        self._answer_from(exchange, copy, age)
        if self.path.nearly_over(copy, age) and not _is_asked(asked.question):
            self._refresh(exchange, asked, copy)

    def _gives_while_it_asks(self, exchange: wire.Exchange, asked: Asked, copy: Copy, age: float) -> bool:
        """Whether a copy that has just expired may answer, a new one being on its way."""
        if not (self._may_be_stale and self.path.has_just_expired(copy, age)):
            return False
        return _is_asked(asked.question) or self._refresh(exchange, asked, copy)

    def _answer_from(self, exchange: wire.Exchange, copy: Copy, age: float) -> None:
        """Its head is made once for each second of its age."""
        second = int(age) if age < copy.fresh else -1 - int(age)
        if copy.aged_at != second:
            copy.aged_at, copy.aged_head = second, wire_head(self.questions.untouched(copy.reused(age)))
        exchange.respond(copy.aged_head, copy.response.body)

    def _refresh(self, exchange: wire.Exchange, asked: Asked, copy: Copy) -> bool:
        """Have a new copy made, for those to come."""
        crowd = Crowd(exchange)
        return self.begin(crowd.exchange, asked, copy, crowd)

    def leave(self, exchange: wire.Exchange, rest: Coroutine[None, None, None]) -> None:
        """Go on in a task, which ends when the client leaves."""
        exchange.on_gone = self.go_on(rest, lambda: exchange).cancel

    def go_on(
        self, rest: Coroutine[None, None, object], waiting: Callable[[], wire.Exchange] | None = None
    ) -> asyncio.Task[object]:
        """In a task of its own. `waiting` for its end is, if given, who hears of it however it ends."""
        task = self._loop.create_task(rest)
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, waiting))
        return task

    def _ended(self, waiting: Callable[[], wire.Exchange] | None, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            if waiting is not None:
                waiting().abort()
            return
        fault = task.exception()
        if fault is None or (waiting is None and isinstance(fault, FetchFailed)):
            return
        incident = str(self.questions.new_id())
        log.error("lane_task_crashed", exc_info=fault, extra={"incident": incident})
        if waiting is None:
            return
        exchange = waiting()
        if exchange.begun:
            exchange.abort()
        else:
            send(exchange, crashed(incident))

    async def stop(self) -> None:
        """End what still runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


#: Share of an attempt's time that passes unnoticed until it is sent.
_MOMENT = 0.1

LaneT = TypeVar("LaneT", bound=Lane)


class PlainAttempt(wire.Asking, Generic[LaneT]):
    """The first attempt at a plain question, for one client: answered at once where it is plainly good."""

    __slots__ = (
        "_asked",
        "_asked_at",
        "_crowd",
        "_exchange",
        "_given_up",
        "_joinable",
        "_key",
        "_lane",
        "_named",
        "_question",
        "_slots",
        "_start",
        "_streaming",
    )

    def __init__(
        self,
        lane: LaneT,
        exchange: wire.Exchange,
        asked: Asked,
        key: Key,
        copy: Copy | None,
        question: Question | None = None,
        crowd: Crowd | None = None,
    ) -> None:
        """`copy`: of which its source may say that it still holds; `question`: the same at another host;
        `crowd`: of `exchange`, where it may be of nobody.
        """
        question, now = question or asked.question, lane.now()
        more = asked.more if copy is None else asked.more + copy.condition
        request = lane.path.request(question, key, more)
        patience = min(question.target.patience, question.endpoint.timeout)
        super().__init__(b"GET", request, now + patience, lane.max_answer)
        self._named = copy if copy is not None and copy.condition else None
        self._lane = lane
        self._asked = asked
        self._exchange = exchange
        self._question = question
        self._key = key
        self._start = lane.path.clock.monotonic()
        self._asked_at = now
        self._given_up = False
        self._streaming = False
        self._crowd = crowd
        self._joinable = not asked.question.alone
        self._slots: Slots | None = question.target.flow.slots  #: until it is over
        self._slots.in_flight += 1
        exchange.on_gone = self.cancel
        if self._joinable or crowd is not None:
            asked.question.leader = self

    @property
    def is_live(self) -> bool:
        """Whether something may still come of it."""
        return not self._exchange.answered

    def joined_by(self, exchange: wire.Exchange) -> bool:
        """Whether one more client waits for what comes of it."""
        own = self._exchange
        if not self._joinable or own.answered:
            return False
        if self._crowd is None:
            self._crowd = Crowd(own)
            self._crowd.exchange.on_gone = own.on_gone
            self._crowd.join(own)
            self._exchange = self._crowd.exchange
        self._crowd.join(exchange)
        return True

    @property
    def _is_waited_for(self) -> bool:
        """Whether any client is there to answer."""
        return self._crowd is None or len(self._crowd) > 0

    def cancel(self) -> None:
        super().cancel()
        self._give_back()

    def _give_back(self) -> None:
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.give_back()

    def answered(self, answer: wire.Answer) -> None:
        try:
            self._make_use_of(answer)
        finally:  # whoever is next finds the copy that was kept of it
            self._give_back()

    def _make_use_of(self, answer: wire.Answer) -> None:
        if self._given_up:
            self.came_late(answer)
            return
        path, question = self._lane.path, self._question
        path.learn(question, self._key, answer.head)
        if answer.head.status == 304 and self._named is not None:
            answer = path.unchanged(self._named, answer) or answer
        now = path.clock.monotonic()
        copy = path.known(question, answer, self._start, now)
        if copy is not None:
            self._reply(copy.head, copy.response.body, shared=copy.shared)
            path.note(question, now - self._start)
            return
        call = self._call()
        response = self._lane.questions.plainly_good(path, call, self._sent(), answer)
        if response is None:
            self.unfit(call, answer)
            return
        path.note(question, path.clock.monotonic() - self._start)
        reply = self._lane.questions.untouched(response)
        head = wire_head(reply)
        path.remember(question, answer, response, head)
        self._reply(head, reply.body, shared=path.shares(response))

    def streams(self, head: wire.AnswerHead) -> bool:
        """What is too large to be held; all others are held until they are judged, as on the ordinary way."""
        if not self._may_stream(head):
            return False
        self.most = self._lane.buffer_bytes
        return (head.length or 0) > self.most

    def begins(self, head: wire.AnswerHead, early: bytes, flow: wire.Flow) -> wire.Sink | None:
        """Too large to be held: on it goes, and says that nobody looked at it."""
        if not self._may_stream(head):
            return None
        self._streaming = True
        self._part_company()
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
        self._give_back()
        self._exchange.finish()
        self._lane.path.note(self._question, self._lane.path.clock.monotonic() - self._start)

    def overdue(self) -> None:
        """First the patience is over, and healing begins; later the time of the attempt itself."""
        if self.over:
            return
        if self._given_up or self._streaming:
            super().overdue()
            return
        self._given_up = True
        self.most = self._lane.max_answer  # it streams no more, whatever its size
        self.due = self._asked_at + self._lane.questions.seconds_for(self._question.endpoint)
        if self.place is not None:
            self.place.watch(self)
        self.given_up()

    @abstractmethod
    def given_up(self) -> None:
        """It is slow: whoever heals begins, and the attempt goes on."""

    @abstractmethod
    def came_late(self, answer: wire.Answer) -> None:
        """It was given up for slow, and has come after all."""

    @abstractmethod
    def unfit(self, call: Call, answer: wire.Answer) -> None:
        """An answer that is not plainly good."""

    def _may_stream(self, head: wire.AnswerHead) -> bool:
        """A source that knows a key might repeat it, so what it says is read to the end before it goes on."""
        plain = head.status == 200 and head.first(b"content-encoding") is None
        return plain and self._key is KEYLESS and not self._given_up and self._is_waited_for

    def _reply(self, head: bytes, body: bytes, *, shared: bool) -> None:
        """Answer all who wait; where an answer is not to be shared, the first of them."""
        question = self._asked.question
        question.leader, question.alone = None, not shared
        if self._crowd is not None:
            if not shared:
                self._part_company()
            self._lane.path.observations.note_reused(self._question.target, len(self._crowd) - 1)
        self._exchange.respond(head, body)

    def _part_company(self) -> None:
        """All but the first ask for themselves, and so do those to come."""
        question = self._asked.question
        question.leader, question.alone, self._joinable = None, True, False
        for one in self._crowd.disperse() if self._crowd else ():
            if not self._lane.begin(one, self._asked, None):
                self._lane.rest(one, self._asked)

    def _call(self) -> Call:
        gone = self._lane.path.clock.monotonic() - self._start
        asked = self._asked
        return self._lane.questions.plain_call(
            asked.question.endpoint, asked.question.params, asked.forwarded, gone
        )

    def _sent(self) -> Sent:
        clock = self._lane.path.clock
        began = clock.now() - timedelta(seconds=clock.monotonic() - self._start)
        key = None if self._key is KEYLESS else self._key
        timeout = self._lane.questions.seconds_for(self._question.endpoint)
        # What passed in our own queue was not the provider's to use; the moment of connecting was.
        waited = self.sent_at - self._asked_at if self.sent_at else 0.0
        seconds = timeout if waited < _MOMENT * timeout else max(0.0, timeout - waited)
        return Sent(self._question.target.host, key, seconds, began, self._start)
