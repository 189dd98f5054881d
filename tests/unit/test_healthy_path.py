"""The short way admits what nothing stands in the way of, and knows what was judged a moment ago."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.world import SECRETS, World

from autonomous_healing import wire
from autonomous_healing.endpoint_healing.call import Call, Response
from autonomous_healing.endpoint_healing.fetch import Sent
from autonomous_healing.endpoint_healing.healthy_path import (
    CROWDED,
    JUDGED_AT_ONCE,
    KEYLESS,
    VERDICT_LASTS,
    Healed,
    HealthyPath,
    Question,
)
from autonomous_healing.endpoint_healing.observations import Observations
from autonomous_healing.wire.heads import read_answer

CHART, PREV = "yahoo_finance/chart", "polygon_io/v2/prev"


class Way:
    """A healthy path in a world of its own, and the question whose answers it looks at."""

    def __init__(self, world: World, place: str = CHART) -> None:
        self.world = world
        self.path = HealthyPath(world.fetcher, world.upstream, world.cache, Observations(), world.clock)
        self.call: Call = world.call(place)
        self.question = self.ask_for(place)
        self.truth = world.upstream.truth(world.url_of(self.call)).body

    def ask_for(self, place: str, host: str | None = None) -> Question:
        return self.path.question(self.world.endpoint(place), self.world.call(place).params, host)

    @property
    def sent(self) -> Sent:
        clock = self.world.clock
        return Sent(self.question.target.host, None, 10.0, clock.now(), clock.monotonic())

    def look(self, answer: wire.Answer) -> Response | None:
        """As the lane does it: judged, and remembered where it is good."""
        response = self.path.judged(self.call, self.sent, answer)
        if response is not None:
            self.path.remember(self.question, answer, response, b"a head")
        return response

    def known(self, answer: wire.Answer) -> bool:
        return self.known_since(answer, self.world.clock.monotonic())

    def known_since(self, answer: wire.Answer, start: float) -> bool:
        """The same for a question that was asked at `start`."""
        return self.path.known(self.question, answer, start, self.world.clock.monotonic()) is not None

    @property
    def age(self) -> float | None:
        copy = self.world.cache.last_good(self.call)
        return copy.age if copy else None


def answer(body: bytes, *fields: str, status: int = 200) -> wire.Answer:
    head = "\r\n".join([f"HTTP/1.1 {status} X", *fields, "", ""])
    return wire.Answer(read_answer(head.encode()), body)


@pytest.fixture
async def worlds() -> AsyncIterator[list[World]]:
    """Worlds whose connections are given back in the end; none is ever made."""
    worlds: list[World] = []
    yield worlds
    for world in worlds:
        await world.upstream.stop()


async def way(worlds: list[World], place: str = CHART, **how: Any) -> Way:
    world = World(**how)
    worlds.append(world)
    await world.upstream.start()
    return Way(world, place)


async def test_patience_begins_with_what_is_expected_and_follows_what_is_usual(worlds: list[World]) -> None:
    one = await way(worlds)
    target = one.question.target
    assert target.patience == 5.0  # it would be six: half as much again as twice the expected two
    for _ in range(19):
        one.path.note(one.question, 0.9)
    one.path.count()
    assert target.patience == 5.0
    one.path.note(one.question, 0.9)
    assert target.patience == 5.0
    one.path.count()
    assert target.patience == pytest.approx(1.35, rel=1 / 16)
    for _ in range(400):
        one.path.note(one.question, 0.01)
    one.path.count()
    assert target.patience == 1.0  # never less
    for _ in range(200):
        one.path.note(one.question, 9.0)
    one.path.count()
    assert target.patience == 5.0


@pytest.mark.parametrize(("deadline", "patience"), [(15.0, 5.0), (4.0, 3.8), (0.3, 0.15)])
async def test_patience_leaves_time_before_the_deadline(
    worlds: list[World], deadline: float, patience: float
) -> None:
    one = await way(worlds, healing={"request_deadline": deadline})
    assert one.question.target.patience == pytest.approx(patience)


async def test_all_questions_to_one_host_of_an_endpoint_count_together(
    worlds: list[World],
) -> None:
    one = await way(worlds)
    first, second = one.world.endpoint(CHART).source.hosts
    spy = one.path.question(one.world.endpoint(CHART), {"symbol": "SPY"})
    assert spy.target is one.question.target
    assert spy.resource != one.question.resource
    assert one.ask_for(CHART, second).target is not one.question.target
    assert one.ask_for(CHART, first).target is one.question.target
    assert one.ask_for("fred_api/series").target is not one.question.target


async def test_a_source_without_keys_is_asked_without_one(worlds: list[World]) -> None:
    one = await way(worlds)
    assert one.path.admit(one.question) is KEYLESS


async def test_the_key_that_may_be_used_now_is_taken(worlds: list[World]) -> None:
    one = await way(worlds, PREV)
    first, second = SECRETS["polygon_io"]
    keys = one.world.admission.limits(one.call.endpoint.source).keys
    taken = [one.path.admit(one.question)]
    keys.reject("polygon_io#1", "API.AUTH_REJECTED", "/v2/prev", None)
    taken.append(one.path.admit(one.question))
    keys.reject("polygon_io#2", "API.AUTH_REJECTED", "/v2/prev", None)
    assert [key and key.secret for key in taken] == [first, second]
    assert one.path.admit(one.question) is None
    one.world.clock.pass_time(3601.0)
    assert one.path.admit(one.question) is None  # to check a rejected key is left to the ordinary path
    checked = keys.choose("/v2/prev", may_check=True)
    assert checked is not None
    keys.accept(checked.alias)
    key = one.path.admit(one.question)
    assert key is not None
    assert key.secret == first


async def test_every_admission_is_charged_and_none_goes_beyond_the_quota(worlds: list[World]) -> None:
    quota = {"yahoo_finance": {"quota": ({"window": "minute", "limit": 2},)}}
    one = await way(worlds, sources=quota)
    ledger = one.world.admission.limits(one.call.endpoint.source).ledger
    admitted = [one.path.admit(one.question) is not None for _ in range(4)]
    assert admitted == [True, True, False, False]
    assert [one.used for one in ledger.readings()] == [2]


async def test_what_a_head_says_of_limits_is_learned(worlds: list[World]) -> None:
    one = await way(worlds, sources={"yahoo_finance": {"quota": ({"window": "minute", "limit": 100},)}})
    ledger = one.world.admission.limits(one.call.endpoint.source).ledger
    silent = answer(b"{}", "Content-Type: application/json", "Age: 3")
    telling = answer(b"{}", "X-RateLimit-Limit: 100", "X-RateLimit-Remaining: 4", "Age: 3")
    one.path.learn(one.question, KEYLESS, silent.head)
    assert ledger.readings() == []
    for _ in range(2):
        one.path.learn(one.question, KEYLESS, telling.head)
        assert [reading.remaining for reading in ledger.readings()] == [4]
    assert one.known(silent) is False


async def test_a_host_that_says_when_it_is_back_is_gone_round(worlds: list[World]) -> None:
    one = await way(worlds)
    ledger = one.world.admission.limits(one.call.endpoint.source).ledger
    ledger.throttled("", "API.RATE_LIMITED", 30.0, one.question.target.host)
    assert one.path.admit(one.question) is None
    [other] = one.path.others(one.question)
    assert one.path.admit(other) is KEYLESS
    one.world.clock.pass_time(30.0)
    assert one.path.others(one.question) == ()
    assert one.path.admit(one.question) is KEYLESS


async def test_a_question_that_costs_more_is_charged_for_it(worlds: list[World]) -> None:
    weight = {"/chart": "symbol"}
    quota = {"yahoo_finance": {"quota": ({"window": "minute", "limit": 10, "weight": weight},)}}
    one = await way(worlds, sources=quota)
    many = one.path.question(one.call.endpoint, {"symbol": "A,B,C"})
    assert (one.question.weight, many.weight) == (1, 3)
    assert one.path.admit(many) is KEYLESS
    ledger = one.world.admission.limits(one.call.endpoint.source).ledger
    assert [reading.used for reading in ledger.readings()] == [3]


async def test_who_is_not_admitted_for_the_circuit_is_not_charged(worlds: list[World]) -> None:
    one = await way(worlds, sources={"yahoo_finance": {"quota": ({"window": "minute", "limit": 2},)}})
    for _ in range(5):
        one.question.target.breaker.record_failure("API.SERVER_ERROR")
    ledger = one.world.admission.limits(one.call.endpoint.source).ledger
    assert one.path.admit(one.question) is None
    assert ledger.readings() == []
    one.world.clock.pass_time(40.0)
    assert one.path.admit(one.question) is None  # a trial is the ordinary way's to make
    assert one.question.target.breaker.would_allow()


async def test_who_is_well_is_not_asked_at_once_while_its_host_is_not(worlds: list[World]) -> None:
    one = await way(worlds)
    one.path.note(one.question, 0.1)
    one.path.count()
    host = one.call.endpoint.source.hosts[0]
    for name in ("/quote", "/session_quote"):
        endpoint = replace(one.call.endpoint, name=name)
        for _ in range(5):
            one.world.admission.breaker(endpoint, host).record_failure("API.SERVER_ERROR")
    assert one.path.admit(one.question) is None
    [other] = one.path.others(one.question)
    assert one.path.admit(other) is KEYLESS


async def test_slow_answers_open_the_circuit_once_they_are_counted(worlds: list[World]) -> None:
    one = await way(worlds)
    breaker = one.question.target.breaker
    for _ in range(200):
        one.path.note(one.question, 0.2)
    one.path.count()
    for seconds in (5.0, 0.2, 6.0) * 9:
        one.path.note(one.question, seconds)
    one.path.count()
    assert breaker.is_steady
    for seconds in (0.2, 6.0) * 10:
        one.path.note(one.question, seconds)
    one.path.count()
    assert (breaker.is_closed, breaker.reason) == (False, "API.TIMEOUT")
    assert one.path.admit(one.question) is None


async def test_what_is_usual_is_learned_from_what_is_counted(worlds: list[World]) -> None:
    one = await way(worlds)
    assert one.question.target.breaker.slow_after == 3 * 2 * one.call.endpoint.source.expected_response
    for _ in range(20):
        one.path.note(one.question, 3.0)
    one.path.count()
    assert one.question.target.breaker.slow_after == pytest.approx(9.0, rel=0.07)
    one.path.count_elsewhere(one.world.endpoint("fred_api/series"), [0.1] * 20)
    assert one.ask_for("fred_api/series").target.breaker.slow_after == 5.0


async def test_other_hosts_are_asked_only_while_the_circuit_of_the_first_is_open(worlds: list[World]) -> None:
    one = await way(worlds)
    assert one.path.others(one.question) == ()
    for _ in range(5):
        one.question.target.breaker.record_failure("API.SERVER_ERROR")
    [other] = one.path.others(one.question)
    assert (other.target.host, other.resource) == (one.call.endpoint.source.hosts[1], one.question.resource)
    assert one.path.others(one.question)[0] is other
    assert one.path.admit(other) is KEYLESS
    one.world.clock.pass_time(40.0)
    assert one.path.others(one.question) == ()


async def test_a_request_is_put_together_once_for_each_key(worlds: list[World]) -> None:
    one = await way(worlds, PREV)
    first, second = one.world.admission.limits(one.call.endpoint.source).keys.keys
    plain = one.path.request(one.question, first, b"")
    more = one.path.request(one.question, first, b"x-request-id: 1\r\n")
    other = one.path.request(one.question, second, b"")
    line, *fields = plain.split(b"\r\n")
    assert line.startswith(b"GET /v2/aggs/ticker/AAPL/prev?")
    assert b"apiKey=canary_polygon%2Bone HTTP/1.1" in line
    assert fields[-2:] == [b"", b""]
    assert more == plain[:-2] + b"x-request-id: 1\r\n\r\n"
    assert other == plain.replace(b"one", b"two")
    assert list(one.question.heads) == [first, second]


async def test_what_was_judged_a_moment_ago_is_known(worlds: list[World]) -> None:
    one = await way(worlds)
    good = answer(one.truth, "content-type: application/json")
    assert not one.known(good)
    assert one.look(good) is not None
    assert one.known(good)
    assert one.known(answer(one.truth, "content-type: application/json", "date: today", "x-served-by: b"))
    one.world.clock.pass_time(VERDICT_LASTS)
    assert one.known(good)
    one.world.clock.pass_time(0.01)
    assert not one.known(good)


@pytest.mark.parametrize(
    "other",
    [
        ("content-type: text/html",),
        ("content-type: application/json", "content-encoding: identity"),
        ("content-type: application/json", "age: 1"),
        ("content-type: application/json", "cache-control: no-store"),
        ("content-type: application/json", "etag: x"),
        ("content-type: application/json", "content-type: application/json"),
        (),
    ],
)
async def test_another_head_is_not_known(worlds: list[World], other: tuple[str, ...]) -> None:
    one = await way(worlds)
    one.look(answer(one.truth, "content-type: application/json"))
    assert not one.known(answer(one.truth, *other))


async def test_neither_is_another_body_or_status(worlds: list[World]) -> None:
    one = await way(worlds)
    one.look(answer(one.truth))
    assert not one.known(answer(one.truth + b" "))
    assert not one.known(answer(one.truth[:-2] + b"]}"))
    assert not one.known(answer(one.truth, status=203))
    assert one.known(answer(one.truth))


async def test_a_copy_that_another_way_kept_is_not_known(worlds: list[World]) -> None:
    one = await way(worlds)
    one.look(answer(one.truth))
    await one.world.fetch(one.call)
    assert not one.known(answer(one.truth))


async def test_a_copy_is_as_old_as_the_question_and_renewed_by_the_same_bytes(worlds: list[World]) -> None:
    one = await way(worlds)
    one.look(answer(one.truth, "age: 100"))
    one.world.clock.pass_time(0.5)
    assert one.age == pytest.approx(100.5)
    start = one.world.clock.monotonic()
    one.world.clock.pass_time(0.4)
    assert one.known_since(answer(one.truth, "age: 100"), start)
    assert one.age == pytest.approx(100.4)


async def test_a_copy_of_a_slow_answer_is_old_when_it_comes(worlds: list[World]) -> None:
    one = await way(worlds)
    sent = one.sent
    one.world.clock.pass_time(3.0)
    assert one.path.judged(one.call, sent, answer(one.truth)) is not None
    assert one.age == pytest.approx(3.0)


async def test_an_earlier_question_does_not_make_the_copy_older(worlds: list[World]) -> None:
    one = await way(worlds)
    one.world.clock.pass_time(10.0)
    one.look(answer(one.truth))
    assert one.known_since(answer(one.truth), one.world.clock.monotonic() - 4.0)
    assert one.age == pytest.approx(0.0)


async def test_a_copy_that_turned_out_to_be_old_needs_a_new_verdict(worlds: list[World]) -> None:
    one = await way(worlds)
    one.look(answer(one.truth))
    one.world.cache.date_back(one.call, 1800.0)
    assert not one.known(answer(one.truth))
    assert one.age == pytest.approx(1800.0)


async def test_an_answer_that_may_not_be_kept_is_never_known(worlds: list[World]) -> None:
    one = await way(worlds)
    private = answer(one.truth, "cache-control: private")
    assert one.look(private) is not None
    assert not one.known(private)
    assert one.age is None


async def test_what_may_not_be_kept_is_not_taken_for_the_copy_there_is(
    worlds: list[World],
) -> None:
    one = await way(worlds)
    kept, private = answer(one.truth), answer(one.truth + b" ", "cache-control: private")
    one.look(kept)
    assert one.look(private) is not None
    assert not one.known(private)
    assert one.known(kept)


@pytest.mark.parametrize("space", [b"", b" ", b"\n\n", b"\r\n\t "])
async def test_white_space_around_a_document_is_no_fault(worlds: list[World], space: bytes) -> None:
    one = await way(worlds)
    assert one.look(answer(space + one.truth + space)) is not None


async def test_what_is_packed_is_judged_by_what_it_holds(worlds: list[World]) -> None:
    one = await way(worlds)
    response = one.look(answer(gzip.compress(one.truth), "content-encoding: gzip"))
    assert response is not None
    assert response.body == one.truth
    assert one.known(answer(gzip.compress(one.truth), "content-encoding: gzip"))


@pytest.mark.parametrize("status", [201, 203, 204, 206, 301, 304, 400, 404, 429, 500, 503])
async def test_only_a_plain_success_is_judged_at_a_glance(worlds: list[World], status: int) -> None:
    one = await way(worlds)
    assert one.look(answer(one.truth, status=status)) is None


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"null", b'"text"', b"<html></html>", b"{", b"{}", b"[]", b"{]", b"1", b"{" + b"}" * 9],
)
async def test_what_is_not_plainly_good_is_left_to_the_long_look(worlds: list[World], body: bytes) -> None:
    one = await way(worlds)
    assert one.look(answer(body)) is None
    assert one.age is None


async def test_what_would_take_long_is_left_to_it_as_well(worlds: list[World]) -> None:
    one = await way(worlds)
    room = JUDGED_AT_ONCE - len(one.truth)
    assert one.look(answer(one.truth + b" " * room)) is not None
    assert one.look(answer(one.truth + b" " * (room + 1))) is None
    packed = gzip.compress(one.truth + b" " * (room + 1))
    assert one.look(answer(packed, "content-encoding: gzip")) is None


async def test_healings_that_come_apart_are_not_shared(worlds: list[World]) -> None:
    one = await way(worlds)
    clock = one.world.clock
    for _ in range(3):
        one.path.keep_healed(one.question, Healed(b"head", b"body", "stale", clock.monotonic() + 1.0))
        assert one.path.healed(one.question) is None
        clock.pass_time(CROWDED + 0.001)


async def test_a_crowd_shares_the_second_healing_until_it_is_over(worlds: list[World]) -> None:
    one = await way(worlds)
    clock = one.world.clock
    window = one.question.target.window
    first, second = (Healed(b"head", name, "stale", clock.monotonic() + 0.5) for name in (b"one", b"two"))
    one.path.keep_healed(one.question, first)
    clock.pass_time(CROWDED / 2)
    one.path.keep_healed(one.question, second)
    assert one.path.healed(one.question) is second
    clock.pass_time(0.4)
    assert one.path.healed(one.question) is second
    clock.pass_time(0.2)
    assert one.path.healed(one.question) is None
    one.path.count()
    assert window.read().felt == {"stale": 2}


async def test_timings_are_those_of_endpoints_whatever_the_host(worlds: list[World]) -> None:
    one = await way(worlds)
    first, second = one.world.endpoint(CHART).source.hosts
    one.path.note(one.ask_for(CHART, first), 0.001)
    one.path.note(one.ask_for(CHART, second), 0.001)
    one.path.count_elsewhere(one.world.endpoint(CHART), [0.001, 1.0])
    one.ask_for("fred_api/series")
    told = {timing.endpoint.place: timing for timing in one.path.timings()}
    counts = told[CHART].counts
    assert (counts[10], counts[20], sum(counts)) == (3, 1, 4)
    assert told[CHART].seconds == pytest.approx(1.003)
    assert (sum(told["fred_api/series"].counts), told["fred_api/series"].seconds) == (0, 0.0)
    assert list(told) == [CHART, "fred_api/series"]


async def test_what_another_process_has_had_counts_at_once(worlds: list[World]) -> None:
    one = await way(worlds)
    one.path.count_elsewhere(one.world.endpoint(CHART), [0.9] * 20)
    health = one.question.target.window.read()
    assert (health.total, health.felt) == (20, {"fresh": 20})
    assert one.question.target.patience == pytest.approx(1.35, rel=1 / 16)


async def test_nothing_of_it_waits_or_makes_a_task(worlds: list[World]) -> None:
    one = await way(worlds)
    tasks = asyncio.all_tasks()
    for _ in range(100):
        key = one.path.admit(one.question)
        assert key is KEYLESS
        one.path.request(one.question, key, b"")
        good = answer(one.truth)
        if not one.known(good):
            one.look(good)
        one.path.note(one.question, 0.001)
    one.path.count()
    assert asyncio.all_tasks() == tasks
