"""The `database` section: what is accepted and what is not."""

from typing import Any

import pytest
from pydantic import ValidationError

from autonomous_healing.database import DatabaseSettings


def test_needs_nothing_to_be_set() -> None:
    settings = DatabaseSettings()

    assert (settings.mode, settings.schema_name, settings.queue_max) == ("embedded", "healing", 10_000)


def test_the_schema_is_called_schema_in_the_file() -> None:
    assert DatabaseSettings.model_validate({"schema": "other"}).schema_name == "other"
    assert DatabaseSettings(schema_name="other").model_dump(by_alias=True)["schema"] == "other"


def test_each_setting_has_a_sentence() -> None:
    sentences = [field.description or "" for field in DatabaseSettings.model_fields.values()]

    assert all(sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"poool_max": 3}, "poool_max"),
        ({"pool_max": "3"}, "pool_max"),
        ({"pool_max": 0}, "pool_max"),
        ({"pool_min": 5, "pool_max": 3}, "pool_min is above pool_max"),
        ({"require_at_start": 1}, "require_at_start"),
        ({"schema": 'x"; DROP'}, "schema"),
        ({"mode": "external"}, "needs a dsn"),
        ({"dsn": "postgresql://db/x"}, "no effect in mode embedded"),
        ({"mode": "external", "dsn": "postgresql://me:secret@db/x"}, "HEALING_DB_PASSWORD"),
    ],
)
def test_refuses_what_makes_no_sense(section: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        DatabaseSettings.model_validate(section)
