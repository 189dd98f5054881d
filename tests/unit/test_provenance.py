"""What a caller is told of where an answer comes from."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.world import World, json_of

from autonomous_healing.endpoint_healing.call import Failure, Response
from autonomous_healing.endpoint_healing.fidelity import Fidelity
from autonomous_healing.endpoint_healing.healer import Result
from autonomous_healing.proxy.provenance import fidelity_field, refusal, reply_to, wait_seconds

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ANSWER = Response(
    status=200,
    content_type="application/json",
    body=b"{}",
    source="fred_api",
    host="https://api.stlouisfed.org",
    fetched_at=NOW,
)


@pytest.mark.parametrize(
    ("response", "field"),
    [
        (ANSWER, "exact"),
        (replace(ANSWER, fidelity=Fidelity.EQUIVALENT), "equivalent"),
        (replace(ANSWER, fidelity=Fidelity.STALE, age=59.2), "stale;age=60"),
        (replace(ANSWER, age=0.0), "exact;age=0"),
        (replace(ANSWER, fidelity=Fidelity.REDUCED, truncated=True), "reduced;truncated"),
        (replace(ANSWER, suspect=True, delayed=True), "exact;suspect;delayed"),
        (
            replace(ANSWER, fidelity=Fidelity.SUBSTITUTE, original="DGS10", actual="GS10"),
            'substitute;original="DGS10";actual="GS10"',
        ),
    ],
)
def test_the_fidelity_field_is_a_level_with_its_parameters(response: Response, field: str) -> None:
    assert fidelity_field(response) == field


def failure(retry_after: float | None) -> Failure:
    endpoint = World().endpoint("fred_api/series")
    return Failure(
        endpoint=endpoint,
        host=endpoint.source.hosts[0],
        observed_at=NOW,
        elapsed=timedelta(0),
        retry_after=retry_after,
    )


@pytest.mark.parametrize(
    ("waits", "seconds"),
    [
        ([], 30),
        ([None], 30),
        ([None, 7.2], 8),
        ([60.0, 7.0], 7),
        ([0.0], 1),
        ([1e9], 86_400),
    ],
)
def test_the_earliest_moment_that_makes_sense_is_told(waits: list[float | None], seconds: int) -> None:
    assert wait_seconds([failure(wait) for wait in waits]) == seconds


@given(st.lists(st.none() | st.floats(0.0, 1e12), max_size=4))
def test_the_wait_is_a_number_of_seconds_that_a_client_can_keep(waits: list[float | None]) -> None:
    assert 1 <= wait_seconds([failure(wait) for wait in waits]) <= 86_400


def test_a_refusal_is_a_problem_document() -> None:
    reply = refusal(404, "Unknown route", "no route /x", known=("/api/a",))
    assert (reply.status, reply.content_type) == (404, "application/problem+json")
    assert json_of(reply) == {
        "type": "about:blank",
        "title": "Unknown route",
        "status": 404,
        "detail": "no route /x",
        "known": ["/api/a"],
    }


def test_a_result_of_nothing_is_a_bug() -> None:
    with pytest.raises(ValueError, match="without an answer holds a failure"):
        reply_to(Result(call=World().call("fred_api/series")), always_problem=False)
