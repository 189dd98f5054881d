"""Those who ask the dashboard's port: with tokens of each scope, from pages elsewhere, under odd names."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
from fastapi import FastAPI
from uvicorn import Config, Server
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from autonomous_healing.dashboard.options import ServerSettings
from autonomous_healing.dashboard.protection import Protection
from autonomous_healing.resilience import Clock
from autonomous_healing.safety.options import AuthSettings, Scope, TokenSettings
from autonomous_healing.safety.tokens import hash_of, new_token
from tests.clock import ManualClock
from tests.eventually import eventually


def _token(seed: int) -> str:
    return new_token(lambda count: bytes([seed] * count))


#: One for each scope, the same in each run.
TOKENS: Mapping[Scope, str] = {scope: _token(n) for n, scope in enumerate(Scope)}

EXPIRED, UNKNOWN = _token(254), _token(255)


def auth_for(clock: Clock, *, loopback_read: bool = True, rate: int = 1_000_000) -> AuthSettings:
    """The tokens above, each called by its scope."""
    known = [
        TokenSettings(name=scope.value, hash=hash_of(token), scopes=(scope,))
        for scope, token in TOKENS.items()
    ]
    past = clock.now() - timedelta(seconds=1)
    expired = TokenSettings(name="old", hash=hash_of(EXPIRED), scopes=(Scope.ADMIN,), expires_at=past)
    return AuthSettings(tokens=(*known, expired), loopback_read=loopback_read, rate_limit_per_minute=rate)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def with_scope(scope: Scope) -> dict[str, str]:
    return bearer(TOKENS[scope])


class Visitor:
    """Asks a port of this machine."""

    def __init__(self, client: httpx2.AsyncClient, port: int) -> None:
        self.client = client
        self.port = port

    async def ask(self, route: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """ "GET /api/health", as routes are called."""
        verb, path = route.split(" ", 1)
        return await self.client.request(verb, path, headers=headers)

    async def status(self, route: str, headers: Mapping[str, str] | None = None) -> int:
        """Of a WebSocket 101, or what it was refused with."""
        if not route.startswith("WS "):
            return (await self.ask(route, headers)).status_code
        named = dict(headers or {})
        authority = named.pop("Host", f"127.0.0.1:{self.port}")
        address = f"ws://{authority}{route.removeprefix('WS ')}"
        try:
            async with connect(
                address, proxy=None, additional_headers=named, host="127.0.0.1", port=self.port
            ):
                return 101
        except InvalidStatus as refusal:
            return refusal.response.status_code


async def first_status(port: int, said: bytes) -> int:
    """Of the answer to a request just as it is written."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(said)
        async with asyncio.timeout(5):
            first = await reader.readline()
    finally:
        writer.close()
    return int(first.split()[1])


@asynccontextmanager
async def visiting(port: int) -> AsyncIterator[Visitor]:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield Visitor(client, port)


@asynccontextmanager
async def standing(app: FastAPI, clock: ManualClock, **settings: Any) -> AsyncIterator[Visitor]:
    """An application of a few routes, behind the same protection as the dashboard's."""
    protected = Protection(app, ServerSettings(**settings), auth_for(clock), clock)
    server = Server(Config(protected, port=0, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    try:
        async with visiting(server.servers[0].sockets[0].getsockname()[1]) as visitor:
            yield visitor
    finally:
        server.should_exit = True
        await serving
