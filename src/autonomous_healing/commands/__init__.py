"""`autonomous-healing VERB`: a file for each verb."""

import cyclopts

from autonomous_healing.commands.config import config
from autonomous_healing.commands.demo import demo
from autonomous_healing.commands.start import start


def main() -> None:
    """The console script."""
    app = cyclopts.App(name="autonomous-healing", help="A truthful answer when a data endpoint fails.")
    app.command(start)
    app.command(demo)
    app.command(config)
    app()
