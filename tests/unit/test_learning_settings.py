"""What can be set about learning, and what is refused."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from autonomous_healing.learning import LearningSettings
from autonomous_healing.learning.options import Quality, SlackExploration


@pytest.mark.parametrize(
    "build",
    [
        lambda: LearningSettings.model_validate({"inner_decay": 1.0}),
        lambda: LearningSettings.model_validate({"learning_rate": 0.1}),
        lambda: LearningSettings.model_validate({"alarm": "3"}),
        lambda: LearningSettings.model_validate({"quality": {"exact": 1.5}}),
    ],
)
def test_settings_out_of_bounds_unknown_or_of_the_wrong_type_are_refused(build: Callable[[], object]) -> None:
    with pytest.raises(ValidationError):
        build()


@pytest.mark.parametrize("model", [LearningSettings, Quality, SlackExploration])
def test_every_setting_has_a_sentence(model: type[LearningSettings | Quality | SlackExploration]) -> None:
    assert all(field.description for field in model.model_fields.values())


def test_the_worth_of_a_level_is_found_by_its_name() -> None:
    quality = LearningSettings().quality

    assert [quality.of(level) for level in Quality.model_fields] == [1.0, 0.95, 0.8, 0.5, 0.3]
