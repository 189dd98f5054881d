"""How grave a trouble is, which alert it belongs to and when people hear of it."""

from dataclasses import replace

import pytest
from tests.troubles import LIGHT, MASKED, NOT_HEALED, alert_of

from autonomous_healing.alerts import AlertLevel, Felt, TroubleSeen
from autonomous_healing.alerts.alert import ALLOWED, AlertState, IllegalMove
from autonomous_healing.alerts.policy import Fingerprint, Reason, fingerprint, grade, reason


@pytest.mark.parametrize(
    ("felt_error_rate", "level"),
    [
        (None, AlertLevel.INFO),
        (0.0, AlertLevel.INFO),
        (0.0499, AlertLevel.INFO),
        (0.05, AlertLevel.WARNING),
        (0.1999, AlertLevel.WARNING),
        (0.20, AlertLevel.ERROR),
        (0.4999, AlertLevel.ERROR),
        (0.50, AlertLevel.CRITICAL),
        (1.0, AlertLevel.CRITICAL),
    ],
)
def test_the_level_goes_by_what_users_feel(felt_error_rate: float | None, level: AlertLevel) -> None:
    assert grade(replace(LIGHT, felt=Felt(error=felt_error_rate))) is level


@pytest.mark.parametrize("status", ["degraded", "critical", "failed"])
def test_a_sick_upstream_that_healing_masks_is_a_warning_however_sick(status: str) -> None:
    assert grade(replace(MASKED, health_status=status, error_rate=1.0)) is AlertLevel.WARNING


@pytest.mark.parametrize("status", ["healthy", "unknown"])
def test_what_was_healed_at_an_endpoint_not_known_to_be_sick_is_no_warning(status: str) -> None:
    assert grade(replace(MASKED, health_status=status)) is AlertLevel.INFO


def test_a_sick_upstream_is_a_warning_also_where_nobody_tried_to_heal() -> None:
    probe = replace(NOT_HEALED, attempted=False, tried=(), felt=Felt())

    assert grade(probe) is AlertLevel.WARNING


@pytest.mark.parametrize("trouble", [NOT_HEALED, replace(NOT_HEALED, health_status="healthy", felt=Felt())])
def test_healing_that_failed_is_at_least_an_error(trouble: TroubleSeen) -> None:
    assert grade(trouble) is AlertLevel.ERROR


def test_healing_that_failed_is_critical_where_half_of_the_users_feel_it() -> None:
    assert grade(replace(NOT_HEALED, felt=Felt(error=0.5))) is AlertLevel.CRITICAL


@pytest.mark.parametrize(
    ("affected", "of", "scope"),
    [
        ((), 4, "/chart"),
        (("/chart",), 4, "/chart"),
        (("/chart", "/quote"), 5, "/chart"),
        (("/chart", "/quote"), 4, "*"),
        (("/quote",), 4, "*"),
        (("/quote", "/search"), 3, "*"),
        ((), 1, "/chart"),
        ((), 2, "/chart"),
    ],
)
def test_the_scope_is_the_source_where_half_of_it_shares_the_fault(
    affected: tuple[str, ...], of: int, scope: str
) -> None:
    trouble = replace(NOT_HEALED, affected_endpoints=affected, source_endpoints=of)

    assert fingerprint(trouble) == Fingerprint("API.SERVER_ERROR", "yahoo_finance", scope)


def test_a_long_fingerprint_fits_its_column_and_stays_one_of_a_kind() -> None:
    one, other = (str(Fingerprint("API.TIMEOUT", "fred", "/" + "x" * 300 + end)) for end in "ab")

    assert len(one) == len(other) == 160
    assert one != other


@pytest.mark.parametrize(
    ("level", "known", "why"),
    [
        (AlertLevel.INFO, None, Reason.INFO),
        (AlertLevel.WARNING, None, Reason.FIRST),
        (AlertLevel.ERROR, AlertLevel.WARNING, Reason.WORSE),
        (AlertLevel.ERROR, AlertLevel.ERROR, Reason.KNOWN),
        (AlertLevel.INFO, AlertLevel.ERROR, Reason.KNOWN),
    ],
)
def test_people_hear_of_the_first_and_of_what_is_worse(
    level: AlertLevel, known: AlertLevel | None, why: Reason
) -> None:
    assert reason(level, None if known is None else alert_of(level=known)) is why
    assert why.is_told is (why in {Reason.FIRST, Reason.WORSE})


def test_what_is_over_cannot_end_again() -> None:
    resolved = alert_of().resolved(NOT_HEALED.at)

    with pytest.raises(IllegalMove, match="resolved -> resolved"):
        resolved.resolved(NOT_HEALED.at)


def test_every_state_has_its_row_of_moves() -> None:
    assert set(ALLOWED) == set(AlertState)
