"""The script of a drill: the same seed gives the same script, every error type has its turn."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from autonomous_healing.drills.questions import Question, questions
from autonomous_healing.drills.scenario import (
    BLIP_SHARE,
    KEYS,
    Planned,
    Scenario,
    is_healable,
    write_scenario,
)
from autonomous_healing.drills.twins import Fault, FaultKind
from autonomous_healing.endpoint_healing.codes import ERROR_TYPE

NOON = datetime(2026, 3, 11, 12, 0, 7, tzinfo=UTC)
SOURCES = {"yahoo_finance", *KEYS}


@pytest.fixture(scope="module")
def minute() -> Scenario:
    """The demo as it is run by default."""
    return write_scenario(NOON, 60.0, 40.0, seed=7)


def test_the_same_seed_gives_the_same_script(minute: Scenario) -> None:
    assert write_scenario(NOON, 60.0, 40.0, seed=7) == minute


def test_another_seed_gives_another_script(minute: Scenario) -> None:
    assert write_scenario(NOON, 60.0, 40.0, seed=8).requests != minute.requests


def test_as_many_requests_as_asked_for_come_in_their_time_and_in_order(minute: Scenario) -> None:
    times = [planned.at for planned in minute.requests]
    assert len(times) == 2400
    assert times == sorted(times)
    assert 0.0 <= times[0] < times[-1] < 60.0
    for second in range(60):
        assert 35 <= sum(second <= at < second + 1 for at in times) <= 45


def test_every_request_can_be_told_from_any_other(minute: Scenario) -> None:
    assert len({planned.id for planned in minute.requests}) == len(minute.requests)


def test_all_sources_and_all_questions_are_asked(minute: Scenario) -> None:
    by_source = Counter(planned.question.source for planned in minute.requests)
    assert set(by_source) == SOURCES
    assert max(by_source.values()) - min(by_source.values()) <= 1
    assert {planned.question.ask for planned in minute.requests} == {one.ask for one in questions(NOON)}


def test_most_callers_say_nothing_of_what_they_allow(minute: Scenario) -> None:
    allowed = Counter(planned.allow for planned in minute.requests)
    assert 0.84 < allowed[None] / len(minute.requests) < 0.92
    assert len(allowed) == 4


def test_every_error_type_is_met_by_ten_requests_or_more(minute: Scenario) -> None:
    met: Counter[str] = Counter()
    for fault in minute.faults:
        met[fault.kind.error_type] += reached(fault, minute)
    assert set(met) == set(ERROR_TYPE.values()) - {None} - only_of_the_caller()
    assert min(met.values()) >= 10, met


def reached(fault: Fault, scenario: Scenario) -> int:
    """Requests of its source within its time, or those that it names."""
    if fault.request_ids is not None:
        return len(fault.request_ids)
    assert fault.starts_at is not None
    assert fault.ends_at is not None
    return sum(
        fault.starts_at <= NOON + timedelta(seconds=planned.at) < fault.ends_at
        for planned in scenario.requests
        if planned.question.source == fault.source
    )


def only_of_the_caller() -> set[str]:
    return set(ERROR_TYPE.values()) - {kind.error_type for kind in FaultKind}


def test_faults_of_one_exchange_hit_about_their_share_and_each_request_once(minute: Scenario) -> None:
    blips = [fault for fault in minute.faults if fault.request_ids is not None]
    hit = Counter(one for fault in blips for one in fault.request_ids or ())
    assert set(hit.values()) == {1}
    assert len(hit) / len(minute.requests) == pytest.approx(BLIP_SHARE, rel=0.1)
    assert {fault.exchanges for fault in blips} == {1}


def test_the_last_requests_meet_no_fault_of_their_own(minute: Scenario) -> None:
    hit = {one for fault in minute.faults for one in fault.request_ids or ()}
    assert [planned.id for planned in minute.requests if planned.at > 57.0 and planned.id in hit] == []


def test_lasting_faults_begin_and_end_within_the_drill(minute: Scenario) -> None:
    for fault in minute.faults:
        if fault.request_ids is None:
            assert fault.starts_at is not None
            assert fault.ends_at is not None
            assert NOON < fault.starts_at < fault.ends_at <= NOON + timedelta(seconds=66)


def test_no_source_is_refused_with_all_its_keys_or_on_all_its_hosts_but_in_an_outage(
    minute: Scenario,
) -> None:
    for fault in minute.faults:
        if fault.request_ids is None and fault.kind is not FaultKind.OUTAGE:
            assert fault.key is not None or fault.host is not None, fault


def test_no_two_sources_have_the_same_lasting_trouble_at_once_but_for_an_outage(minute: Scenario) -> None:
    lasting: dict[FaultKind, list[tuple[datetime, datetime]]] = defaultdict(list)
    for fault in minute.faults:
        if fault.starts_at and fault.ends_at and fault.kind is not FaultKind.OUTAGE:
            lasting[fault.kind].append((fault.starts_at, fault.ends_at))
    assert len(lasting) >= 5
    for spans in lasting.values():
        assert all(ends_at <= starts_at for (_, ends_at), (starts_at, _) in pairwise(sorted(spans)))


def test_a_short_drill_has_no_fault_that_outlasts_it() -> None:
    short = write_scenario(NOON, 12.0, 25.0, seed=7)
    ends = [fault.ends_at for fault in short.faults if fault.ends_at is not None]
    assert max(ends) <= NOON + timedelta(seconds=12)


CHART, MINUTES, _, BOARD = (one for one in questions(NOON) if one.source == "yahoo_finance")
SERIES = next(one for one in questions(NOON) if one.source == "fred_api")
QUOTE, DAILY, _ = (one for one in questions(NOON) if one.source == "alpha_vantage")
HOURS = next(one for one in questions(NOON) if "hour" in one.ask)


@pytest.mark.parametrize(
    ("question", "allow", "kind", "only", "healable"),
    [
        # Whoever takes a copy can always be given one.
        (QUOTE, None, FaultKind.OUTAGE, {}, True),
        (QUOTE, "exact, stale", FaultKind.QUOTA, {"key": "one"}, True),
        # Who takes no copy has nothing left where the source as a whole is away.
        (CHART, "exact", FaultKind.OUTAGE, {"host": 0}, True),
        (DAILY, "exact", FaultKind.MISSING, {"exchanges": 1}, False),
        (SERIES, "exact", FaultKind.OUTAGE, {}, False),
        (SERIES, "exact", FaultKind.QUOTA, {"key": "one"}, True),
        # A plan that lacks the data lacks it with every key.
        (SERIES, "exact", FaultKind.PLAN, {"key": "one"}, False),
        # Yahoo has another host.
        (BOARD, "exact", FaultKind.OUTAGE, {"host": 0}, True),
        (BOARD, "exact", FaultKind.MISSING, {"exchanges": 1}, True),
        (BOARD, "exact", FaultKind.OUTAGE, {}, False),
        # Another key helps against a refused one, and FRED's terms allow it against limits too.
        (QUOTE, "exact", FaultKind.UNAUTHORIZED, {"key": "one"}, True),
        (QUOTE, "exact", FaultKind.FORBIDDEN, {"key": "one"}, True),
        (QUOTE, "exact", FaultKind.QUOTA, {"key": "one"}, False),
        (HOURS, "exact", FaultKind.THROTTLE, {"key": "one"}, False),
        # Asking again helps against what one exchange met, where the specification says so.
        (QUOTE, "exact", FaultKind.SERVER_ERROR, {"exchanges": 1}, True),
        (QUOTE, "exact", FaultKind.HANG, {"exchanges": 1}, True),
        (HOURS, "exact", FaultKind.RESET, {"exchanges": 1}, True),
        (HOURS, "exact", FaultKind.MISSING, {"exchanges": 1}, False),
        (QUOTE, "exact", FaultKind.SERVER_ERROR, {}, False),
        (HOURS, "exact", FaultKind.OUTAGE, {}, False),
    ],
)
def test_a_fault_is_healable_where_a_truthful_answer_exists(
    question: Question, allow: str | None, kind: FaultKind, only: dict[str, Any], healable: bool
) -> None:
    fault = Fault(kind=kind, source=question.source, **only)
    assert is_healable(fault, Planned(id="one", at=0.0, question=question, allow=allow)) is healable


def test_questions_name_what_the_provider_sees_and_no_key() -> None:
    asked = questions(NOON)
    assert len({one.ask for one in asked}) == len(asked) >= 3 * len(SOURCES)
    assert all(one.ask.startswith("/api/") for one in asked)
    shown = " ".join(f"{one.ask} {one.path} {dict(one.query)}" for one in asked)
    assert [key for keys in KEYS.values() for key in keys if key in shown] == []
