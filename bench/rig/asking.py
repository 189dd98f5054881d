"""One request by hand, to see what a side really answers."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Got:
    status: int
    headers: Mapping[str, str]  #: names in lower case
    body: bytes


async def ask(url: str) -> Got:
    """A GET over a connection of its own; `OSError` where nothing whole comes back."""
    return await asyncio.to_thread(_ask, url)


async def answers(url: str) -> bool:
    """Whether it is there and content."""
    return (await ask(url)).status == 200


def _ask(url: str) -> Got:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=_SECONDS)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Got(answer.status, headers, answer.read())
    except HTTPException as fault:
        raise ConnectionError(f"no whole answer: {fault!r}") from fault
    finally:
        connection.close()
