"""The proxies next to ours, each with one worker, kept-alive connections and no access log."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from bench.rig.asking import answers
from bench.rig.cores import pinned
from bench.rig.processes import Running, free_ports, running
from bench.rig.sides import Door, Side
from bench.rig.stage import Stage
from bench.rig.upstream import KEPT, nginx_head, path_of

_IDLE = 256  #: connections that may wait for work

#: Where a cache lies in memory, on Linux.
_MEMORY = Path("/dev/shm")


class Ports(NamedTuple):
    """By what lies behind; those of a cache are nginx's alone."""

    plain: int
    encrypted: int
    cached: int
    open_cached: int  #: a cache whose files stay open


@asynccontextmanager
async def peers(on: Stage, *names: str) -> AsyncIterator[list[Side]]:
    """These, started and answering."""
    programs = {"nginx": on.tools.nginx, "haproxy": on.tools.haproxy, "envoy": on.tools.envoy}
    async with AsyncExitStack() as stack:
        cache = stack.enter_context(_in_memory())
        sides = []
        for name in names:
            home = on.home / name
            home.mkdir()
            ports = Ports(*free_ports(4))
            command = (str(programs[name]), *_write(name, home, ports, on, cache))
            process = await stack.enter_async_context(running(name, pinned(on.cores.proxy, command), home))
            sides += await _sides(process, ports)
        yield sides


@contextmanager
def _in_memory() -> Iterator[Path]:
    with TemporaryDirectory(prefix="ah-bench-", dir=_MEMORY if _MEMORY.is_dir() else None) as directory:
        yield Path(directory)


async def _sides(process: Running, ports: Ports) -> list[Side]:
    doors = {
        kind: Door(f"http://127.0.0.1:{at}{path_of(kind)}", process.pid)
        for kind, at in (
            ("1k", ports.plain),
            ("100k", ports.plain),
            ("changing", ports.plain),
            ("tls", ports.encrypted),
        )
    }
    sides = [Side(process.name, doors)]
    if process.name == "nginx":
        doors["cached"] = _cached_door(process, ports.cached)
        sides.append(Side("nginx_open", {"cached": _cached_door(process, ports.open_cached)}))
    for door in doors.values():
        await process.ready(lambda url=door.url: answers(url), 10.0)  # type: ignore[misc]
    return sides


def _cached_door(process: Running, port: int) -> Door:
    return Door(f"http://127.0.0.1:{port}{path_of('cached')}", process.pid, remembers=True)


def _write(name: str, home: Path, ports: Ports, on: Stage, cache: Path) -> tuple[str, ...]:
    """The configuration, and the options by which the program takes it."""
    match name:
        case "nginx":
            (home / "nginx.conf").write_text(_nginx(home, ports, on, cache))
            return "-p", str(home), "-c", "nginx.conf"
        case "haproxy":
            (home / "haproxy.cfg").write_text(_haproxy(ports, on))
            return "-db", "-f", "haproxy.cfg"
        case _:
            (home / "envoy.json").write_text(_envoy(ports, on))
            quietly = ("--concurrency", "1", "--log-level", "error", "--disable-hot-restart")
            return "--config-path", "envoy.json", *quietly


def _nginx(home: Path, ports: Ports, on: Stage, cache: Path) -> str:
    """Buffers hold a whole answer, so that none goes by way of the disk; what is cached lies in memory."""
    return f"""{nginx_head(home)}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_buffers 32 8k;
  proxy_max_temp_file_size 0;
  proxy_cache_path {cache} keys_zone=answers:10m inactive=1h use_temp_path=off;
  upstream plain {{ server 127.0.0.1:{on.upstream.port}; keepalive {_IDLE}; {KEPT} }}
  upstream encrypted {{ server 127.0.0.1:{on.upstream.tls_port}; keepalive {_IDLE}; {KEPT} }}
  server {{
    listen 127.0.0.1:{ports.plain};
    location / {{ proxy_pass http://plain; }}
  }}
  server {{
    listen 127.0.0.1:{ports.cached};
    proxy_cache answers;
    location / {{ proxy_pass http://plain; }}
  }}
  server {{
    listen 127.0.0.1:{ports.open_cached};
    proxy_cache answers;
    open_file_cache max=200 inactive=1h;
    open_file_cache_valid 1h;
    location / {{ proxy_pass http://plain; }}
  }}
  server {{
    listen 127.0.0.1:{ports.encrypted};
    location / {{
      proxy_pass https://encrypted;
      proxy_ssl_name localhost;
      proxy_ssl_server_name on;
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate {on.certificates.authority};
    }}
  }}
}}
"""


def _haproxy(ports: Ports, on: Stage) -> str:
    return f"""global
  nbthread 1
  maxconn 4096
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
frontend plain
  bind 127.0.0.1:{ports.plain}
  default_backend plain
frontend encrypted
  bind 127.0.0.1:{ports.encrypted}
  default_backend encrypted
backend plain
  server one 127.0.0.1:{on.upstream.port} pool-max-conn {_IDLE}
backend encrypted
  server one 127.0.0.1:{on.upstream.tls_port} pool-max-conn {_IDLE} ssl verify required \
ca-file {on.certificates.authority} sni str(localhost)
"""


def _envoy(ports: Ports, on: Stage) -> str:
    document = {
        "static_resources": {
            "listeners": [_listener("plain", ports.plain), _listener("encrypted", ports.encrypted)],
            "clusters": [
                _cluster("plain", on.upstream.port),
                {
                    **_cluster("encrypted", on.upstream.tls_port),
                    "transport_socket": _tls(on.certificates.authority),
                },
            ],
        }
    }
    return json.dumps(document, indent=1)


_EXTENSIONS = "type.googleapis.com/envoy.extensions"


def _listener(name: str, port: int) -> dict[str, object]:
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": f"{_EXTENSIONS}.filters.http.router.v3.Router"},
    }
    connections = {
        "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": name,
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": name}}],
                }
            ]
        },
        "http_filters": [router],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}]
    return {"name": name, "address": _address(port), "filter_chains": [{"filters": filters}]}


def _cluster(name: str, port: int) -> dict[str, object]:
    endpoint = {"endpoint": {"address": _address(port)}}
    many = {"max_connections": 10_000, "max_pending_requests": 10_000, "max_requests": 10_000}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [many]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _tls(authority: Path) -> dict[str, object]:
    trusted = {
        "trusted_ca": {"filename": str(authority)},
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "localhost"}}],
    }
    context = {
        "@type": f"{_EXTENSIONS}.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": "localhost",
        "common_tls_context": {"validation_context": trusted},
    }
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
