"""A certificate authority for one run, and a certificate of it for `localhost`."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.rig.faults import CannotMeasure

_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"


@dataclass(frozen=True, slots=True)
class Certificates:
    """Where the files lie, all in PEM."""

    authority: Path
    certificate: Path
    key: Path


def make_certificates(openssl: str, home: Path) -> Certificates:
    """Good for two days."""
    home.mkdir()
    (home / "names").write_text(_NAMES)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    authority = ("-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=bench authority", "-days", "2")
    _run(home, openssl, "req", "-x509", *curve, *authority)
    _run(home, openssl, "req", *curve, "-keyout", "key.pem", "-out", "csr.pem", "-subj", "/CN=localhost")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2")
    _run(home, openssl, "x509", "-req", "-in", "csr.pem", *signing, "-out", "certificate.pem")
    return Certificates(home / "ca.pem", home / "certificate.pem", home / "key.pem")


def _run(home: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        raise CannotMeasure(f"openssl failed: {done.stderr.strip()[-500:]}")
