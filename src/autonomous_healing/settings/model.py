"""The whole configuration, put together from the options of each room."""

from pydantic import Field

from autonomous_healing.agents import MonitoringSettings, SupervisionSettings
from autonomous_healing.alerts import AlertSettings
from autonomous_healing.dashboard.options import ServerSettings
from autonomous_healing.database import DatabaseSettings
from autonomous_healing.endpoint_healing.catalog import default_sources
from autonomous_healing.endpoint_healing.options import HealingSettings, SourceSettings
from autonomous_healing.learning import LearningSettings
from autonomous_healing.resilience import Options
from autonomous_healing.safety import AuthSettings, SafetySettings
from autonomous_healing.settings.options import LoggingSettings


class Settings(Options):
    """The whole configuration: one section per room."""

    server: ServerSettings = Field(
        default_factory=ServerSettings, description="Where people and programs connect."
    )
    auth: AuthSettings = Field(
        default_factory=AuthSettings, description="Who may read and act, and how often."
    )
    database: DatabaseSettings = Field(default_factory=DatabaseSettings, description="PostgreSQL.")
    sources: dict[str, SourceSettings] = Field(
        default_factory=default_sources, description="The providers: hosts, keys, limits, times."
    )
    monitoring: MonitoringSettings = Field(
        default_factory=MonitoringSettings, description="What is watched, and how often."
    )
    healing: HealingSettings = Field(default_factory=HealingSettings, description="How failures are healed.")
    learning: LearningSettings = Field(default_factory=LearningSettings, description="What outcomes teach.")
    alerts: AlertSettings = Field(default_factory=AlertSettings, description="Who is told, and when.")
    safety: SafetySettings = Field(default_factory=SafetySettings, description="What it may do by itself.")
    supervision: SupervisionSettings = Field(
        default_factory=SupervisionSettings, description="How agents are kept at work."
    )
    logging: LoggingSettings = Field(
        default_factory=LoggingSettings, description="What is logged, and where."
    )
