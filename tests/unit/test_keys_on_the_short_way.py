"""The short way and workers use fit keys only: what has to be tried again is left to others."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from tests.world import World, said

from autonomous_healing.endpoint_healing.codes import AUTH_REJECTED
from autonomous_healing.endpoint_healing.healthy_path import HealthyPath, Question
from autonomous_healing.endpoint_healing.keys import KeyRing, KeyState
from autonomous_healing.endpoint_healing.observations import Observations
from autonomous_healing.workers.leases import Lender

PREV = "polygon_io/v2/prev"
FIRST, SECOND = "polygon_io#1", "polygon_io#2"


class Way:
    """The short way of one question, in a world of its own."""

    def __init__(self, auth: Mapping[str, Any] | None = None) -> None:
        self.world = World(sources={"polygon_io": {"auth": auth}} if auth else {})
        world = self.world
        self.path = HealthyPath(world.fetcher, world.upstream, world.cache, Observations(), world.clock)

    async def begin(self) -> None:
        await self.world.upstream.start()
        self.question: Question = self.path.question(self.world.endpoint(PREV), self.world.call(PREV).params)

    @property
    def keys(self) -> KeyRing:
        return self.world.admission.limits(self.world.endpoint(PREV).source).keys

    def admitted(self) -> str | None:
        key = self.path.admit(self.question)
        return key.alias if key else None

    def head(self) -> str:
        """Of the request that would be sent."""
        key = self.path.admit(self.question)
        assert key is not None
        return self.path.request(self.question, key, b"").decode()


@pytest.fixture
async def way() -> AsyncIterator[Way]:
    way = Way()
    await way.begin()
    yield way
    await way.world.upstream.stop()


async def test_a_key_that_has_to_be_tried_again_is_left_to_the_ordinary_way(way: Way) -> None:
    way.keys.reject(FIRST, AUTH_REJECTED, "/v2/prev", None)
    assert way.admitted() == SECOND
    way.world.clock.pass_time(3600.0)
    assert way.admitted() is None
    assert (await way.world.get("/api/polygon/prev?ticker=AAPL")).status == 200
    assert way.keys.key(FIRST).state is KeyState.OK
    assert way.admitted() == FIRST


async def test_while_it_is_tried_the_others_go_on(way: Way) -> None:
    way.keys.reject(FIRST, AUTH_REJECTED, "/v2/prev", None)
    way.world.clock.pass_time(3600.0)
    way.world.upstream.says("https", said(500))
    await way.world.get("/api/polygon/prev?ticker=AAPL", healing_allow="none")
    assert way.keys.key(FIRST).state is KeyState.INVALID
    assert way.admitted() == SECOND


async def test_workers_are_lent_no_key_that_has_to_be_tried_again(way: Way) -> None:
    world = way.world
    lender = Lender(world.endpoints, world.admission, 2, world.clock)
    way.keys.reject(FIRST, AUTH_REJECTED, "/v2/prev", None)
    lease = lender.grant(PREV)
    assert lease is not None
    assert lease.alias == SECOND
    world.clock.pass_time(3600.0)
    assert lender.grant(PREV) is None
    assert not way.keys.key(FIRST).checking


async def test_another_secret_is_sent_from_the_next_question_on(way: Way) -> None:
    before = way.head()
    way.keys.rotate(FIRST, "another")
    assert way.head() == before.replace("canary_polygon%2Bone", "another")


async def test_a_key_in_a_header_is_sent_there() -> None:
    way = Way(auth={"place": "header", "name": "Authorization"})
    await way.begin()
    line, *fields = way.head().split("\r\n")
    assert "Authorization: Bearer canary_polygon+one" in fields
    assert "canary" not in line
    await way.world.upstream.stop()
