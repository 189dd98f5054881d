"""The dashboard as a server inside the product's own event loop."""

import asyncio
import math
import socket
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

import msgspec
from uvicorn import Config, Server

from autonomous_healing.dashboard.live import Hub
from autonomous_healing.dashboard.measures import Measures
from autonomous_healing.dashboard.options import ServerSettings
from autonomous_healing.dashboard.protection import Protection
from autonomous_healing.dashboard.rooms import Rooms
from autonomous_healing.dashboard.routes import Acts, application
from autonomous_healing.dashboard.tally import Tally
from autonomous_healing.dashboard.views import Views, to_json
from autonomous_healing.resilience import uuid7_from
from autonomous_healing.safety import AuthSettings
from autonomous_healing.wire import taking

#: Bytes of one message that a client may send: it has only short words to say.
CLIENT_MESSAGE_BYTES = 65_536

#: Seconds after which a peer that takes nothing is gone, also where it holds its connection open.
STALLED_SECONDS = 30


class Dashboard:
    """Shows the rooms to browsers and programs. `run` follows what happens, `serve` answers."""

    def __init__(self, rooms: Rooms, settings: ServerSettings, auth: AuthSettings) -> None:
        tally = Tally()
        views = Views(rooms, tally)
        self._settings = settings
        self._views = views
        self._socket: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None
        self._hub = Hub(views, tally, rooms.journal.follow("dashboard"), rooms.web, rooms.clock)
        new_id = uuid7_from(rooms.clock)
        acts = Acts(audit=rooms.audit, controls=rooms.controls, clock=rooms.clock)
        app = application(views, self._hub, Measures(views, tally), acts, new_id)
        self._server = _Embedded(
            Config(
                Protection(app, settings, auth, rooms.clock),
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws_max_size=CLIENT_MESSAGE_BYTES,
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
            )
        )

    @property
    def port(self) -> int:
        """The one really bound; before `bind` the one that was asked for."""
        return self._socket.getsockname()[1] if self._socket else self._settings.dashboard_port

    def documents(self) -> Mapping[str, Callable[[], bytes]]:
        """Read models as JSON by path, for another port that shows them too."""
        views = self._views

        def written(view: Callable[[], object]) -> Callable[[], bytes]:
            return lambda: msgspec.json.encode(to_json(view()))

        return {
            "/api/health": written(views.summary),
            "/api/health/endpoints": written(views.endpoints),
            "/api/health/alerts": written(views.alerts),
        }

    def bind(self) -> None:
        """Take the port, before anything else is started. Raises `PortTaken`."""
        host, port = self._settings.host, self._settings.dashboard_port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with taking(port):
            self._socket = socket.create_server((host, port), family=family)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Handed on to every connection: a browser that sleeps must not fill our buffers for hours.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_SECONDS * 1000)

    async def run(self) -> None:
        """Tell the open dashboards what happens, until the journal closes."""
        await self._hub.run()

    async def serve(self) -> None:
        """Answer until `stop`, then drain. Raises `PortTaken` where `bind` was not called before."""
        if self._socket is None:
            self.bind()
        assert self._socket is not None
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()

    async def start(self) -> None:
        """Take the port and answer from now on. Raises `PortTaken`."""
        if self._socket is None:
            self.bind()
        self._serving = asyncio.create_task(self.serve(), name="dashboard")

    async def stop(self) -> None:
        """Take no more requests; those under way are finished, within the time for draining."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
        elif self._socket is not None and not self._server.started:
            self._socket.close()


class _Embedded(Server):
    """A guest in somebody else's process: signals are not its business."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
