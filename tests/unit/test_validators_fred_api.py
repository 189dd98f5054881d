"""What FRED says, and what it means by it."""

from datetime import date
from typing import Any

import pytest
from tests.world import fault, read

from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    CALLER_ERROR,
    INVALID,
    MISSING,
    UNPARSABLE,
)
from autonomous_healing.endpoint_healing.records import Description, Series

OBSERVATIONS, SERIES = "fred_api/observations", "fred_api/series"


def observations(*rows: object, **head: object) -> dict[str, Any]:
    whole = {"realtime_start": "2026-03-02", "realtime_end": "2026-03-02", "units": "lin", "count": len(rows)}
    return {**whole, "observations": list(rows), **head}


def row(day: str = "2026-02-27", value: object = "4.05") -> dict[str, object]:
    return {"realtime_start": "2026-03-02", "realtime_end": "2026-03-02", "date": day, "value": value}


def complaint(code: int, words: str) -> dict[str, object]:
    return {"error_code": code, "error_message": words}


def test_healthy_observations_are_read_and_a_dot_is_no_value() -> None:
    series = read(OBSERVATIONS, observations(row(), row("2026-02-26", "."), row("2026-02-25", "-0.5")))
    assert series == Series(
        id="DGS10",
        observations=(
            (date(2026, 2, 27), 4.05),
            (date(2026, 2, 26), None),
            (date(2026, 2, 25), -0.5),
        ),
        published=date(2026, 3, 2),
    )


def test_a_healthy_description_is_read() -> None:
    said = {"id": "DGS10", "title": "10-Year", "last_updated": "2026-02-27 15:16:03-06"}
    assert read(SERIES, {"realtime_end": "2026-03-02", "seriess": [said]}) == Description(
        id="DGS10", published=date(2026, 3, 2), updated=date(2026, 2, 27)
    )
    bare = read(SERIES, {"seriess": [{"id": "DGS10"}]})
    assert bare == Description(id="DGS10", published=None, updated=None)


BAD: list[tuple[int, object, str]] = [
    (400, complaint(400, "Bad Request. Variable api_key is not set."), AUTH_REJECTED),
    (400, complaint(400, "The value for variable api_key is not registered."), AUTH_REJECTED),
    (400, complaint(400, "Bad Request. The series does not exist."), CALLER_ERROR),
    (400, {"code": 400, "message": "The series does not exist."}, CALLER_ERROR),
    (400, {"code": 400, "message": "api_key is wrong"}, AUTH_REJECTED),
    (404, complaint(404, "Not Found"), CALLER_ERROR),
    (423, complaint(423, "Locked"), AUTH_REJECTED),
    (423, "<error/>", AUTH_REJECTED),
    (429, complaint(429, "Too Many Requests"), ""),
    (500, complaint(500, "Internal Server Error"), ""),
    (200, complaint(500, "Internal Server Error"), MISSING),
    (200, {"code": 1, "message": "?"}, MISSING),
    (200, observations(), MISSING),
    (200, {}, MISSING),
    (200, {"observations": None}, MISSING),
    (200, observations(row(value="."), row("2026-02-26", ".")), MISSING),
    (200, observations(row(value=None)), MISSING),
    (200, observations(row(value="")), MISSING),
    (200, observations(row(value=4.05)), INVALID),
    (200, observations(row(value="four")), INVALID),
    (200, observations(row(value="nan")), INVALID),
    (200, observations(row(day="yesterday")), INVALID),
    (200, observations({"value": "4.05"}), INVALID),
    (200, observations("row"), INVALID),
    (200, {"observations": {}}, INVALID),
    (200, observations(row(), realtime_end=7), INVALID),
    (200, [], INVALID),
    (200, '<?xml version="1.0"?><observations/>', UNPARSABLE),
    (200, "", UNPARSABLE),
    (200, "<html>maintenance</html>", UNPARSABLE),
]


@pytest.mark.parametrize(("status", "content", "code"), BAD)
def test_what_is_wrong_with_observations(status: int, content: object, code: str) -> None:
    assert fault(OBSERVATIONS, content, status) == code


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"seriess": []}, MISSING),
        ({}, MISSING),
        ({"seriess": [None]}, MISSING),
        ({"seriess": [{"title": "no id"}]}, INVALID),
        ({"seriess": [{"id": "DGS10", "last_updated": "soon"}]}, INVALID),
        ({"seriess": "DGS10"}, INVALID),
    ],
)
def test_what_is_wrong_with_a_description(content: object, code: str) -> None:
    assert fault(SERIES, content) == code
