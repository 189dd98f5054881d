"""What can be set about alerts, and what is refused."""

import pytest
from pydantic import ValidationError

from autonomous_healing.alerts import AlertSettings


def test_the_defaults_are_those_of_the_configuration_page() -> None:
    assert AlertSettings().model_dump() == {"auto_resolve": 5.0, "resolve_timeout": 300.0, "max_open": 1000}


def test_every_setting_has_a_sentence() -> None:
    for name, field in AlertSettings.model_fields.items():
        assert (field.description or "").endswith("."), name


@pytest.mark.parametrize(
    "bad",
    [
        {"auto_resolve": -1.0},
        {"resolve_timeout": 0.0},
        {"max_open": 0},
        {"max_open": "5"},
        {"enable_sms": True},
    ],
)
def test_refuses_what_it_cannot_mean(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AlertSettings.model_validate(bad)
