"""healing_config.yaml and the environment, read into the frozen settings that each room defines."""

from autonomous_healing.settings.faults import BadSettings, Fault
from autonomous_healing.settings.loading import load_settings, write_if_absent
from autonomous_healing.settings.model import Settings
from autonomous_healing.settings.reference import to_markdown
from autonomous_healing.settings.text import to_yaml

__all__ = ["BadSettings", "Fault", "Settings", "load_settings", "to_markdown", "to_yaml", "write_if_absent"]
