"""Which processes belong to a cluster, a directory of PostgreSQL's. All of it blocks for milliseconds."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]

log = logging.getLogger(__name__)

_LEAVE_SECONDS = 2.0  #: orphaned backends notice by themselves that their postmaster is gone


def postmaster_of(cluster: Path) -> int | None:
    """The pid in `postmaster.pid`, if it is a live `postgres` of this cluster and no zombie or stranger."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        return pid if _belongs(psutil.Process(pid), cluster) else None
    except (OSError, ValueError, psutil.Error):
        return None


def socket_dir_of(cluster: Path) -> Path | None:
    """The directory of the socket, as the running server has noted it."""
    try:
        return Path((cluster / "postmaster.pid").read_text().split("\n")[4])
    except (OSError, IndexError):
        return None


def clear_after_crash(cluster: Path, sockets: Path) -> bool:
    """Take away what a killed server has left; True if it had not been stopped cleanly.

    Its orphaned backends still have the shared memory, so they must be gone before the pid file goes.
    Must not be called while `postmaster_of` finds a server.
    """
    orphans = list(_orphans_of(cluster))
    psutil.wait_procs(orphans, timeout=_LEAVE_SECONDS if orphans else 0)
    for orphan in (stubborn := list(_orphans_of(cluster))):
        log.warning("orphaned_backend_killed", extra={"pid": orphan.pid})
        orphan.kill()
    psutil.wait_procs(stubborn, timeout=_LEAVE_SECONDS if stubborn else 0)
    # The server would believe a pid in these that is a zombie's by now, or a stranger's.
    stale = [file for file in (cluster / "postmaster.pid", *sockets.glob(".s.PGSQL.*")) if file.exists()]
    for file in stale:
        file.unlink(missing_ok=True)
    return bool(stale or orphans)


def _orphans_of(cluster: Path) -> Iterator[psutil.Process]:
    """What may be killed, so each has to pass several tests that do not rest on one another.

    It runs under the account that owns the directory, which is never root, its program is `postgres`, it
    works in the directory, and it is neither us nor one of those that started us.
    """
    if not (cluster / "PG_VERSION").exists():
        return  # no server can have run here
    owner = cluster.stat().st_uid
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        try:
            if process.pid in spared or owner == 0 or process.uids().real != owner:
                continue
            if Path(process.exe()).name == "postgres" and _belongs(process, cluster):
                yield process
        except psutil.Error:
            continue


def _belongs(process: psutil.Process, cluster: Path) -> bool:
    """PostgreSQL's processes all work in their data directory."""
    if process.name() != "postgres" or process.status() == psutil.STATUS_ZOMBIE:
        return False
    try:
        return bool(Path(process.cwd()) == cluster)
    except psutil.AccessDenied:
        return str(cluster) in process.cmdline()
