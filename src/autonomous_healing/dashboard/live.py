"""What every open dashboard hears as it happens. Each message is written once, for all who listen."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from autonomous_healing.alerts import WebChannel
from autonomous_healing.alerts import to_json as alert_json
from autonomous_healing.alerts.channels import AlertFired
from autonomous_healing.dashboard.tally import Tally
from autonomous_healing.dashboard.views import Board, Views, report_row, source_of, to_json
from autonomous_healing.dashboard.views.listings import AgentListing
from autonomous_healing.endpoint_healing.trail import iso
from autonomous_healing.healing import Follower
from autonomous_healing.resilience import Clock

#: Messages a client may be behind; who loses as many again without catching up is let go (spec: section 4).
CLIENT_SIZE = 256

#: Health is told on change at most this often, and without a change at least that often, in seconds.
TICK = 1.0
AT_LEAST = 30.0


class Client:
    """One browser's bounded line of messages, read by `async for`. What it lost is told as a gap."""

    def __init__(self, size: int = CLIENT_SIZE) -> None:
        self.too_slow = asyncio.Event()
        self._size = size
        self._waiting: deque[tuple[int, str]] = deque()
        self._arrived = asyncio.Event()
        self._gap: tuple[int, int] | None = None
        self._lost = 0

    def give(self, seq: int, text: str) -> None:
        """Never waits: the oldest message goes when there is no room."""
        if len(self._waiting) >= self._size:
            dropped, _ = self._waiting.popleft()
            self._gap = (self._gap[0] if self._gap else dropped, dropped)
            self._lost += 1
            if self._lost > self._size:
                self.too_slow.set()
        self._waiting.append((seq, text))
        self._arrived.set()

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        while not self._waiting:
            self._lost = 0
            self._arrived.clear()
            await self._arrived.wait()
        if self._gap:
            (first, last), self._gap = self._gap, None
            return _message("gap", last, {"from": first, "to": last})
        return self._waiting.popleft()[1]


@dataclass(frozen=True, slots=True)
class _Look:
    at: float  #: monotonic seconds
    board: Board
    document: Mapping[str, Any]


class Hub:
    """Follows journal, alerts and health, and tells every client. `run` must be running for that.

    `seq` counts broadcasts; an answer to one client carries the number of the last of them.
    """

    def __init__(self, views: Views, tally: Tally, reports: Follower, web: WebChannel, clock: Clock) -> None:
        self._views = views
        self._tally = tally
        self._reports = reports
        self._web = web
        self._clock = clock
        self._clients: set[Client] = set()
        self._seq = 0
        self._look: _Look | None = None
        self._told: _Look | None = None
        self._told_agents: AgentListing | None = None

    def join(self) -> Client:
        """A new client, which is told at once how everything is."""
        client = Client()
        self._clients.add(client)
        self._tell_health(client)
        self._tell(client, "agents", {"agents": to_json(self._views.agents())["agents"]})
        return client

    def leave(self, client: Client) -> None:
        self._clients.discard(client)

    def hear(self, client: Client, text: str | None) -> None:
        """What a client said; `None` stands for a message that was no text."""
        match _type_of(text):
            case "get_health":
                self._tell_health(client)
            case "ping":
                self._tell(client, "pong", {})
            case None:
                self._tell(client, "error", {"message": "expected a JSON object with a `type`"})
            case _:
                self._tell(client, "error", {"message": "unknown `type`; known are get_health and ping"})

    async def run(self) -> None:
        """Until the journal closes."""
        async with asyncio.TaskGroup() as following:
            others = [following.create_task(self._watch()), following.create_task(self._relay_alerts())]
            await self._relay_reports()
            for task in others:
                task.cancel()

    async def _relay_reports(self) -> None:
        missed = 0
        async for report in self._reports:
            if self._reports.missed > missed:
                self._skip(self._reports.missed - missed)
                missed = self._reports.missed
            self._tally.count(report, source_of(report))
            self._broadcast("healing", {"report": to_json(report_row(report))})
            await self._clock.sleep(0)  # clients read between two reports, however many wait

    async def _relay_alerts(self) -> None:
        with self._web.subscribe() as messages:
            async for message in messages:
                if isinstance(message, AlertFired):
                    self._broadcast("alert", {"alert": alert_json(message.alert)})
                else:
                    resolved = {"alert_id": message.alert_id, "resolved_at": iso(message.resolved_at)}
                    self._broadcast("alert_resolved", resolved)

    async def _watch(self) -> None:
        while True:
            await self._clock.sleep(TICK)
            if self._clients:
                self._tell_changes()

    def _tell_changes(self) -> None:
        look, agents = self._look_now(), self._views.agents()
        told = self._told
        if told is None or look.board != told.board or look.at - told.at >= AT_LEAST:
            self._told = look
            self._broadcast("health_update", look.document)
        if agents != self._told_agents:
            self._told_agents = agents
            self._broadcast("agents", {"agents": to_json(agents)["agents"]})

    def _tell_health(self, client: Client) -> None:
        self._tell(client, "health_update", self._look_now().document)

    def _look_now(self) -> _Look:
        """At most one look a second, however many ask."""
        now = self._clock.monotonic()
        if self._look is None or now - self._look.at >= TICK:
            board = self._views.board()
            document = {"timestamp": iso(self._clock.now()), **to_json(board)}
            self._look = _Look(now, board, document)
        return self._look

    def _skip(self, lost: int) -> None:
        """Reports that were lost before they got here leave a hole in the count."""
        first, self._seq = self._seq + 1, self._seq + lost
        self._give_all("gap", {"from": first, "to": self._seq})

    def _broadcast(self, kind: str, content: Mapping[str, Any]) -> None:
        self._seq += 1
        self._give_all(kind, content)

    def _give_all(self, kind: str, content: Mapping[str, Any]) -> None:
        text = _message(kind, self._seq, content) if self._clients else ""
        for client in self._clients:
            client.give(self._seq, text)

    def _tell(self, client: Client, kind: str, content: Mapping[str, Any]) -> None:
        client.give(self._seq, _message(kind, self._seq, content))


def _message(kind: str, seq: int, content: Mapping[str, Any]) -> str:
    return json.dumps({"type": kind, "seq": seq, **content}, separators=(",", ":"))


def _type_of(text: str | None) -> str | None:
    try:
        message = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    kind = message.get("type") if isinstance(message, dict) else None
    return kind if isinstance(kind, str) else None
