"""What keeps the calls to a target in measure, and what calls tell of it."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.clock import ManualClock, let_others_run

from autonomous_healing.endpoint_healing.admission import Admission, Refused
from autonomous_healing.endpoint_healing.call import Failure, Trouble
from autonomous_healing.endpoint_healing.catalog import build_endpoints, default_sources
from autonomous_healing.endpoint_healing.codes import SERVER_ERROR, UNREACHABLE, Blame
from autonomous_healing.endpoint_healing.flow import BACK_IN_LINE, Flow, Flows
from autonomous_healing.endpoint_healing.options import HealingSettings
from autonomous_healing.endpoint_healing.priority import Priority
from autonomous_healing.resilience import Deadline

ENDPOINTS = {one.place: one for one in build_endpoints(default_sources())}
CHART, QUOTE, AGGS = (
    ENDPOINTS[one] for one in ("yahoo_finance/chart", "yahoo_finance/quote", "polygon_io/v2/aggs")
)
HOST, OTHER = CHART.source.hosts


class Target:
    """The flow of one target, and what becomes of calls there."""

    def __init__(self, **healing: object) -> None:
        self.clock = ManualClock()
        self.settings = HealingSettings.model_validate(healing)
        self.admission = Admission({}, {}, self.settings, self.clock)
        self.flows = Flows(self.admission, self.settings, self.clock, random.Random(1))
        self.flow = self.flows.of(CHART, HOST)

    def failed(self, blame: Blame, **facts: object) -> None:
        now, none = self.clock.now(), timedelta(0)
        failure = Failure(endpoint=CHART, host=HOST, observed_at=now, elapsed=none, blame=blame)
        self.flow.record_failed(with_facts(failure, facts))

    def good(self, count: int, seconds: float) -> None:
        for _ in range(count):
            self.flow.record_good(seconds)


def with_facts(failure: Failure, facts: Mapping[str, Any]) -> Failure:
    return replace(failure, **facts)


async def enter(flow: Flow, priority: Priority = Priority.INTERACTIVE, seconds: float = 0.0) -> str:
    """Empty, or why not."""
    try:
        await flow.enter(priority, seconds)
    except Refused as refused:
        return f"{refused.code}: {refused}"
    return ""


#: What came of a call, and the slots left of 64 after it.
OUTCOMES = [
    (Blame.PROVIDER, {"trouble": Trouble.TIMED_OUT}, 44),
    (Blame.PROVIDER, {"status": 429}, 44),
    (Blame.KEY, {"status": 429}, 44),
    (Blame.PROVIDER, {"status": 999}, 44),
    (Blame.PROVIDER, {"status": 500}, 44),
    (Blame.PROVIDER, {"status": 503}, 44),
    (Blame.PROVIDER, {"trouble": Trouble.UNREACHABLE}, 64),
    (Blame.KEY, {"status": 401}, 64),
    (Blame.CALLER, {"status": 404}, 64),
    (Blame.CALLER, {"trouble": Trouble.TIMED_OUT}, 64),
    (Blame.PROXY, {"trouble": Trouble.TIMED_OUT}, 64),
    (Blame.NETWORK, {"trouble": Trouble.TIMED_OUT}, 64),
    (Blame.PROXY, {"trouble": Trouble.NOT_SENT}, 64),
]


@pytest.mark.parametrize(("blame", "facts", "left"), OUTCOMES)
def test_only_what_tells_of_too_much_to_do_takes_slots(
    blame: Blame, facts: dict[str, object], left: int
) -> None:
    target = Target(concurrency={"start": 64})
    target.failed(blame, **facts)
    assert target.flow.slots.limit == left


def test_answers_as_fast_as_is_expected_make_room() -> None:
    target = Target()
    target.good(20, 2 * CHART.source.expected_response)
    assert target.flow.slots.limit == 10
    target.good(20, 2 * CHART.source.expected_response + 0.1)
    assert target.flow.slots.limit == 10


def test_answers_as_fast_as_is_usual_make_room_once_that_is_known() -> None:
    target = Target()
    target.admission.window(CHART).record_successes([0.1] * 100)
    target.good(20, 0.2)
    assert target.flow.slots.limit == 8
    target.flow.record_unasked([0.1] * 10 + [0.2] * 10)
    assert target.flow.slots.limit == 9


def test_endpoints_of_a_host_share_its_slots_and_hosts_do_not() -> None:
    flows = Target().flows
    assert flows.of(CHART, HOST).slots is flows.of(QUOTE, HOST).slots
    assert flows.of(CHART, HOST).slots is not flows.of(CHART, OTHER).slots
    assert flows.of(CHART, HOST).shedding is flows.of(CHART, OTHER).shedding
    assert flows.of(CHART, HOST).shedding is not flows.of(AGGS, AGGS.source.hosts[0]).shedding


async def test_sources_do_not_share_a_line() -> None:
    target = Target(concurrency={"start": 1, "queue": 1})
    other = target.flows.of(AGGS, AGGS.source.hosts[0])
    assert [await enter(one) for one in (target.flow, other)] == ["", ""]
    waiting = [asyncio.create_task(one.enter(Priority.INTERACTIVE, 60.0)) for one in (target.flow, other)]
    await let_others_run()
    target.flow.leave()
    other.leave()
    await asyncio.gather(*waiting)


async def test_a_full_line_is_our_own_fault_and_soon_over() -> None:
    target = Target(concurrency={"start": 1, "queue": 0})
    assert await enter(target.flow) == ""
    with pytest.raises(Refused) as refused:
        await target.flow.enter(Priority.INTERACTIVE, 1.0)
    assert (refused.value.code, refused.value.blame) == (UNREACHABLE, Blame.PROXY)
    assert refused.value.retry_after == BACK_IN_LINE


async def test_a_trial_waits_for_nobody() -> None:
    target = Target(concurrency={"start": 1, "queue": 0})
    assert await enter(target.flow) == ""
    await target.flow.enter(Priority.PROBE, 0.0, trial=True)
    assert target.flow.slots.in_flight == 2


async def in_trouble(target: Target) -> None:
    for _ in range(100):
        target.failed(Blame.PROVIDER, status=500)
        target.clock.pass_time(0.1)


async def test_in_trouble_some_calls_are_refused_by_its_name() -> None:
    target = Target()
    await in_trouble(target)
    target.flow.slots.limit = 10_000
    assert target.flow.is_spared
    refused = [await enter(target.flow) for _ in range(200)]
    assert set(refused) == {
        "",
        f"{SERVER_ERROR}: 80% of the calls to this source are not made while it is in trouble",
    }
    assert sum(map(bool, refused)) == pytest.approx(160, abs=20)


async def test_in_trouble_a_trial_is_not_refused() -> None:
    target = Target()
    await in_trouble(target)
    entered = 0
    for _ in range(50):
        await target.flow.enter(Priority.SHADOW, 0.0, trial=True)
        entered += 1
    assert entered == 50


@pytest.mark.parametrize("blame", [Blame.DATA, Blame.KEY, Blame.CALLER, Blame.PROXY, Blame.NETWORK])
def test_only_its_own_faults_are_a_source_s_trouble(blame: Blame) -> None:
    target = Target()
    for _ in range(100):
        target.failed(blame, status=500)
        target.clock.pass_time(0.1)
    assert target.flow.shedding.refused_share() == 0.0


async def test_an_outage_rests_for_as_long_as_it_says() -> None:
    target = Target()
    target.failed(Blame.PROVIDER, status=503, retry_after=20.0)
    assert not target.flow.has_room()
    target.clock.pass_time(19.5)
    assert await enter(target.flow) == f"{SERVER_ERROR}: its provider asks not to be called for 0s more"
    with pytest.raises(Refused):
        await target.flow.enter(Priority.PROBE, 0.0, trial=True)
    target.clock.pass_time(0.5)
    assert target.flow.has_room()
    assert await enter(target.flow) == ""


async def test_a_shorter_word_does_not_end_a_longer_rest() -> None:
    target = Target()
    target.failed(Blame.PROVIDER, status=503, retry_after=20.0)
    target.failed(Blame.PROVIDER, status=503, retry_after=2.0)
    target.clock.pass_time(10.0)
    assert not target.flow.has_room()


@pytest.mark.parametrize(
    "facts",
    [
        {"status": 503},
        {"status": 503, "retry_after": 0.0},
        {"status": 500},
        {"status": 429, "retry_after": 20.0},
    ],
)
def test_only_an_outage_that_names_its_end_is_a_rest_of_the_target(facts: dict[str, object]) -> None:
    target = Target()
    target.failed(Blame.PROVIDER, **facts)
    assert target.flow.has_room()


def test_another_endpoint_of_the_host_does_not_rest() -> None:
    target = Target()
    target.failed(Blame.PROVIDER, status=503, retry_after=20.0)
    assert target.flows.of(QUOTE, HOST).has_room()


def test_a_call_waits_for_a_quarter_of_its_time() -> None:
    target = Target()
    assert target.flows.seconds_to_wait(Deadline.after(target.clock, 8.0)) == 2.0
