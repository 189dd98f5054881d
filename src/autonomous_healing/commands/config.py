"""`autonomous-healing config check | show | reference`."""

import os
from pathlib import Path
from typing import Annotated

import cyclopts
from rich.console import Console

from autonomous_healing.commands.start import DEFAULT_CONFIG, settings_or_exit
from autonomous_healing.settings import Settings, to_markdown, to_yaml

config = cyclopts.App(name="config", help="Look at the configuration.")

File = Annotated[Path, cyclopts.Parameter(name="--config", help="The file to read.")]


@config.command
def check(path: File = DEFAULT_CONFIG) -> None:
    """Say what is wrong with a configuration; exit code 2 if anything is."""
    console = Console(soft_wrap=True)
    settings_or_exit(path, os.environ, console)
    console.print(f"{path}: no faults", markup=False)


@config.command
def show(path: File = DEFAULT_CONFIG) -> None:
    """Print the settings in force, defaults and environment included."""
    console = Console(soft_wrap=True)
    console.print(to_yaml(settings_or_exit(path, os.environ, console)), markup=False, highlight=False)


@config.command
def reference() -> None:
    """Print all settings with their defaults and meanings, as a page of the documents."""
    Console(soft_wrap=True).print(to_markdown(Settings()), markup=False, highlight=False, end="")
