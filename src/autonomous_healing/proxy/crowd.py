"""Several clients who wait for one answer."""

from functools import partial

from autonomous_healing.wire import Exchange, Flow


class _Share:
    """The flow of an answer, as one of several clients sees it."""

    __slots__ = ("_behind", "_flow")

    def __init__(self, flow: Flow, behind: "set[_Share]") -> None:
        """`behind`: those of all clients who have to be waited for."""
        self._flow = flow
        self._behind = behind

    def pause(self) -> None:
        if not self._behind:
            self._flow.pause()
        self._behind.add(self)

    def resume(self) -> None:
        """It flows again once nobody is behind."""
        if self in self._behind:
            self._behind.remove(self)
            if not self._behind:
                self._flow.resume()


class Crowd:
    """The connection below an exchange that stands for many: what is said to it is said to all."""

    def __init__(self, like: Exchange) -> None:
        """`exchange` asks as `like` does, for nobody yet, and its `on_gone` hears when the last has left."""
        self.exchange = Exchange(self, like.request, like.body, like.upload)
        self._waiting: list[Exchange] = []
        self._shares: dict[Exchange, _Share] = {}  #: of an answer that streams

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def join(self, exchange: Exchange) -> None:
        """One more client."""
        self._waiting.append(exchange)
        exchange.on_gone = partial(self._left, exchange)

    def disperse(self) -> list[Exchange]:
        """All but the first, who are not to get this answer; they do not wait here any more."""
        others, self._waiting = self._waiting[1:], self._waiting[:1]
        return others

    def send(self, exchange: Exchange, head: bytes, body: bytes) -> None:
        """The whole answer, to everybody."""
        for one in self._end():
            one.respond(head, body)

    def begin(self, exchange: Exchange, head: bytes, length: int | None) -> None:
        """The head of an answer that streams."""
        behind: set[_Share] = set()
        for one in self._waiting:
            if exchange.flow is not None:
                one.flow = self._shares[one] = _Share(exchange.flow, behind)
            one.begin(head, length)

    def send_part(self, exchange: Exchange, piece: bytes) -> None:
        """The next bytes of it."""
        for one in self._waiting:
            one.write(piece)

    def finish(self, exchange: Exchange) -> None:
        """It is whole."""
        for one in self._end():
            one.finish()

    def cut(self, exchange: Exchange) -> None:
        """Break off, for everybody."""
        for one in self._end():
            one.abort()

    def _end(self) -> list[Exchange]:
        self.exchange.answered = True
        self.exchange.let_go()
        waiting, self._waiting = self._waiting, []
        self._shares.clear()
        return waiting

    def _left(self, exchange: Exchange) -> None:
        if exchange in self._waiting:
            self._waiting.remove(exchange)
            share = self._shares.pop(exchange, None)
            if not self._waiting and not self.exchange.answered:
                self.exchange.answered = True
                self.exchange.on_gone()
                self.exchange.let_go()
            elif share is not None:
                share.resume()
