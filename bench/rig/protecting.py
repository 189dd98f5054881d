"""nginx and HAProxy as they protect an origin: one keeps copies for bad times, the other asks again."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from bench.rig.asking import answers
from bench.rig.callers import Way
from bench.rig.cores import Cores, pinned
from bench.rig.flaky import flaky
from bench.rig.processes import free_ports, running
from bench.rig.tools import Tools
from bench.rig.upstream import KEPT, nginx_head

#: Where the origin has a chart; these proxies are asked for the same.
CHARTS = "/v8/finance/chart/{}?interval=1d&range=5d"

_READY_SECONDS = 10.0


class Ports(NamedTuple):
    """Where a proxy listens, and where its origin does."""

    own: int
    origin: int


@asynccontextmanager
async def protectors(
    tools: Tools, home: Path, cores: Cores, deadline: float, truth: Callable[[str], bytes]
) -> AsyncIterator[list[Way]]:
    """Both, each before an origin of its own, set to be done within `deadline` seconds."""
    async with AsyncExitStack() as stack:
        ways = []
        for name in ("nginx", "haproxy"):
            place = home / name
            place.mkdir()
            origin = await stack.enter_async_context(flaky(truth))
            [port] = free_ports(1)
            command = pinned(cores.proxy, _write(name, tools, place, Ports(port, origin.port), deadline))
            program = await stack.enter_async_context(running(name, command, place))
            url = f"http://127.0.0.1:{port}{CHARTS.format('READY')}"
            await program.ready(lambda url=url: answers(url), _READY_SECONDS)  # type: ignore[misc]
            ways.append(Way(name, port, CHARTS, origin))
        yield ways


def _write(name: str, tools: Tools, home: Path, ports: Ports, deadline: float) -> tuple[str, ...]:
    """The configuration, and the command that takes it."""
    if name == "nginx":
        (home / "nginx.conf").write_text(_nginx(home, ports, deadline))
        return tools.nginx, "-p", str(home), "-c", "nginx.conf"
    (home / "haproxy.cfg").write_text(_haproxy(ports, deadline))
    return tools.haproxy, "-db", "-f", "haproxy.cfg"


def _nginx(home: Path, ports: Ports, deadline: float) -> str:
    """Copies for a second, the least it knows, and after that whenever the origin fails or is late."""
    return f"""{nginx_head(home)}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_cache_path {home}/cache keys_zone=copies:10m inactive=1h use_temp_path=off;
  proxy_ignore_headers Cache-Control;
  proxy_cache_valid 200 1s;
  proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;
  proxy_cache_lock on;
  proxy_read_timeout {int(deadline * 900)}ms;
  upstream origin {{ server 127.0.0.1:{ports.origin}; keepalive 256; {KEPT} }}
  server {{
    listen 127.0.0.1:{ports.own};
    location / {{ proxy_pass http://origin; proxy_cache copies; }}
  }}
}}
"""


def _haproxy(ports: Ports, deadline: float) -> str:
    """Three attempts that fit into the deadline one after the other."""
    return f"""global
  nbthread 1
  maxconn 4096
defaults
  mode http
  http-reuse always
  retries 2
  retry-on all-retryable-errors
  timeout connect {int(deadline * 300)}ms
  timeout client 1h
  timeout server {int(deadline * 300)}ms
  timeout http-keep-alive 1h
frontend plain
  bind 127.0.0.1:{ports.own}
  default_backend origin
backend origin
  server one 127.0.0.1:{ports.origin} pool-max-conn 256
"""
