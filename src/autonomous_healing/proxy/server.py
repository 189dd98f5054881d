"""The proxy's socket. The only room of the proxy that knows the HTTP library."""

import errno
from collections.abc import Callable, Mapping

from aiohttp import web

from autonomous_healing.proxy.healing_proxy import HealingProxy, Request
from autonomous_healing.proxy.provenance import Reply, refusal

#: A read model that the proxy's port shows too: path -> JSON bytes.
Views = Mapping[str, Callable[[], bytes]]


class PortTaken(OSError):
    """Another program listens there already."""

    def __init__(self, port: int) -> None:
        super().__init__(errno.EADDRINUSE, f"port {port} is taken")
        self.port = port

    def __str__(self) -> str:
        return str(self.strerror)


class ProxyServer:
    """Accepts, hands on, drains."""

    def __init__(self, proxy: HealingProxy, host: str, port: int, drain_seconds: float, views: Views) -> None:
        self._proxy = proxy
        self._views = views
        self._host, self._port = host, port
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(
            application, access_log=None, handler_cancellation=True, shutdown_timeout=drain_seconds
        )

    @property
    def port(self) -> int:
        """The port that is really bound."""
        addresses = self._runner.addresses
        return int(addresses[0][1]) if addresses else self._port

    async def start(self) -> None:
        """Raises `PortTaken`."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError as fault:
            await self._runner.cleanup()
            if fault.errno == errno.EADDRINUSE:
                raise PortTaken(self._port) from None
            raise

    async def stop(self) -> None:
        """Take no more requests, let those in flight end, for as long as draining may take."""
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        reply = await self._reply(request)
        headers = {**reply.headers, "Content-Type": reply.content_type, "Server": "autonomous_healing"}
        return web.Response(status=reply.status, body=reply.body, headers=headers)

    async def _reply(self, request: web.Request) -> Reply:
        if request.method not in ("GET", "HEAD"):
            return refusal(405, "Method not allowed", "data endpoints are asked with GET")
        if view := self._views.get(request.path):
            return Reply(status=200, content_type="application/json", body=view())
        names = {name.lower(): value for name, value in request.headers.items()}
        return await self._proxy.handle(
            Request(request.rel_url.raw_path, list(request.rel_url.query.items()), names)
        )
