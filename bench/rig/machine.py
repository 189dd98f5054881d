"""What the figures were taken on."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    cpu: str
    cores: int
    kernel: str
    python: str


def this_machine() -> Machine:
    """As the kernel tells it."""
    return Machine(
        cpu=_model(Path("/proc/cpuinfo").read_text(errors="replace")),
        cores=os.cpu_count() or 1,
        kernel=platform.release(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
    )


def _model(cpuinfo: str) -> str:
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
