"""The upstream behind every proxy: nginx with charts of two sizes, over TLS too, changing, and failing."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.rig.asking import answers, ask
from bench.rig.bodies import chart
from bench.rig.certificates import Certificates
from bench.rig.processes import free_ports, running

#: What is asked for, by the symbol that stands for it.
SYMBOLS = {
    "1k": "SPY",
    "100k": "QQQ",
    "changing": "IWM",
    "cached": "DIA",
    "tls": "SPY",
    "failing": "SPY",
    "spoiled": "BAD",
}
SIZES = {"1k": 1024, "100k": 102_400}

#: So many that nearly every answer differs from the one before it.
_VARIANTS = 50

#: Said of answers that may be kept and yet must be asked for each time; and of those to be given again.
_ASKED_EACH_TIME, _GIVEN_AGAIN = "max-age=0", "max-age=3600"

#: As good as for ever: connections are made once.
KEPT = "keepalive_requests 1000000000; keepalive_timeout 3600s;"


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where it listens, and what it answers."""

    home: Path
    port: int
    tls_port: int
    failing_port: int  #: as the others, until `fail` is called
    count_port: int
    bodies: Mapping[str, Sequence[bytes]]  #: what may come, by kind

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_host(self) -> str:
        return f"https://localhost:{self.tls_port}"

    @property
    def failing_host(self) -> str:
        return f"http://127.0.0.1:{self.failing_port}"

    def fail(self) -> None:
        """From now on the one port answers everything with 503."""
        (self.home / "failing").touch()

    async def requests(self) -> int:
        """How many it has had so far, with this question."""
        page = (await ask(f"http://127.0.0.1:{self.count_port}/")).body.decode()
        return int(page.splitlines()[2].split()[2])


def path_of(kind: str) -> str:
    """Where the upstream has it; proxies that change nothing are asked for the same."""
    return f"/v8/finance/chart/{SYMBOLS[kind]}?interval=1d&range=5d"


@asynccontextmanager
async def serving(
    nginx: str, home: Path, certificates: Certificates, now: datetime
) -> AsyncIterator[Upstream]:
    """Written, started and answering; on the core that this process is on."""
    upstream = _prepare(home, certificates, now)
    async with running("upstream", (nginx, "-p", str(home), "-c", "nginx.conf"), home) as program:
        await program.ready(lambda: answers(upstream.host + path_of("1k")), 10.0)
        yield upstream


def _prepare(home: Path, certificates: Certificates, now: datetime) -> Upstream:
    home.mkdir()
    plain, encrypted, failing, count = free_ports(4)
    upstream = Upstream(home, plain, encrypted, failing, count, _write_bodies(home, now))
    (home / "nginx.conf").write_text(_configuration(upstream, certificates))
    return upstream


def _write_bodies(home: Path, now: datetime) -> dict[str, list[bytes]]:
    one = chart(SYMBOLS["1k"], SIZES["1k"], now)
    bodies = {
        "1k": [one],
        "tls": [one],
        "failing": [one],
        "100k": [chart(SYMBOLS["100k"], SIZES["100k"], now)],
        "changing": [chart(SYMBOLS["changing"], SIZES["1k"], now, seed) for seed in range(_VARIANTS)],
        "cached": [chart(SYMBOLS["cached"], SIZES["1k"], now)],
        "spoiled": [one.replace(b'"close":[', b'"close":[null,')],
    }
    for kind in ("1k", "100k", "cached", "spoiled"):
        (home / f"{kind}.json").write_bytes(bodies[kind][0])
    for number, body in enumerate(bodies["changing"]):
        (home / f"changing-{number}.json").write_bytes(body)
    return bodies


def _configuration(upstream: Upstream, certificates: Certificates) -> str:
    shares = "\n".join(f"    {100 / _VARIANTS:g}% {number};" for number in range(_VARIANTS - 1))
    return f"""{nginx_head(upstream.home)}
  open_file_cache max=200 inactive=1h;
  open_file_cache_valid 1h;
  sendfile on;
  add_header Cache-Control {_ASKED_EACH_TIME};
  add_header Last-Modified "";
  etag off;
  if_modified_since off;
  split_clients $request_id $variant {{
{shares}
    * {_VARIANTS - 1};
  }}
  server {{
    listen 127.0.0.1:{upstream.port};
    listen 127.0.0.1:{upstream.tls_port} ssl;
    ssl_certificate {certificates.certificate};
    ssl_certificate_key {certificates.key};
    location = /v8/finance/chart/{SYMBOLS["1k"]} {{ alias {upstream.home}/1k.json; }}
    location = /v8/finance/chart/{SYMBOLS["100k"]} {{ alias {upstream.home}/100k.json; }}
    location = /v8/finance/chart/{SYMBOLS["changing"]} {{ alias {upstream.home}/changing-$variant.json; }}
    location = /v8/finance/chart/{SYMBOLS["cached"]} {{
      add_header Cache-Control {_GIVEN_AGAIN};
      alias {upstream.home}/cached.json;
    }}
  }}
  server {{
    listen 127.0.0.1:{upstream.failing_port};
    open_file_cache off;
    location = /v8/finance/chart/{SYMBOLS["spoiled"]} {{ alias {upstream.home}/spoiled.json; }}
    location = /v8/finance/chart/{SYMBOLS["failing"]} {{
      if (-f {upstream.home}/failing) {{ return 503; }}
      alias {upstream.home}/1k.json;
    }}
  }}
  server {{ listen 127.0.0.1:{upstream.count_port}; location / {{ stub_status; }} }}
}}
"""


def nginx_head(home: Path) -> str:
    """One worker in the foreground that keeps connections and writes no log of requests."""
    user = "user root root;" if os.geteuid() == 0 else ""
    temporary = "\n".join(
        f"  {name}_temp_path {home}/temp-{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""{user}
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log {home}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  default_type application/json;
  {KEPT}
{temporary}"""
