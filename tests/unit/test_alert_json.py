"""An alert as interfaces show it."""

import json
from dataclasses import replace
from datetime import timedelta, timezone

from tests.troubles import NOON, NOT_HEALED, alert_of

from autonomous_healing.alerts import Felt, to_json

FIELDS = [
    "id",
    "timestamp",
    "level",
    "title",
    "message",
    "source",
    "endpoint",
    "health_status",
    "error_rate",
    "affected_endpoints",
    "healing_attempted",
    "healing_successful",
    "recommended_actions",
    "auto_resolve",
    "resolved_at",
    "fingerprint",
    "state",
    "code",
    "cluster",
    "occurrences",
    "acknowledged_by",
    "acknowledged_at",
    "incident_id",
    "felt",
    "tried",
]


def test_has_exactly_the_fields_that_are_promised() -> None:
    shown = to_json(alert_of())

    assert list(shown) == FIELDS
    assert list(shown["felt"]) == ["exact", "stale", "reduced", "substitute", "error"]
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown


def test_says_levels_as_words_and_times_in_utc_with_milliseconds() -> None:
    elsewhere = timezone(timedelta(hours=2))
    at = (NOON + timedelta(microseconds=1999)).astimezone(elsewhere)
    shown = to_json(alert_of(timestamp=at).resolved(at + timedelta(seconds=90)))

    assert shown["level"] == "error"
    assert shown["state"] == "resolved"
    assert shown["timestamp"] == "2026-03-02T12:00:00.001Z"
    assert shown["resolved_at"] == "2026-03-02T12:01:30.001Z"


def test_says_nothing_of_what_is_unknown() -> None:
    shown = to_json(alert_of(replace(NOT_HEALED, error_rate=None, felt=Felt())))

    assert shown["error_rate"] is None
    assert shown["resolved_at"] is None
    assert set(shown["felt"].values()) == {None}
