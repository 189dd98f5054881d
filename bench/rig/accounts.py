"""What processes have used so far, from /proc: CPU seconds and memory, with all that they have started."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of /proc/PID/stat, as far as it is of use here."""

    pid: int
    parent: int
    ticks: int  #: user and system time of its own and of the children it has buried
    pages: int  #: resident


@dataclass(frozen=True, slots=True)
class Used:
    """What a family of processes has used."""

    cpu: float  #: seconds since each of them began
    rss_mb: float


def parse(line: str) -> Entry:
    """proc(5): the name in parentheses may hold anything, so the fields are counted from its end."""
    fields = line.rpartition(")")[2].split()
    return Entry(
        pid=int(line.split(" ", 1)[0]),
        parent=int(fields[1]),
        ticks=sum(int(field) for field in fields[11:15]),
        pages=int(fields[21]),
    )


def family(roots: Iterable[int], table: Mapping[int, Entry]) -> set[int]:
    """The roots and all that descends from them."""
    found = {pid for pid in roots if pid in table}
    grown = True
    while grown:
        children = {entry.pid for entry in table.values() if entry.parent in found}
        grown = not children <= found
        found |= children
    return found


def members(roots: Iterable[int]) -> set[int]:
    """These and all that descends from them, as it is now."""
    return family(roots, _table())


def used_by(roots: Iterable[int]) -> Used:
    """What these and their children have used until now; those that are gone count as nothing."""
    table = _table()
    entries = [table[pid] for pid in family(roots, table)]
    return Used(
        cpu=sum(entry.ticks for entry in entries) / _TICKS,
        rss_mb=sum(entry.pages for entry in entries) * _PAGE / 1_000_000,
    )


def _table() -> dict[int, Entry]:
    table = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            entry = parse(file.read_text(errors="replace"))
        except OSError:  # gone since it was listed
            continue
        table[entry.pid] = entry
    return table
