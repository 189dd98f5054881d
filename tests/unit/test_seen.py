"""What a worker sees reaches the owner in sums, and good answers seldom, but changed ones whole."""

from dataclasses import dataclass, field
from typing import Any, cast

from tests.clock import ManualClock

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.healthy_path import Question
from autonomous_healing.workers.messages import Again, Kept, Seen
from autonomous_healing.workers.seen import EVERY, WHOLE_EVERY, Copies, Sightings


@dataclass
class Told:
    """What a worker offered, and what of it went to the owner."""

    clock: ManualClock = field(default_factory=ManualClock)
    sent: list[Kept | Again] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.copies = Copies(self.sent.append, self.clock)

    def offer(self, body: bytes, resource: str = "a/b?x=1") -> None:
        head = wire.AnswerHead(1, [], None, False, frozenset(), True, 200)
        self.copies.offer(_question(resource), wire.Answer(head, body), self.clock.monotonic())

    @property
    def bodies(self) -> list[bytes | None]:
        return [one.body if isinstance(one, Kept) else None for one in self.sent]


@dataclass
class _Place:
    place: str = "a/b"


@dataclass
class _Asked:
    resource: str
    params: dict[str, str] = field(default_factory=dict)
    target: _Place = field(default_factory=_Place)


def _question(resource: str) -> Question:
    return cast(Question, cast(Any, _Asked(resource)))


def test_a_first_answer_is_told_at_once() -> None:
    told = Told()
    told.offer(b"one")
    assert told.bodies == [b"one"]


def test_within_a_second_only_the_last_answer_is_told_and_that_later() -> None:
    told = Told()
    for body in (b"one", b"two", b"three"):
        told.offer(body)
    told.copies.tell_due()
    assert told.bodies == [b"one"]
    told.clock.pass_time(EVERY)
    told.copies.tell_due()
    told.copies.tell_due()
    assert told.bodies == [b"one", b"three"]


def test_the_same_again_is_told_without_its_body() -> None:
    told = Told()
    told.offer(b"one")
    told.clock.pass_time(EVERY)
    told.offer(b"one")
    assert told.bodies == [b"one", None]
    again = told.sent[-1]
    assert isinstance(again, Again)
    assert (again.resource, again.asked_at) == ("a/b?x=1", EVERY)


def test_the_same_goes_whole_now_and_then_for_an_owner_that_has_lost_it() -> None:
    told = Told()
    told.offer(b"one")
    told.clock.pass_time(WHOLE_EVERY)
    told.offer(b"one")
    assert told.bodies == [b"one", b"one"]


def test_each_resource_has_its_own_second() -> None:
    told = Told()
    told.offer(b"one")
    told.offer(b"two", "a/b?x=2")
    assert told.bodies == [b"one", b"two"]


def test_sightings_are_sums_by_place_and_told_once() -> None:
    sightings = Sightings()
    sightings.add("a/b", [0.1, 0.2])
    sightings.add("a/b", [0.3])
    sightings.fail("c/")
    assert sightings.take() == [Seen("a/b", [0.1, 0.2, 0.3], 0), Seen("c/", [], 1)]
    assert sightings.take() == []


def test_an_owner_that_does_not_listen_is_not_remembered_for_ever() -> None:
    sightings = Sightings()
    for _ in range(100):
        sightings.add("a/b", [0.1] * 4096)
    [seen] = sightings.take()
    assert len(seen.seconds) == 65_536
