"""From which address a request comes decides what it may without a token."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest
from tests.clock import ManualClock
from tests.visitors import TOKENS, auth_for

from autonomous_healing.dashboard.asgi import Receive, Request, Send, caller_of
from autonomous_healing.dashboard.options import ServerSettings
from autonomous_healing.dashboard.protection import Protection
from autonomous_healing.safety.options import Scope

AWAY = "192.0.2.7"


class Listener:
    """An application that only notes who came."""

    def __init__(self, clock: ManualClock | None = None, **auth: Any) -> None:
        clock = clock or ManualClock()
        self.came: list[str] = []
        self._protection = Protection(
            self._note, ServerSettings(host="192.0.2.1"), auth_for(clock, **auth), clock
        )

    async def _note(self, request: Request, receive: Receive, send: Send) -> None:
        self.came.append(str(caller_of(request)))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    def ask(self, address: str | None, **headers: str) -> tuple[int, dict[str, str], Any]:
        """Status, header fields and document of one answer."""
        said = {"host": "192.0.2.1:8888", **headers}
        request: MutableMapping[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": "/livez",
            "headers": [(name.encode(), value.encode()) for name, value in said.items()],
            "client": None if address is None else (address, 1),
        }
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        asyncio.run(self._protection(request, receive, send))
        start, *bodies = sent
        body = b"".join(one.get("body", b"") for one in bodies)
        fields = {name.decode(): value.decode() for name, value in start["headers"]}
        return start["status"], fields, json.loads(body) if body else None


@pytest.mark.parametrize("address", [AWAY, "10.0.0.1", "::ffff:192.0.2.7", "2001:db8::1", "", None])
def test_another_machine_without_a_token_learns_nothing(address: str | None) -> None:
    listener = Listener()

    status, fields, problem = listener.ask(address)

    assert (status, fields["www-authenticate"]) == (401, 'Bearer realm="autonomous_healing"')
    assert problem["detail"] == "A bearer token is needed here."
    assert fields["content-security-policy"]
    assert listener.came == []


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_let_in_without_one(address: str) -> None:
    listener = Listener()

    assert listener.ask(address)[0] == 204
    assert listener.came == ["loopback"]


def test_another_machine_is_let_in_with_one_and_called_by_its_name() -> None:
    listener = Listener()

    assert listener.ask(AWAY, authorization=f"Bearer {TOKENS[Scope.APPROVE]}")[0] == 204
    assert listener.came == ["approve"]


def test_forwarded_addresses_are_not_believed() -> None:
    listener = Listener()

    status, _, _ = listener.ask(AWAY, **{"x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1"})

    assert (status, listener.came) == (401, [])


def test_each_address_has_its_own_share_of_what_may_be_asked() -> None:
    listener = Listener(rate=2)

    asked = [listener.ask("127.0.0.1")[0] for _ in range(3)]

    assert asked == [204, 204, 429]
    assert listener.ask("127.0.0.2")[0] == 204


def test_wrong_tokens_of_one_address_are_not_held_against_another() -> None:
    listener = Listener()

    found = [listener.ask(AWAY, authorization="Bearer wrong")[0] for _ in range(11)]

    assert found == [401] * 10 + [429]
    assert listener.ask("192.0.2.8", authorization="Bearer wrong")[0] == 401
