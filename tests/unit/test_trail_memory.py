"""Thousands of trails and reports are held, so they hold no answers."""

import gc
from types import FunctionType, ModuleType

from tests.world import World, said

CHART = "/api/yahoo/chart/AAPL?range=10y"
PAGE = "<html>" + "x" * 1_000_000


def largest_held(*roots: object) -> int:
    """Bytes of the largest text or bytes that can be reached from there; code does not count."""
    seen, left, largest = {id(one) for one in roots}, list(roots), 0
    while left:
        one = left.pop()
        if isinstance(one, bytes | bytearray | str):
            largest = max(largest, len(one))
        for other in gc.get_referents(one):
            if id(other) not in seen and not isinstance(other, type | ModuleType | FunctionType):
                seen.add(id(other))
                left.append(other)
    return largest


async def test_neither_a_refused_answer_nor_a_cure_is_held_beyond_its_request() -> None:
    world = World()
    follower = world.journal.follow("slow")
    good = await world.get(CHART)
    assert len(good.body) > 100_000
    world.upstream.says("https", said(200, PAGE))
    healed = await world.get(CHART)
    assert (healed.body, healed.headers["Healing-Status"]) == (good.body, "healed")
    failed = await world.get("/api/fred/series?series_id=DGS10")
    assert failed.headers["Healing-Status"] == "failed"
    assert [report.healed for report in world.reports] == [True, False]
    largest = largest_held(world.reports, world.healer.trails, follower)
    assert largest < 2_000


async def test_a_caller_without_healing_still_gets_the_refused_answer_in_full() -> None:
    world = World()
    world.upstream.says("https", said(200, PAGE))
    reply = await world.get(CHART, healing_allow="none")
    assert reply.body == PAGE.encode()


def test_the_measure_sees_what_is_held() -> None:
    assert largest_held([{"a": (b"x" * 5_000,)}]) == 5_000
