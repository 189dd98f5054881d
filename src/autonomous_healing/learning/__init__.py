"""What outcomes teach: which cure to try first. Knows names and numbers, not what a strategy does."""

from autonomous_healing.learning.nested import LayerEntry, LearningSummary, NestedLearner
from autonomous_healing.learning.options import LearningSettings
from autonomous_healing.learning.planning import Option, Plan
from autonomous_healing.learning.store import LearningStore

__all__ = [
    "LayerEntry",
    "LearningSettings",
    "LearningStore",
    "LearningSummary",
    "NestedLearner",
    "Option",
    "Plan",
]
