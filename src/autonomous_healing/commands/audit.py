"""`autonomous-healing audit verify`."""

import logging
import os
import re
from typing import Annotated

import cyclopts
from rich.console import Console

from autonomous_healing.commands.config import File
from autonomous_healing.commands.start import DEFAULT_CONFIG, run_loop, settings_or_exit
from autonomous_healing.database import DatabaseAway
from autonomous_healing.database.visiting import VisitedDatabase
from autonomous_healing.resilience import SystemClock
from autonomous_healing.safety.audit import AuditTrail, Broken, Intact
from autonomous_healing.safety.chain import Head
from autonomous_healing.safety.store import AuditStore
from autonomous_healing.settings import Settings

#: Exit codes; an intact chain is 0.
BROKEN, NOT_LOOKED_AT = 1, 2

audit = cyclopts.App(name="audit", help="Look at the audit log.")

Noted = Annotated[
    str | None,
    cyclopts.Parameter(help="SEQ:HASH of an earlier head, from the log: whether it is still there."),
]


@audit.command
def verify(path: File = DEFAULT_CONFIG, *, noted: Noted = None) -> int:
    """Walk the chain of the audit log; exit code 1 when it is broken, 2 when it cannot be looked at."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    settings = settings_or_exit(path, os.environ, console)
    logging.getLogger("autonomous_healing").addHandler(logging.NullHandler())  # what is found is printed
    try:
        found = run_loop(_walk(settings, _head_in(noted)))
    except (DatabaseAway, ValueError) as why:
        console.print(f"not looked at: {why}", style="red")
        return NOT_LOOKED_AT
    if isinstance(found, Broken):
        console.print(f"broken: {found}", style="red")
        return BROKEN
    console.print(f"intact: {found.head.seq} entries, head {found.head}")
    return 0


async def _walk(settings: Settings, noted: Head | None) -> Intact | Broken:
    database = VisitedDatabase(settings.database, SystemClock(), os.environ.get("HEALING_DB_PASSWORD", ""))
    try:
        await database.start()
        return await AuditTrail(AuditStore(database)).verify(noted)
    finally:
        await database.stop()


def _head_in(text: str | None) -> Head | None:
    """Raises `ValueError`."""
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text)
    if found is None:
        raise ValueError("--noted is a place and a hash, as the log has them: 17:3f9a...")
    return Head(int(found[1]), found[2])
