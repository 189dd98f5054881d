"""One PostgreSQL data directory and the programs that make, start and stop its server. All of it blocks."""

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from autonomous_healing.database.errors import EmbeddedFailure
from autonomous_healing.database.unprivileged import own

PORT = 5432  #: only part of the socket's name
_SOCKET_PATH_BYTES = 103  #: sun_path holds 104 bytes on macOS and 108 on Linux, with a zero at the end
_INITDB = ("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-instructions")
_MAKE_SECONDS = 120.0
_LAUNCH_SECONDS = 10.0
_STOP_SECONDS = 20

#: No network, bounded logs (a file for each weekday), and no row's text in them.
_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_min_error_statement": "panic",
    "log_min_messages": "warning",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """Where a server keeps its data, whose account it runs under (None: ours) and what programs it has."""

    home: Path
    account: str | None
    programs: Path
    settings: Mapping[str, str]  #: beyond the house's own

    def make(self) -> None:
        """Initialise the directory unless that was done; a half-made one never gets the final name."""
        if (self.home / "PG_VERSION").exists():
            return
        fresh = self.home.with_name(f"{self.home.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        own(fresh, self.account)
        # No password: only the socket lets in, and only those who can enter its directory of mode 0700.
        self._run("initdb", fresh, "-U", "postgres", *_INITDB, seconds=_MAKE_SECONDS)
        if self.home.exists():
            self.home.rmdir()  # raises OSError for a directory with something else in it
        fresh.rename(self.home)

    def launch(self) -> Path:
        """Start the server, without waiting until it takes connections; returns its socket's directory."""
        sockets = self.socket_dir()
        settings = {**_SETTINGS, "unix_socket_directories": f'"{sockets}"', **self.settings}
        options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
        (self.home / "startup.log").unlink(missing_ok=True)
        log = str(self.home / "startup.log")
        self._run("pg_ctl", self.home, "-W", "-l", log, "-o", options, "start", seconds=_LAUNCH_SECONDS)
        return sockets

    def stop(self) -> None:
        """Stop the server with a checkpoint, or without one if that takes too long."""
        self._halt()
        if (sockets := self.socket_dir()) != self.home:
            with suppress(OSError):
                sockets.rmdir()

    def _halt(self) -> None:
        for mode in ("fast", "immediate"):
            try:
                waiting = ("-w", "-t", str(_STOP_SECONDS))
                self._run("pg_ctl", self.home, "-m", mode, *waiting, "stop", seconds=_STOP_SECONDS + 5)
            except EmbeddedFailure:
                continue
            return

    def last_words(self) -> str:
        """The end of the newest log."""
        logs = [self.home / "startup.log", *(self.home / "log").glob("*.log")]
        texts = (log.read_text(errors="replace").strip() for log in logs if log.exists())
        return "\n".join(text[-1000:] for text in texts if text)

    def socket_dir(self) -> Path:
        """The data directory itself, or a short one where the socket's path would be too long."""
        if len(os.fsencode(self.home / f".s.PGSQL.{PORT}")) <= _SOCKET_PATH_BYTES:
            return self.home
        # Under /tmp whatever TMPDIR says, since that may be just as long.
        return own(Path("/tmp") / f"ah-{hashlib.sha256(bytes(self.home)).hexdigest()[:16]}", self.account)  # noqa: S108

    def _run(self, program: str, home: Path, *arguments: str, seconds: float) -> None:
        # Files and not pipes: the server inherits them, and a pipe would stay open as long as it lives.
        with tempfile.TemporaryFile() as output:
            try:
                subprocess.run(
                    [str(self.programs / program), "-D", str(home), *arguments],
                    check=True,
                    cwd="/",
                    env={"PATH": os.defpath, "LC_ALL": "C"},
                    timeout=seconds,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    umask=0o077,
                    user=self.account,
                    group=self.account,
                    extra_groups=None if self.account is None else [],
                )
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as fault:
                output.seek(0)
                said = output.read().decode(errors="replace").strip()
                raise EmbeddedFailure(f"{program}: {fault}\n{said[-1000:]}\n{self.last_words()}") from fault
