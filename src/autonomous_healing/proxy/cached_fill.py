"""One answer that is brought for all who want it at that time, and those who wait for it."""

from functools import partial
from typing import Protocol

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.caching.requests import CacheRequest
from autonomous_healing.endpoint_healing.caching.status import Forwarded
from autonomous_healing.endpoint_healing.caching.stored import StoredAnswer
from autonomous_healing.proxy.cached_tee import Tee

#: Calls for one answer in all: where one fails, another of those who wait may try.
MOST_CALLS = 3


class Waiter:
    """One client who waits for an answer that has to be brought."""

    __slots__ = ("asked", "due", "exchange", "fill", "target", "turns", "why")

    def __init__(
        self, exchange: wire.Exchange, asked: CacheRequest, target: bytes, why: Forwarded, due: float
    ) -> None:
        """`target`: as the source is asked; `due`: how long it waits, by the loop's clock."""
        self.exchange = exchange
        self.asked = asked
        self.target = target
        self.why = why
        self.due = due
        self.fill: Fill | None = None
        self.turns = 0  #: answers that were not for it

    def overdue(self) -> None:
        """It has waited long enough; the sweeper calls this."""
        if self.fill is not None:
            self.fill.lose_patience(self)


class Bringer(Protocol):
    """What a fill needs of those who know the source and the cache. They end it when all is said."""

    def send(self, fill: "Fill", speaker: Waiter) -> "Call":
        """Ask the source, in the name of one who waits."""

    def watch(self, waiter: Waiter) -> None:
        """Its time is watched from now on."""

    def forget(self, waiter: Waiter) -> None:
        """And now no more."""

    def came(self, fill: "Fill", head: wire.AnswerHead, body: bytes) -> None:
        """A whole answer."""

    def begins(self, fill: "Fill", head: wire.AnswerHead, flow: wire.Flow) -> Tee | None:
        """An answer that streams; None where nobody wants it."""

    def failed(self, fill: "Fill", error: wire.WireError) -> None:
        """No whole answer will come."""

    def late(self, fill: "Fill", waiter: Waiter) -> None:
        """One has waited in vain."""

    def ended(self, fill: "Fill") -> None:
        """Nobody joins it any more."""


class Fill:
    """The first who wants an answer leads: it is asked for in its name, and it gets what streams at once."""

    __slots__ = (
        "_bringer", "background", "call", "calls", "key", "leader", "others", "over", "speaker", "stored",
        "tee",
    )  # fmt: skip

    def __init__(
        self,
        bringer: Bringer,
        key: bytes | None,
        stored: StoredAnswer | None,
        background: Waiter | None = None,
    ) -> None:
        """`key`: by which others find it, None where nobody may; `stored`: what may be confirmed.

        `background`: in whose name it is asked for where nobody waits.
        """
        self._bringer = bringer
        self.key = key
        self.stored = stored
        self.background = background
        self.leader: Waiter | None = None
        self.others: list[Waiter] = []
        self.call: Call | None = None
        self.calls = 0
        self.speaker = background  #: in whose name the source was asked last
        self.tee: Tee | None = None  #: of an answer that streams
        self.over = False

    @property
    def waiting(self) -> list[Waiter]:
        """All clients, the leader first."""
        return [self.leader, *self.others] if self.leader else list(self.others)

    def join(self, waiter: Waiter) -> None:
        """One more who waits; the first of all leads."""
        waiter.fill = self
        waiter.exchange.on_gone = partial(self._left, waiter)
        if self.leader is None and self.call is None and self.background is None:
            self.leader = waiter
        else:
            self.others.append(waiter)
            self._bringer.watch(waiter)

    def ask(self) -> None:
        """In the name of the leader; where there is none, the one who waits the longest becomes it."""
        if self.leader is None and self.others:
            self.leader = self.others.pop(0)
            self._bringer.forget(self.leader)
        self.speaker = self.leader or self.background
        if self.speaker is not None:
            self.calls += 1
            self.call = self._bringer.send(self, self.speaker)

    def ask_again(self) -> bool:
        """In the name of the next who waits. Whether there is one, and not too many have asked already."""
        if self.others and self.calls < MOST_CALLS:
            self.ask()
            return True
        return False

    def dismiss(self, waiter: Waiter) -> Waiter:
        """It waits here no more; whoever says so answers it."""
        self._remove(waiter)
        waiter.exchange.let_go()
        return waiter

    def dismiss_others(self) -> list[Waiter]:
        """All but the leader."""
        return [self.dismiss(one) for one in list(self.others)]

    def lose_patience(self, waiter: Waiter) -> None:
        """Its time is up."""
        self._bringer.late(self, self.dismiss(waiter))
        self._go_on_for_those_left()

    def end(self) -> None:
        """All is said, or nobody is left."""
        if self.over:
            return
        self.over = True
        if self.tee is not None:
            self.tee.close()
        self._bringer.ended(self)
        if self.call is not None:
            self.call.cancel()

    def came(self, head: wire.AnswerHead, body: bytes) -> None:
        self._bringer.came(self, head, body)

    def begins(self, head: wire.AnswerHead, early: bytes, flow: wire.Flow) -> wire.Sink | None:
        self.tee = self._bringer.begins(self, head, flow)
        if self.tee is not None:
            self.tee.take(early)
        return self.tee

    def failed(self, error: wire.WireError) -> None:
        tee, self.tee = self.tee, None
        if tee is not None:
            tee.close()
            if self.leader is not None:
                self.dismiss(self.leader).exchange.abort()
        self._bringer.failed(self, error)

    def _left(self, waiter: Waiter) -> None:
        self._remove(waiter)
        self._go_on_for_those_left()

    def _remove(self, waiter: Waiter) -> None:
        waiter.fill = None
        if waiter is self.leader:
            self.leader = None
        else:
            self.others.remove(waiter)
            self._bringer.forget(waiter)

    def _go_on_for_those_left(self) -> None:
        """A call that nobody wants any more is cancelled; others may want it for longer than its leader."""
        if not self.waiting and self.background is None:
            self.end()
        elif self.leader is None and self.others and self.call is not None and self.tee is None:
            self.call.due = max(self.call.due, *(one.due for one in self.others))


class Call(wire.Asking):
    """One question to the source."""

    __slots__ = ("_fill", "began")

    def __init__(self, fill: Fill, method: bytes, head: bytes, due: float, most: int, began: float) -> None:
        """`began`: monotonic seconds."""
        super().__init__(method, head, due, most)
        self._fill = fill
        self.began = began

    def answered(self, answer: wire.Answer) -> None:
        self._fill.came(answer.head, answer.body)

    def failed(self, error: wire.WireError) -> None:
        self._fill.failed(error)

    def streams(self, head: wire.AnswerHead) -> bool:
        """Events do not end."""
        return (head.first(b"content-type") or b"").startswith(b"text/event-stream")

    def begins(self, head: wire.AnswerHead, early: bytes, flow: wire.Flow) -> wire.Sink | None:
        return self._fill.begins(head, early, flow)
