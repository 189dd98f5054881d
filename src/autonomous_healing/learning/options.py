"""What can be set about learning. The defaults are those that won trials of many learners."""

from typing import Annotated

from pydantic import Field

from autonomous_healing.resilience import Options

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Decay = Annotated[float, Field(ge=0.5, lt=1.0)]
Worth = Annotated[float, Field(gt=0.0, le=1.0)]


class Quality(Options):
    """How much an answer of each fidelity level is worth, next to the real thing."""

    exact: Worth = Field(default=1.0, description="The same answer from the same source.")
    equivalent: Worth = Field(
        default=0.95, description="The same facts from another source, under a contract."
    )
    stale: Worth = Field(default=0.8, description="An earlier answer that says how old it is.")
    reduced: Worth = Field(default=0.5, description="Less detail or range than was asked for.")
    substitute: Worth = Field(
        default=0.3, description="Something else that stands in for what was asked for."
    )

    def of(self, level: str) -> float:
        """The worth of the level with this name; `KeyError` for a name that is no level."""
        return {
            "exact": self.exact,
            "equivalent": self.equivalent,
            "stale": self.stale,
            "reduced": self.reduced,
            "substitute": self.substitute,
        }[level]


class SlackExploration(Options):
    """When a little-tried strategy may go first because it costs almost nothing."""

    floor: Share = Field(default=0.03, description="Least probability of exploring.")
    start: Share = Field(default=0.5, description="Probability of exploring in a new cell.")
    halving: Annotated[float, Field(gt=0.0, le=1000.0)] = Field(
        default=6.0, description="Faults after which the probability of exploring has halved."
    )
    max_loss: Share = Field(default=0.01, description="Most predicted success that exploring may cost.")


class LearningSettings(Options):
    """The nested learner: how fast its layers move, and what it may try."""

    enable_nested_learning: bool = Field(default=True, description="Off: the declared order is always kept.")
    outer_layer_update_interval: Annotated[float, Field(ge=60.0, le=604_800.0)] = Field(
        default=86_400.0, description="Seconds between refreshes of what all sources share."
    )
    inner_decay: Decay = Field(default=0.95, description="What an attempt leaves of a cell's earlier counts.")
    outer_decay: Decay = Field(default=0.985, description="What an attempt leaves of a source's slow counts.")
    prior_strength: Annotated[float, Field(gt=0.0, le=100.0)] = Field(
        default=4.0, description="Attempts that the declared order is worth against the shared counts."
    )
    prior_cells: Annotated[float, Field(gt=0.0, le=10_000.0)] = Field(
        default=20.0, description="Faults in a cell after which the shared prior has lost half its weight."
    )
    alarm: Annotated[float, Field(gt=0.0, le=20.0)] = Field(
        default=3.0, description="Log likelihood ratio at which a cell's cures are taken to have changed."
    )
    cost_floor: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        default=0.05, description="Seconds below which a strategy counts as local and no cheaper."
    )
    quality: Quality = Field(default=Quality(), description="Worth of an answer by its fidelity level.")
    slack_exploration: SlackExploration = Field(
        default=SlackExploration(), description="When a little-tried strategy may go first."
    )
    snapshot_interval: Annotated[float, Field(ge=1.0, le=3600.0)] = Field(
        default=60.0, description="Seconds between snapshots of what was learned to the database."
    )
