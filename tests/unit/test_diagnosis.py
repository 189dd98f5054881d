"""From the facts of a failure to a name for it, and to whose fault it is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.world import World

from autonomous_healing.endpoint_healing.call import Failure, Finding, Trouble
from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    CALLER_ERROR,
    CLIENT_BLOCKED,
    ERROR_TYPE,
    FROZEN,
    IMPLAUSIBLE,
    KEY_CODES,
    MEANING,
    MISSING,
    PLAN_LIMITED,
    QUOTA_EXHAUSTED,
    RATE_LIMITED,
    SERVER_ERROR,
    TIMEOUT,
    UNREACHABLE,
    Blame,
    blame_for,
)
from autonomous_healing.endpoint_healing.diagnosis import diagnose
from autonomous_healing.healing import Severity

ENDPOINT = World().endpoint("polygon_io/v2/aggs")


def failure(**facts: Any) -> Failure:
    return Failure(
        endpoint=ENDPOINT,
        host="https://api.polygon.io",
        observed_at=datetime(2026, 3, 2, 15, 0, tzinfo=UTC),
        elapsed=timedelta(seconds=0.2),
        **facts,
    )


STATUSES = [
    (400, CALLER_ERROR), (404, CALLER_ERROR), (405, CALLER_ERROR), (410, CALLER_ERROR), (413, CALLER_ERROR),
    (422, CALLER_ERROR), (401, AUTH_REJECTED), (403, AUTH_REJECTED), (402, QUOTA_EXHAUSTED), (408, TIMEOUT),
    (429, RATE_LIMITED), (999, CLIENT_BLOCKED), (500, SERVER_ERROR), (502, SERVER_ERROR), (503, SERVER_ERROR),
    (504, SERVER_ERROR), (599, SERVER_ERROR),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code"), STATUSES)
def test_a_status_alone_tells_the_fault(status: int, code: str) -> None:
    assert diagnose(failure(status=status)).code == code


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"trouble": Trouble.TIMED_OUT}, TIMEOUT),
        ({"trouble": Trouble.SOFT_TIMEOUT}, TIMEOUT),
        ({"trouble": Trouble.UNREACHABLE}, UNREACHABLE),
        ({}, UNREACHABLE),
        ({"status": 200, "finding": Finding(MISSING, "no results")}, MISSING),
        ({"status": 403, "finding": Finding(PLAN_LIMITED, "plan")}, PLAN_LIMITED),
        ({"refused": QUOTA_EXHAUSTED}, QUOTA_EXHAUSTED),
        ({"refused": RATE_LIMITED, "trouble": Trouble.TIMED_OUT, "status": 500}, RATE_LIMITED),
        ({"trouble": Trouble.TIMED_OUT, "status": 500}, TIMEOUT),
    ],
)
def test_the_first_evidence_counts(facts: dict[str, Any], code: str) -> None:
    assert diagnose(failure(**facts)).code == code


def test_says_where_how_bad_how_surely_and_what_it_means() -> None:
    found = diagnose(failure(status=200, finding=Finding(MISSING, "x", 0.8), message="no results"))
    assert (found.cluster, found.confidence) == ("DATA.MISSING:polygon_io", 0.8)
    assert found.severity is Severity.DEGRADED
    assert found.hint == "the answer is well formed but holds no data: no results"
    assert diagnose(failure(status=503), Severity.FAILED).severity is Severity.FAILED
    assert diagnose(failure(status=503)).hint == "the upstream is unavailable"


def test_every_code_has_a_meaning_and_all_but_the_caller_s_a_name_on_the_wire() -> None:
    assert set(MEANING) == set(ERROR_TYPE) | {CALLER_ERROR}
    assert len(set(ERROR_TYPE.values())) == 10


@pytest.mark.parametrize("code", sorted(MEANING))
@pytest.mark.parametrize("another_key_works", [True, False])
def test_blame_goes_by_the_code_and_by_other_keys(code: str, another_key_works: bool) -> None:
    blame = blame_for(code, another_key_works=another_key_works)
    match code:
        case "API.CALLER_ERROR":
            assert blame is Blame.CALLER
        case "API.TOO_LARGE":
            assert blame is Blame.PROXY
        case _ if code in KEY_CODES and another_key_works:
            assert blame is Blame.KEY
        case _ if code.startswith("DATA."):
            assert blame is Blame.DATA
        case _:
            assert blame is Blame.PROVIDER


def test_a_blocked_client_is_no_fault_of_a_key() -> None:
    assert blame_for(CLIENT_BLOCKED, another_key_works=True) is Blame.PROVIDER
    assert {IMPLAUSIBLE, FROZEN}.isdisjoint(KEY_CODES)
