"""Which strategies may cure which fault of which source, and how they are held to what a caller allows."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from tests.world import World, said

from autonomous_healing.endpoint_healing.assembly import build_strategies
from autonomous_healing.endpoint_healing.call import FailedCall, Response
from autonomous_healing.endpoint_healing.catalog import SOURCE_IDS
from autonomous_healing.endpoint_healing.codes import ERROR_TYPE, PLAN_LIMITED, SERVER_ERROR, TOO_LARGE
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.endpoint_healing.strategies import CASCADE, Cascade, EndpointStrategy
from autonomous_healing.endpoint_healing.strategies.cascade import Permitted
from autonomous_healing.healing import CannotHeal, Diagnosis, Severity
from autonomous_healing.resilience import Deadline
from autonomous_healing.safety import Origin

#: The strategies that are built, by their number in the specification; 11 is 2 under another name.
NUMBERS = {
    "1": "exponential_backoff_retry",
    "2": "use_cached_data",
    "3": "reduce_request_size",
    "5": "yahoo_alternate_endpoint",
    "6": "fred_rotate_api_key",
    "7": "fred_use_alternate_series",
    "10": "polygon_use_daily",
    "16": "rotate_api_key",
}

#: The declared orders as the specification prints them (endpoint healing, section 15).
MATRIX = """
timeout          | 5 1 2 3 17 13 | 1 2 3 17 | 1 2 14 9 3 10 | 11 12 1 3   | 1 2 17
rate_limit_429   | 2 17 5 13     | 6 2 8 17 | 16 9 2 14 10  | 11 16 12 15 | 16 2 17
auth_error_403   | 5 17 2 13     | 6 2 17   | 16 9 2 14 10  | 16 12 11    | 16 17 2
server_error_5xx | 5 1 2 3 17 13 | 1 2 3 17 | 1 9 2 14 3 10 | 11 12 1 3   | 1 17 2
invalid_data     | 5 1 17 2 13 4 | 1 2 17 7 | 14 9 2 10     | 12 11 1     | 17 2 1
network_error    | 5 1 2 17 13   | 1 2 17   | 1 9 2         | 1 11 12     | 1 17 2
parsing_error    | 5 1 2 17 13   | 1 2 17   | 1 9 2 14      | 11 12 1     | 1 17 2
missing_data     | 5 17 2 13 4   | 17 2 7   | 14 9 2 10     | 12 11       | 17 2
stale_data       | 5 1 17 13     | 1 17 7   | 14 9 10       | 12 11       | 17 1
quota_exceeded   | 2 17 13       | 6 2 8 17 | 16 9 2 10     | 11 16 12 15 | 16 17 2
"""
COLUMNS = ("yahoo_finance", "fred_api", "polygon_io", "alpha_vantage", "exchange_rate_api")


def cells() -> Iterator[tuple[str, str, list[str]]]:
    for line in MATRIX.strip().splitlines():
        error_type, *orders = [part.strip() for part in line.split("|")]
        for source, order in zip(COLUMNS, orders, strict=True):
            yield error_type, source, [NUMBERS[number] for number in order.split() if number in NUMBERS]


@pytest.mark.parametrize(("error_type", "source", "declared"), list(cells()))
def test_the_declared_order_is_that_of_the_specification(
    error_type: str, source: str, declared: list[str]
) -> None:
    order = list(CASCADE[error_type][source])
    if "use_cached_data" not in declared:
        assert order[-1] == "use_cached_data"  # always the last resort
        order.pop()
    assert order == declared or (error_type, source) in MORE


#: Cells in which more is tried than the specification lists.
MORE = {("quota_exceeded", "yahoo_finance")}  # the other host counts by itself


def test_every_cell_is_there_and_names_only_strategies_that_exist() -> None:
    built = {one.name for one in all_strategies()}
    assert set(CASCADE) == set(ERROR_TYPE.values())
    for row in CASCADE.values():
        assert set(row) == set(SOURCE_IDS)
        for names in row.values():
            assert set(names) <= built
            assert len(set(names)) == len(names)
            assert "use_cached_data" in names
    assert built == {name for row in CASCADE.values() for names in row.values() for name in names}


def all_strategies() -> list[EndpointStrategy]:
    world = World()
    return build_strategies(world.parts, world.settings, world.clock, random.Random(1))


def diagnosis(code: str = SERVER_ERROR, confidence: float = 0.9) -> Diagnosis:
    return Diagnosis(code=code, cluster="x", severity=Severity.DEGRADED, confidence=confidence)


def claimed(code: str, source: str, disabled: frozenset[str] = frozenset()) -> list[str]:
    cascade = Cascade(all_strategies(), disabled)
    return [one.name for one in cascade.claim(diagnosis(code), source, Origin.RULE)]


@pytest.mark.parametrize("source", SOURCE_IDS)
def test_a_plan_that_lacks_the_data_makes_keys_and_retries_pointless(source: str) -> None:
    names = claimed(PLAN_LIMITED, source)
    assert "use_cached_data" in names
    assert not {"rotate_api_key", "fred_rotate_api_key", "exponential_backoff_retry"} & set(names)


@pytest.mark.parametrize("source", SOURCE_IDS)
def test_who_says_too_much_is_asked_for_less_and_not_for_the_same_again(source: str) -> None:
    assert claimed(TOO_LARGE, source) == ["reduce_request_size", "use_cached_data"]


def test_what_is_switched_off_claims_nothing() -> None:
    assert claimed(SERVER_ERROR, "exchange_rate_api") == ["exponential_backoff_retry", "use_cached_data"]
    off = frozenset({"exponential_backoff_retry"})
    assert claimed(SERVER_ERROR, "exchange_rate_api", off) == ["use_cached_data"]


@dataclass
class Giver:
    """Brings what it is told to."""

    name: ClassVar[str] = "giver"
    levels: ClassVar[frozenset[Fidelity]] = frozenset({Fidelity.EXACT, Fidelity.SUBSTITUTE})
    cost: ClassVar[float] = 0.1

    answer: Response

    def obstacle(self, case: FailedCall) -> str | None:
        return "its own reason"

    async def apply(self, case: FailedCall, deadline: Deadline) -> Response:
        return self.answer


async def given_to(allow: str, level: Fidelity = Fidelity.EXACT) -> tuple[World, Permitted, FailedCall]:
    world = World()
    answer = await world.fetch(world.call("fred_api/series"))
    assert isinstance(answer, Response)
    world.upstream.says("https", said(503))
    case = await world.failed(world.call("fred_api/series", allow))
    return world, Permitted(Giver(replace(answer, fidelity=level)), Origin.LEARNED, 0.9), case


@pytest.mark.parametrize(
    ("allow", "reason", "risk"),
    [
        ("exact, stale", "its own reason", 1),
        ("exact, substitute", "its own reason", 3),
        ("substitute", "its own reason", 3),
        ("stale, reduced", "not_allowed", 10),
        ("", "not_allowed", 10),
    ],
)
async def test_a_strategy_is_passed_over_where_the_caller_allows_none_of_its_levels(
    allow: str, reason: str, risk: int
) -> None:
    _, permitted, case = await given_to(allow)
    assert permitted.obstacle(case) == reason
    action = permitted.action(case)
    assert (action.risk, action.domain, action.name, action.single_answer) == (
        risk,
        "endpoint",
        "giver",
        True,
    )
    assert (action.origin, action.confidence) == (Origin.LEARNED, 0.9)


async def test_what_a_strategy_brings_is_held_to_what_the_caller_allows() -> None:
    world, permitted, case = await given_to("exact", Fidelity.SUBSTITUTE)
    with pytest.raises(CannotHeal, match="brought a substitute answer, which is not allowed"):
        await permitted.apply(case, world.deadline())
    world, permitted, case = await given_to("exact, substitute", Fidelity.SUBSTITUTE)
    assert (await permitted.apply(case, world.deadline())).fidelity is Fidelity.SUBSTITUTE


def test_every_strategy_says_what_it_can_bring_and_what_it_costs() -> None:
    for one in all_strategies():
        assert one.levels, one.name
        assert 0.0 <= one.cost < 3.0, one.name
