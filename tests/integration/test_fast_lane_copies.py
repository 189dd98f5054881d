"""A copy that is still fresh answers without its source being asked, and says so."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.eventually import eventually
from tests.lanes import WISH, Held, Street, json_in, request, said, street
from tests.wire_origins import Said, on_both_loops, on_uvloop

LATEST, PLACE = "/api/exchange-rate/latest/USD", "exchange_rate_api/latest"
UPSTREAM = b"/v6/key/latest/USD"

#: As shipped: the lifetime of exchange rates is 900 s.
CACHING: Mapping[str, Any] = {"cache": {"serve_fresh": True, "coalesce": True}}

WAYS = pytest.mark.parametrize("headers", [{}, {"healing_allow": WISH}], ids=["short", "ordinary"])


def good(here: Street, *fields: bytes) -> bytes:
    return said(here.provider.truth(UPSTREAM), *fields)


def status_of(answer: Said) -> list[str]:
    """Of the cache, as it is told."""
    return answer.all("cache-status")


def asked(here: Street) -> int:
    return len(here.origin.asked)


@WAYS
@on_both_loops
async def test_a_fresh_copy_answers_with_its_age(headers: dict[str, Any]) -> None:
    async with street("exchange_rate_api", healing=CACHING) as here:
        first = await here.ask(LATEST, **headers)
        here.clock.pass_time(100.5)
        again = await here.ask(LATEST, **headers)
        here.clock.pass_time(2.0)
        later = await here.ask(LATEST, **headers)
        here.house.path.count()
        felt = here.house.health(PLACE).felt
    assert asked(here) == 1
    assert [one.body for one in (again, later)] == [first.body] * 2
    assert [one.all("age") for one in (first, again, later)] == [[], ["100"], ["102"]]
    assert [status_of(one) for one in (again, later)] == [
        ["autonomous_healing; hit; ttl=799"],
        ["autonomous_healing; hit; ttl=797"],
    ]
    assert again.all("healing-status") == again.all("healing-fidelity") == []
    assert felt == {"fresh": 3}


@WAYS
@on_uvloop
async def test_it_is_asked_for_again_when_its_lifetime_is_over(headers: dict[str, Any]) -> None:
    async with street("exchange_rate_api", healing=CACHING) as here:
        await here.ask(LATEST, **headers)
        here.clock.pass_time(899.0)
        await here.ask(LATEST, **headers)
        before = asked(here)
        here.clock.pass_time(1.5)
        new = await here.ask(LATEST, **headers)
    assert (before, asked(here)) == (1, 2)
    assert new.all("age") == []


@pytest.mark.parametrize(
    ("field", "times"),
    [
        (b"Cache-Control: max-age=10", 2),
        (b"Cache-Control: max-age=5, s-maxage=100", 1),
        (b"Cache-Control: no-store", 3),
        (b"Cache-Control: private, max-age=100", 3),
        (b"Cache-Control: no-cache", 3),
        (b"Cache-Control: max-age=0", 3),
    ],
)
@WAYS
@on_uvloop
async def test_what_the_source_says_of_keeping_goes_before(
    field: bytes, times: int, headers: dict[str, Any]
) -> None:
    async with street("exchange_rate_api", healing=CACHING) as here:
        for _ in range(3):
            here.provider.turns.append(good(here, field))
            await here.ask(LATEST, **headers)
            here.clock.pass_time(7.0)
    assert asked(here) == times


@pytest.mark.parametrize(
    ("wish", "reaches"),
    [
        ("no-cache", True),
        ("max-age=50", True),
        ("max-age=150", False),
        ("min-fresh=850", True),
        ("min-fresh=700", False),
        ("only-if-cached", False),
        ("max-age=oops", True),
        ("no-transform", False),
    ],
)
@on_uvloop
async def test_what_the_caller_wants_of_copies_is_heeded(wish: str, reaches: bool) -> None:
    async with street("exchange_rate_api", healing=CACHING) as here:
        await here.ask(LATEST)
        here.clock.pass_time(100.0)
        answer = await here.ask(LATEST, cache_control=wish)
    assert answer.status == 200
    assert asked(here) == (2 if reaches else 1)


@on_uvloop
async def test_a_caller_who_wants_the_newest_gets_it_past_caches_on_the_way() -> None:
    async with street("exchange_rate_api", healing=CACHING) as here:
        await here.ask(LATEST)
        await here.ask(LATEST, cache_control="no-cache")
        await here.ask(LATEST, pragma="no-cache")
    assert [one.head.count(b"cache-control: no-cache") for one in here.origin.asked] == [0, 1, 1]


@on_uvloop
async def test_a_caller_who_wants_a_copy_or_nothing_is_told_that_there_is_none() -> None:
    async with street("exchange_rate_api", healing=CACHING) as here:
        none = await here.ask(LATEST, cache_control="only-if-cached")
    assert (none.status, asked(here)) == (504, 0)
    assert json_in(none)["detail"] == "only-if-cached: no copy may answer this"


@on_uvloop
async def test_a_caller_may_take_an_expired_copy_which_is_called_stale() -> None:
    async with street("exchange_rate_api", healing=CACHING) as here:
        await here.ask(LATEST)
        here.clock.pass_time(1000.5)
        old = await here.ask(LATEST, cache_control="max-stale=200")
        too_old = await here.ask(LATEST, cache_control="max-stale=50")
    assert asked(here) == 2
    assert old.all("healing-fidelity") == ["stale;age=1001"]
    assert status_of(old) == ["autonomous_healing; hit; ttl=-101"]
    assert too_old.all("healing-fidelity") == []


@on_uvloop
async def test_what_must_not_be_stored_for_its_caller_is_not() -> None:
    async with street("exchange_rate_api", healing=CACHING) as here:
        await here.ask(LATEST, cache_control="no-store")
        await here.ask(LATEST)
    assert asked(here) == 2


@on_uvloop
async def test_without_leave_an_expired_copy_waits_for_a_failure() -> None:
    async with street("exchange_rate_api", healing=CACHING) as here:
        await here.ask(LATEST)
        here.clock.pass_time(901.0)
        new = await here.ask(LATEST)
    assert asked(here) == 2
    assert new.all("healing-fidelity") == []


@pytest.mark.parametrize("leave", ["settings", "source"])
@on_uvloop
async def test_with_leave_it_answers_as_stale_while_a_new_one_is_fetched(leave: str) -> None:
    settings = {"while_revalidate": leave == "settings"}
    async with street("exchange_rate_api", sources=settings, healing=CACHING) as here:
        if leave == "source":
            here.provider.turns.append(good(here, b"Cache-Control: max-age=900, stale-while-revalidate=900"))
        first = await here.ask(LATEST)
        here.clock.pass_time(1000.5)
        held = Held(good(here))
        here.provider.turns.append(held)
        stale = [await here.ask(LATEST) for _ in range(3)]
        waiting = asked(here)
        held.let_go()
        await eventually(lambda: here.house.health(PLACE).total == 2)
        new = await here.ask(LATEST)
        here.house.path.count()
        felt = here.house.health(PLACE).felt
    assert {one.body for one in stale} == {first.body}
    assert {tuple(one.all("healing-fidelity")) for one in stale} == {("stale;age=1001",)}
    assert {tuple(status_of(one)) for one in stale} == {("autonomous_healing; hit; ttl=-101",)}
    assert (waiting, asked(here)) == (2, 2)
    assert (new.all("age"), new.all("healing-fidelity")) == (["0"], [])
    assert felt == {"fresh": 2, "stale": 3}


@on_uvloop
async def test_beyond_that_window_the_source_is_waited_for() -> None:
    async with street("exchange_rate_api", sources={"while_revalidate": True}, healing=CACHING) as here:
        await here.ask(LATEST)
        here.clock.pass_time(1801.0)
        new = await here.ask(LATEST)
    assert (new.all("healing-fidelity"), asked(here)) == ([], 2)


@on_uvloop
async def test_who_takes_nothing_stale_waits_for_the_source() -> None:
    healing = {**CACHING, "allow": ("exact",)}
    async with street("exchange_rate_api", sources={"while_revalidate": True}, healing=healing) as here:
        await here.ask(LATEST)
        here.clock.pass_time(1000.0)
        new = await here.ask(LATEST)
    assert (new.all("healing-fidelity"), asked(here)) == ([], 2)


@on_uvloop
async def test_what_is_asked_for_often_is_fetched_before_it_is_over() -> None:
    async with street("exchange_rate_api", healing=CACHING) as here:
        for _ in range(4):
            await here.ask(LATEST)
        here.clock.pass_time(809.0)
        await here.ask(LATEST)
        early = asked(here)
        here.clock.pass_time(2.0)
        hit = await here.ask(LATEST)
        await eventually(lambda: asked(here) == 2 and here.house.health(PLACE).total == 2)
        here.clock.pass_time(100.0)
        after = await here.ask(LATEST)
    assert (early, asked(here)) == (1, 2)
    assert (hit.all("age"), after.all("age")) == (["811"], ["100"])


@on_uvloop
async def test_what_is_seldom_asked_for_is_not() -> None:
    async with street("exchange_rate_api", healing=CACHING) as here:
        for _ in range(3):
            await here.ask(LATEST)
        here.clock.pass_time(850.0)
        await here.ask("/api/exchange-rate/latest/EUR")
        await here.ask("/api/exchange-rate/latest/EUR")
    assert asked(here) == 2


@on_uvloop
async def test_a_refreshment_that_fails_is_counted_and_nobody_is_told() -> None:
    async with street("exchange_rate_api", sources={"while_revalidate": True}, healing=CACHING) as here:
        first = await here.ask(LATEST)
        here.clock.pass_time(1000.5)
        here.provider.turns.append(said(b"{}", status=b"500 Oops"))
        stale = await here.ask(LATEST)
        await eventually(lambda: here.house.health(PLACE).failed == 1)
        reports = list(here.house.reports)
        still = await here.ask(LATEST)
    assert {one.body for one in (stale, still)} == {first.body}
    assert reports == []


@on_uvloop
async def test_a_fresh_copy_answers_although_the_circuit_is_open_and_the_quota_spent() -> None:
    quota = {"quota": ({"window": "day", "limit": 2},)}
    async with street("exchange_rate_api", sources=quota, healing=CACHING) as here:
        await here.ask(LATEST)
        breaker = here.house.breaker(PLACE)
        for _ in range(5):
            breaker.record_failure("API.SERVER_ERROR")
        hit = await here.ask(LATEST)
    assert status_of(hit) == ["autonomous_healing; hit; ttl=900"]


@WAYS
@on_uvloop
async def test_healing_need_not_be_wanted_for_a_fresh_copy(headers: dict[str, Any]) -> None:
    async with street("exchange_rate_api", healing={**CACHING, "enable_auto_healing": False}) as here:
        await here.ask(LATEST, **headers)
        hit = await here.ask(LATEST, **headers)
    assert (asked(here), status_of(hit)) == (1, ["autonomous_healing; hit; ttl=900"])


@pytest.mark.parametrize(
    ("validator", "condition"),
    [
        (b'ETag: "v1"', b'if-none-match: "v1"'),
        (
            b"Last-Modified: Mon, 02 Mar 2026 14:00:00 GMT",
            b"if-modified-since: Mon, 02 Mar 2026 14:00:00 GMT",
        ),
    ],
)
@WAYS
@on_uvloop
async def test_its_source_may_say_that_it_still_holds(
    validator: bytes, condition: bytes, headers: dict[str, Any]
) -> None:
    async with street("exchange_rate_api", healing=CACHING) as here:
        here.provider.turns.append(good(here, validator, b"Cache-Control: max-age=10"))
        first = await here.ask(LATEST, **headers)
        here.clock.pass_time(11.0)
        here.provider.turns.append(b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=20\r\n\r\n")
        again = await here.ask(LATEST, **headers)
        here.clock.pass_time(15.0)
        hit = await here.ask(LATEST, **headers)
    assert [condition in one.head for one in here.origin.asked] == [False, True]
    assert [one.status for one in (first, again, hit)] == [200] * 3
    assert {one.body for one in (first, again, hit)} == {first.body}
    assert (again.all("age"), hit.all("age")) == ([], ["15"])
    assert again.all("healing-status") == []


@WAYS
@on_uvloop
async def test_an_answer_that_still_holds_is_judged_again(headers: dict[str, Any]) -> None:
    """It was fresh when it was kept; that it has not changed since makes it too old."""
    async with street("exchange_rate_api", healing={**CACHING, "in_request_retries": 0}) as here:
        here.provider.turns.append(good(here, b'ETag: "v1"'))
        await here.ask(LATEST, **headers)
        here.clock.pass_time(2 * 86_400.0)
        here.provider.turns.append(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        old = await here.ask(LATEST, **headers)
        codes = [one.diagnosis.code for one in here.house.reports]
    assert codes == ["DATA.STALE"]
    assert old.all("healing-fidelity")[0].startswith("stale;age=1728")


@on_uvloop
async def test_a_304_that_was_not_asked_for_is_no_answer() -> None:
    async with street("exchange_rate_api", healing={**CACHING, "in_request_retries": 0}) as here:
        here.provider.turns.append(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        told = await here.ask(LATEST)
    assert (told.status, json_in(told)["code"]) == (503, "DATA.MISSING")


@on_uvloop
async def test_a_caller_who_wants_the_newest_too_often_gets_what_is_fresh() -> None:
    """One a second on average; a flood must not burn what a source allows."""
    async with street("exchange_rate_api", healing=CACHING) as here, here.house.line() as line:
        await here.ask(LATEST)
        for _ in range(100):
            await line.send(request(LATEST, cache_control="no-cache"))
            last = await line.answer()
        forced = asked(here) - 1
        here.clock.pass_time(61.0)
        await here.ask(LATEST, cache_control="no-cache")
    assert forced == 60
    assert status_of(last) == ["autonomous_healing; hit; ttl=900"]
    assert asked(here) == 62
