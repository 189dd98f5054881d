"""Where many ask what can only be healed, one healing serves those behind it, while its words are true."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.clock import HurriedClock
from tests.lanes import Held, Street, answers, house, request, said, street
from tests.wire_origins import Said, listening, on_uvloop

from autonomous_healing.endpoint_healing.healthy_path import CROWDED
from autonomous_healing.resilience import BreakerState

LATEST, PLACE = "/api/exchange-rate/latest/USD", "exchange_rate_api/latest"
CHART, CHARTS = "/api/yahoo/chart/AAPL", "yahoo_finance/chart"

#: Seconds between two who are no crowd.
APART = CROWDED + 0.01

BROKEN = said(b"{}", status=b"500 Oops")

#: Nobody asks a second time.
ONCE: Mapping[str, Any] = {"in_request_retries": 0}


async def a_copy_and_an_open_circuit(here: Street, seconds: float = 1000.25) -> Said:
    """The last good answer, so many seconds ago."""
    good = await here.ask(LATEST)
    here.clock.pass_time(seconds - APART * 6)
    here.provider.turns.extend([BROKEN] * 5)
    for _ in range(5):
        here.clock.pass_time(APART)
        await here.ask(LATEST)
    here.clock.pass_time(APART)
    assert here.house.breaker(PLACE).state is BreakerState.OPEN
    return good


def trails(all_said: list[Said]) -> list[str]:
    return [one.all("healing-trail")[0] for one in all_said]


async def ask(here: Street, times: int, **headers: Any) -> list[Said]:
    return [await here.ask(LATEST, **headers) for _ in range(times)]


@on_uvloop
async def test_the_next_callers_get_what_was_healed_a_moment_ago() -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        good = await a_copy_and_an_open_circuit(here)
        here.house.path.count()
        reports = len(here.house.reports)
        asked = len(here.origin.asked)
        crowd = await ask(here, 10)
        felt = here.house.health(PLACE).felt
        told = [here.house.trail(one)["status"] for one in crowd]
    one, two, *_ = trails(crowd)  # the first comes alone, the second makes it a crowd
    assert trails(crowd) == [one, *[two] * 9]
    assert one != two
    assert (len(here.house.reports) - reports, len(here.origin.asked) - asked) == (2, 0)
    assert {bytes(one.body) for one in crowd} == {good.body}
    assert {tuple(one.all("healing-fidelity")) for one in crowd} == {("stale;age=1001",)}
    assert {tuple(one.all("age")) for one in crowd} == {("1000",)}
    assert {tuple(one.all("cache-status")) for one in crowd} == {("autonomous_healing; fwd=stale",)}
    assert felt["stale"] == 15
    assert set(told) == {"healed"}


@on_uvloop
async def test_it_is_healed_anew_before_its_age_in_words_is_no_longer_true() -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        await a_copy_and_an_open_circuit(here)
        first, second, *_ = await ask(here, 3)
        here.clock.pass_time(0.7)
        [still] = await ask(here, 1)
        here.clock.pass_time(0.06)
        [over] = await ask(here, 1)
    assert trails([still]) == trails([second]) != trails([first])
    assert trails([over]) != trails([still])
    assert [one.all("healing-fidelity") for one in (still, over)] == [["stale;age=1001"], ["stale;age=1002"]]
    assert [one.all("age") for one in (still, over)] == [["1000"], ["1001"]]


@on_uvloop
async def test_who_does_not_come_in_a_crowd_is_healed_alone() -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        await a_copy_and_an_open_circuit(here)
        apart = []
        for _ in range(4):
            here.clock.pass_time(APART)
            apart += await ask(here, 1)
    assert len(set(trails(apart))) == 4


@pytest.mark.parametrize(
    "headers",
    [{"healing_allow": "exact, equivalent, stale"}, {"healing_deadline": "5"}, {"healing_anything": "x"}],
)
@on_uvloop
async def test_who_has_wishes_is_healed_for_himself_and_for_nobody_else(headers: dict[str, str]) -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        await a_copy_and_an_open_circuit(here)
        before = await ask(here, 3)
        wishing = await ask(here, 3, **headers)
        after = await ask(here, 1)
        head = await here.ask(LATEST, method="HEAD")
    assert len(set(trails(wishing))) == 3
    assert not set(trails(wishing)) & set(trails(before))
    assert trails(after) == trails(before[2:])
    assert trails([head]) != trails(after)


@on_uvloop
async def test_who_takes_no_stale_answers_gets_none() -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        await a_copy_and_an_open_circuit(here)
        await ask(here, 3)
        [picky] = await ask(here, 1, healing_allow="exact")
    assert (picky.status, picky.all("healing-status")) == (503, ["failed"])


@on_uvloop
async def test_another_question_is_not_answered_with_it() -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        await a_copy_and_an_open_circuit(here)
        await ask(here, 3)
        other = await here.ask("/api/exchange-rate/latest/EUR")
    assert other.status == 503


@on_uvloop
async def test_it_ends_when_the_circuit_closes() -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        await a_copy_and_an_open_circuit(here)
        healed = await ask(here, 3)
        breaker = here.house.breaker(PLACE)
        breaker.open_until = here.clock.monotonic()
        assert breaker.allow()
        breaker.record_successes([0.01] * 2)
        fresh = await ask(here, 2)
    assert breaker.state is BreakerState.CLOSED
    assert {one.all("healing-status")[0] for one in healed} == {"healed"}
    assert [one.all("healing-status") for one in fresh] == [[], []]


@on_uvloop
async def test_one_of_the_crowd_tries_the_circuit_for_all() -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        await a_copy_and_an_open_circuit(here)
        here.clock.pass_time(30.5)
        asked = len(here.origin.asked)
        held = Held(said(here.provider.truth(b"/v6/k/latest/USD")))
        here.provider.turns.append(held)
        async with here.house.line() as one, here.house.line() as two:
            await one.send(request(LATEST))
            while not held.has_come():
                await here.clock.sleep(0.0)
            await two.send(request(LATEST) * 5)
            crowd = await answers(two, 5)
            held.let_go()
            trial = await one.answer()
    assert len(here.origin.asked) == asked + 1
    assert {one.all("healing-status")[0] for one in crowd} == {"healed"}
    assert trial.all("healing-status") == []


@on_uvloop
async def test_a_spent_quota_makes_a_crowd_as_well() -> None:
    quota = {"quota": ({"window": "day", "limit": 1},)}
    async with street("exchange_rate_api", sources=quota, healing=ONCE) as here:
        await ask(here, 1)
        here.clock.pass_time(1000.25)
        crowd = await ask(here, 6)
        felt = here.house.health(PLACE).felt
    assert len(set(trails(crowd))) == 2
    assert len(here.origin.asked) == 1
    assert (crowd[5].all("healing-fidelity"), felt["stale"]) == (["stale;age=1001"], 6)


@on_uvloop
async def test_without_a_copy_there_is_nothing_to_share() -> None:
    async with street("exchange_rate_api", healing=ONCE) as here:
        here.provider.turns.extend([BROKEN] * 5)
        told = await ask(here, 10)
        felt = here.house.health(PLACE).felt
    assert len(set(trails(told))) == 10
    assert felt == {"error": 10}


@on_uvloop
async def test_while_one_host_is_out_another_is_asked_on_the_short_way() -> None:
    clock = HurriedClock()

    async def broken(asked: Any) -> None:
        await asked.line.send(BROKEN)

    async with street("yahoo_finance", clock) as well, listening(broken) as ill:
        hosts = (f"http://127.0.0.1:{ill.port}", f"http://127.0.0.1:{well.origin.port}")
        async with house({"yahoo_finance": {"hosts": hosts}}, clock=clock, healing=ONCE) as rooms:
            healed = [await rooms.ask(CHART) for _ in range(5)]
            plain = [await rooms.ask(CHART) for _ in range(3)]
            ordinary = await rooms.ask(CHART, healing_allow="exact")
            health = rooms.health(CHARTS)
            handled = len(rooms.proxy.handled)
    assert [one.all("healing-status") for one in healed] == [["healed"]] * 5
    assert [one.all("healing-status") for one in [*plain, ordinary]] == [[]] * 4
    assert {one.body for one in plain} == {ordinary.body}
    assert (len(ill.asked), handled) == (5, 1)
    assert (health.failed, health.felt["fresh"]) == (5, 4)
