"""An answer that streams to several clients, of whom some are slow."""

from autonomous_healing.proxy.crowd import Crowd
from autonomous_healing.wire import Exchange, RequestHead


class Client:
    """The connection of one of them."""

    def __init__(self) -> None:
        self.said = b""
        self.exchange = Exchange(self, QUESTION, b"", None)

    def send(self, exchange: Exchange, head: bytes, body: bytes) -> None:
        self.said += head + body

    def begin(self, exchange: Exchange, head: bytes, length: int | None) -> None:
        self.said += head

    def send_part(self, exchange: Exchange, piece: bytes) -> None:
        self.said += piece

    def finish(self, exchange: Exchange) -> None:
        self.said += b"."

    def cut(self, exchange: Exchange) -> None:
        self.said += b"!"

    def fall_behind(self) -> None:
        assert self.exchange.flow is not None
        self.exchange.flow.pause()

    def catch_up(self) -> None:
        assert self.exchange.flow is not None
        self.exchange.flow.resume()

    def leave(self) -> None:
        self.exchange.answered = True
        self.exchange.on_gone()
        self.exchange.let_go()


class Spring:
    """Where the bytes come from."""

    flows = True

    def pause(self) -> None:
        self.flows = False

    def resume(self) -> None:
        self.flows = True


QUESTION = RequestHead(1, [], None, False, frozenset(), True, b"GET", b"/", False, b"")


def streaming() -> tuple[Spring, Crowd, Client, Client]:
    spring, one, other = Spring(), Client(), Client()
    crowd = Crowd(one.exchange)
    for client in (one, other):
        crowd.join(client.exchange)
    crowd.exchange.flow = spring
    crowd.exchange.begin(b"head ", None)
    return spring, crowd, one, other


def test_it_waits_for_the_slowest() -> None:
    spring, _, one, other = streaming()
    one.fall_behind()
    other.fall_behind()
    one.catch_up()
    assert not spring.flows
    other.catch_up()
    assert spring.flows


def test_nobody_waits_for_one_who_has_left() -> None:
    spring, crowd, one, other = streaming()
    one.fall_behind()
    one.leave()
    assert spring.flows
    crowd.exchange.write(b"body")
    crowd.exchange.finish()
    assert (one.said, other.said) == (b"head ", b"head body.")


def test_when_the_last_leaves_nothing_flows_on_for_nobody() -> None:
    spring, crowd, one, other = streaming()
    left: list[bool] = []
    crowd.exchange.on_gone = lambda: left.append(True)
    one.fall_behind()
    other.leave()
    one.leave()
    assert (left, spring.flows) == ([True], False)
