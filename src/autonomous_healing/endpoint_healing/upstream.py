"""One exchange with one provider over HTTP. The only room that knows the HTTP library."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from autonomous_healing.endpoint_healing.call import Trouble

#: Connections kept to one host, and in all.
PER_HOST, IN_ALL = 64, 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whole and decompressed; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Unanswered(Exception):
    """No whole answer came: how, and in words without any address or key."""

    def __init__(self, trouble: Trouble, message: str) -> None:
        super().__init__(message)
        self.trouble = trouble


class Upstream:
    """A pool of connections. Never retries, never follows a redirect, never keeps a cookie."""

    def __init__(self, *, user_agent: str, max_body: int) -> None:
        self._user_agent = user_agent
        self._max_body = max_body
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=IN_ALL, limit_per_host=PER_HOST),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._user_agent, "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str, headers: Mapping[str, str], seconds: float) -> Answer:
        """The whole answer within `seconds`; raises `Unanswered`."""
        if self._session is None:
            raise RuntimeError("Upstream.start() was not awaited")
        try:
            async with asyncio.timeout(seconds):
                return await self._get(self._session, url, headers)
        except TimeoutError:
            raise Unanswered(Trouble.TIMED_OUT, f"no answer within {seconds:.1f}s") from None
        except (aiohttp.ClientError, OSError) as trouble:
            raise Unanswered(Trouble.UNREACHABLE, _words(trouble)) from None

    async def _get(self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> Answer:
        target = URL(url, encoded=True)
        async with session.get(target, headers=headers, allow_redirects=False) as response:
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > self._max_body:
                    raise Unanswered(Trouble.TOO_LARGE, f"answer larger than {self._max_body} bytes")
            names = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, names, bytes(body))


def _words(trouble: Exception) -> str:
    """The library's own messages may hold the address, and so a key: only kinds and numbers are told."""
    match trouble:
        case aiohttp.ClientConnectorDNSError():
            return "name not found"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return "TLS refused"
        case aiohttp.ClientPayloadError():
            return "answer cut short"
        case aiohttp.ServerDisconnectedError():
            return "connection closed before an answer"
        case OSError(errno=int(number)):
            return f"connection failed: {_OS_WORDS.get(number, f'error {number}')}"
        case _:
            return f"connection failed: {type(trouble).__name__}"


_OS_WORDS = {104: "reset by peer", 110: "timed out", 111: "refused", 113: "no route to host"}
