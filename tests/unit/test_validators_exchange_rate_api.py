"""What the Exchange Rate API says, and what it means by it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.world import fault, read

from autonomous_healing.endpoint_healing.codes import (
    AUTH_REJECTED,
    CALLER_ERROR,
    INVALID,
    MISSING,
    PLAN_LIMITED,
    QUOTA_EXHAUSTED,
    UNPARSABLE,
)
from autonomous_healing.endpoint_healing.records import Rates

LATEST, PAIR = "exchange_rate_api/latest", "exchange_rate_api/pair"
TODAY, TOMORROW = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)

HEAD = {
    "result": "success",
    "time_last_update_unix": int(TODAY.timestamp()),
    "time_next_update_unix": int(TOMORROW.timestamp()),
    "base_code": "USD",
}


def latest(rates: object, name: str = "conversion_rates", **changes: object) -> dict[str, Any]:
    return {**HEAD, name: rates, **changes}


@pytest.mark.parametrize("name", ["conversion_rates", "rates"])
def test_healthy_rates_are_read_from_either_host_s_block(name: str) -> None:
    assert read(LATEST, latest({"USD": 1, "EUR": 0.92}, name)) == Rates(
        base="USD", as_of=TODAY, next_update=TOMORROW, rates={"USD": 1.0, "EUR": 0.92}
    )


def test_a_healthy_pair_is_read() -> None:
    pair = {**HEAD, "target_code": "EUR", "conversion_rate": 0.92}
    assert read(PAIR, pair) == Rates(base="USD", as_of=TODAY, next_update=TOMORROW, rates={"EUR": 0.92})


def test_times_that_were_not_given_are_not_made_up() -> None:
    rates = read(LATEST, {"result": "success", "base_code": "USD", "rates": {"EUR": 0.92}})
    assert rates == Rates(base="USD", as_of=None, next_update=None, rates={"EUR": 0.92})


@pytest.mark.parametrize("status", [200, 403, 404])
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("quota-reached", QUOTA_EXHAUSTED),
        ("invalid-key", AUTH_REJECTED),
        ("inactive-account", AUTH_REJECTED),
        ("plan-upgrade-required", PLAN_LIMITED),
        ("unsupported-code", CALLER_ERROR),
        ("malformed-request", CALLER_ERROR),
        ("no-data-available", MISSING),
        ("a-new-kind", MISSING),
        ("", MISSING),
    ],
)
def test_an_error_goes_by_its_type_under_any_status(status: int, kind: str, code: str) -> None:
    assert fault(LATEST, {"result": "error", "error-type": kind}, status) == code


BAD: list[tuple[object, str]] = [
    (latest({}), MISSING),
    (latest(None), MISSING),
    ({**HEAD}, MISSING),
    (latest([0.92]), INVALID),
    (latest({"EUR": 0}), INVALID),
    (latest({"EUR": -0.92}), INVALID),
    (latest({"EUR": "0.92"}), INVALID),
    (latest({"EUR": None}), MISSING),
    (latest({"EUR": True}), INVALID),
    (latest({"EUR": 10**400}), INVALID),
    (latest({"EUR": 0.92}, time_next_update_unix="soon"), INVALID),
    (latest({"EUR": 0.92}, result="maybe"), INVALID),
    ({"conversion_rates": {"EUR": 0.92}}, INVALID),
    ({}, INVALID),
    ([], INVALID),
    ("null", MISSING),
    ("", UNPARSABLE),
    ("<html>429 Too Many Requests</html>", UNPARSABLE),
    ('{"conversion_rates": {"EUR": NaN}}', UNPARSABLE),
]


@pytest.mark.parametrize(("content", "code"), BAD)
def test_what_is_wrong_with_rates(content: object, code: str) -> None:
    assert fault(LATEST, content) == code


@pytest.mark.parametrize(("rate", "code"), [(None, MISSING), (0, INVALID), ("0.92", INVALID)])
def test_what_is_wrong_with_a_pair(rate: object, code: str) -> None:
    assert fault(PAIR, {**HEAD, "target_code": "EUR", "conversion_rate": rate}) == code
