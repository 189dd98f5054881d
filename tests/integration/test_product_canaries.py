"""A provider that repeats its key in every form it can: not one of them gets any further.

The keys go into the query, into the path and into a header, and one of them is stored while the product runs.
"""

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import aiohttp
import pytest
from aiohttp import web
from tests.eventually import CLOCK, eventually
from tests.integration.outputs import (
    Told,
    all_are_stored,
    all_of_the_dashboard,
    all_rows,
    command_lines,
    written,
)
from tests.integration.product import Process, as_process, run_key_command, settings_for

from autonomous_healing.drills import Stage
from autonomous_healing.endpoint_healing.encryption import VARIABLE, new_encryption_key
from autonomous_healing.settings import Settings

QUERY_KEY = "CanaryQ7Zk3vXw9L+/&=z?"
PATH_KEY = "CanaryP4tH8rTn2Wd/5+x"
HEADER_KEY = "CanaryH3adEr6Yb1Qc~._-"
CALLERS_KEY = "CanaryC9aLl5eRs0Kj+=/"

#: By source, a question and what its endpoint answers when all is well.
PATHS = {
    "fred_api": "/api/fred/series?series_id=DGS10",
    "exchange_rate_api": "/api/exchange-rate/latest/USD",
    "polygon_io": "/api/polygon/prev?ticker=AAPL",
}

#: Statuses in the order in which they are given. Those that take a key out of use come last.
STATUSES = (*[200] * 20, 301, 400, 404, 418, 500, 503, 301, 400, 404, 418, 500, 503, 429, 401)


def forms_of(key: str) -> list[str]:
    """As programs write it into what they say."""
    escaped = "".join(one if one.isalnum() else f"\\u{ord(one):04x}" for one in key)
    numbered = "".join(one if one.isalnum() else f"&#{ord(one)};" for one in key)
    return [
        *(key, key.upper(), key.lower(), key.swapcase()),
        *(quote(key, safe=""), quote(key, safe="").lower(), quote(quote(key, safe=""), safe="")),
        *(json.dumps(key).replace("/", "\\/"), escaped, html.escape(key), numbered),
        b64encode(key.encode()).decode(),
        b64encode(f"user:{key}".encode()).decode(),
        urlsafe_b64encode(f":{key}:".encode()).decode().rstrip("="),
    ]


def traces_of(key: str) -> list[str]:
    """What each of those forms shows of it, in small letters; made without the product's own code."""
    traces = [key.split("/")[0].rstrip("+~").lower()]
    for before in ("", ":", "::"):
        encoded = b64encode(f"{before}{key}".encode()).decode()[4:-4].lower()
        traces += [encoded, encoded.replace("+", "-").replace("/", "_"), encoded.replace("/", "\\/")]
    return traces


@dataclass
class Parrot:
    """The three providers, none of which can keep its key to itself."""

    heard: list[str] = field(default_factory=list)  #: keys
    turns: dict[str, Iterator[int]] = field(default_factory=dict)  #: statuses, by source

    async def answer(self, request: web.BaseRequest) -> web.Response:
        source, key = _asked(request)
        self.heard.append(key)
        status = next(self.turns[source], 401)
        kind, body = _said(source, status, key)
        spoken = quote(key, safe="")
        return web.Response(
            status=status,
            reason=f"No {key}",
            body=body.encode(),
            headers={
                "content-type": f"{kind}; key={spoken}",
                "etag": f'"{key}"',
                "location": f"https://example.test/{spoken}?key={spoken}",
                "last-modified": key,
                "expires": key,
                "content-language": key,
                "cache-control": f'max-age=60, private="{key}"',
                "www-authenticate": f'Basic realm="{key}"',
                "set-cookie": f"key={spoken}",
                "x-key": key,
                "retry-after": "1",
                "connection": "close",
            },
        )


def _asked(request: web.BaseRequest) -> tuple[str, str]:
    """Whose endpoint it is, and the key in the place where that one wants it."""
    path, bearer = request.path_qs, request.headers.get("authorization", "")
    if path.startswith("/fred/"):
        return "fred_api", request.query.get("api_key", "")
    if path.startswith("/v6/"):
        return "exchange_rate_api", unquote(request.raw_path.split("/")[2])
    return "polygon_io", bearer.removeprefix("Bearer ")


def _said(source: str, status: int, key: str) -> tuple[str, str]:
    if status in (418, 503):
        return "text/html", f"<p>{'</p><p>'.join(forms_of(key))}</p>"
    if status == 500:
        return "text/plain", " ".join(forms_of(key))
    good = _good(source) if status == 200 else {"error_code": status, "error_message": f"api_key {key}"}
    # Not by `json` alone: it would escape what is escaped already.
    echo = ", ".join(one if one.startswith('"') else f'"{one}"' for one in forms_of(key))
    return "application/json", json.dumps({**good, "note": key})[:-1] + f', "echo": [{echo}]}}'


def _good(source: str) -> Mapping[str, Any]:
    now = int(CLOCK.now().timestamp())
    match source:
        case "fred_api":
            return {"seriess": [{"id": "DGS10", "title": "Ten years", "units": "%", "frequency_short": "D"}]}
        case "exchange_rate_api":
            times = {"time_last_update_unix": now - 60, "time_next_update_unix": now + 3600}
            rates = {"USD": 1.0, "EUR": 0.9, "GBP": 0.8}
            return {"result": "success", **times, "base_code": "USD", "conversion_rates": rates}
        case _:
            bar = {
                "T": "AAPL",
                "v": 100.0,
                "o": 10.0,
                "c": 10.5,
                "h": 11.0,
                "l": 9.5,
                "t": now * 1000,
                "n": 5,
            }
            return {"status": "OK", "ticker": "AAPL", "queryCount": 1, "resultsCount": 1, "results": [bar]}


@asynccontextmanager
async def perched(parrot: Parrot) -> AsyncIterator[str]:
    """The address of the parrot."""
    runner = web.ServerRunner(web.Server(parrot.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def settings_with(stage: Stage, home: Path, parrot: str, workers: int) -> Settings:
    """The key in a query, in a path and in a header; nothing stops the questions too early."""
    hosts = {f"sources__{source}__hosts": [parrot] for source in PATHS}
    return settings_for(
        stage,
        home,
        server__workers=workers,
        auth__rate_limit_per_minute=10_000,
        logging__level="debug",
        logging__format="json",
        logging__dir=str(home / "logs"),
        healing__breaker={"consecutive": 1000, "min_calls": 10_000},
        healing__retry_budget={"floor": 100},
        healing__request_budget=0.5,
        sources__polygon_io__auth={"in": "header", "name": "Authorization"},
        **hosts,
    )


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_key_that_is_repeated_in_every_form_shows_in_none(workers: int, server_home: Path) -> None:
    encryption_key = new_encryption_key()
    environ = {"FRED_API_KEY": QUERY_KEY, "EXCHANGERATE_API_KEY": PATH_KEY, VARIABLE: encryption_key}
    parrot = Parrot(turns={source: iter(STATUSES) for source in PATHS})
    async with Stage(7, CLOCK) as stage, perched(parrot) as address:
        settings = settings_with(stage, server_home, address, workers)
        async with as_process(settings, env=environ) as product:
            await eventually(lambda: all_are_stored(product), 30.0)
            added = await run_key_command(settings, "add", "polygon_io", env=environ, said=HEADER_KEY)
            assert added == (0, "stored as polygon_io#s1")
            await eventually(lambda: is_asked(product, parrot, HEADER_KEY), 20.0)
            told = [told async for told in asked_in_all_ways(product)]
            listed = await run_key_command(settings, "list", env=environ)
            await eventually(lambda: all_are_stored(product), 30.0)
            trails = {
                trail for _, text in told for trail in re.findall(r"Healing-Trail': '([^']+)", text, re.I)
            }
            told += [
                ("banner", product.banner),
                ("log", product.said),
                ("key list", listed[1]),
                *[page async for page in all_of_the_dashboard(product, trails)],
                *[row async for row in all_rows(Path(settings.database.data_dir))],
                *command_lines(product.pid),
            ]
    told += written(server_home)

    leaks = [
        (where, trace, text[max(0, at - 80) : at + 40])
        for where, text in told
        for key in (QUERY_KEY, PATH_KEY, HEADER_KEY, CALLERS_KEY, encryption_key)
        for trace in traces_of(key)
        if (at := text.lower().find(trace)) >= 0
    ]
    assert leaks == []
    # And they could have shown: each was used and repeated, and much was said and kept of it.
    assert set(parrot.heard) == {QUERY_KEY, PATH_KEY, HEADER_KEY}
    assert sum("[redacted]" in text for where, text in told if where.startswith("answer")) > 20
    assert sum("error_events" in where for where, _ in told) > 5
    assert len(trails) > 5


async def asked_in_all_ways(product: Process) -> AsyncIterator[Told]:
    """By callers who say nothing of themselves, who want no healing, and who do.

    The latter two show a key of their own, which is nobody's business.
    """
    callers = {"authorization": f"Bearer {CALLERS_KEY}", "x-api-key": CALLERS_KEY}
    anew = aiohttp.TCPConnector(force_close=True)  # so that every process of it is asked
    async with aiohttp.ClientSession(product.proxy, connector=anew) as session:
        for allow in ("", "none", "exact, stale"):
            for path in [path for _ in STATUSES for path in PATHS.values()]:
                own = f"{'&api_key' if '?' in path else '?apikey'}={quote(CALLERS_KEY, safe='')}"
                headers = {**callers, "healing-allow": allow} if allow else {}
                url = path + own if allow else path
                async with session.get(url, headers=headers, allow_redirects=False) as got:
                    yield (
                        f"answer to {path}",
                        f"{got.status} {got.reason} {dict(got.headers)} {await got.read()!r}",
                    )


async def is_asked(product: Process, parrot: Parrot, key: str) -> bool:
    """The product has taken up that key."""
    await product.ask(PATHS["polygon_io"], healing_allow="none")
    return key in parrot.heard
