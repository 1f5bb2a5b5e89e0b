"""Serve the page on a thread of its own, with an event loop of its own."""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
import uvicorn

from appliance.errors import WebError
from appliance.settings.schema import WebSettings
from appliance.web.access.store import AccessStore
from appliance.web.app import WebApp, build_app
from appliance.web.connections.listener import (
    MAX_CONNECTIONS,
    ConnectionBudget,
    Listener,
    choose_addresses,
    open_listener,
)
from appliance.web.connections.protocol import SWEEP_EVERY_S, DeadlineProtocol, close_longest_idle
from appliance.web.connections.tls import load_certificate
from appliance.web.device import PageDevice

log = logging.getLogger("appliance.web")

UPLOADS = "uploads"
_THREADS = 12
# A new connection can take the place of an idle one only after asyncio has made that one known.
_ACCEPTED_AT_ONCE = 4
_HANDSHAKE_LIMIT_S = 10.0
_MAX_HEADER_BYTES = 16_384
_STOP_LIMIT_S = 2

_LAST_CALLBACKS_S = 0.05


class WebServer:
    """The server: call `start` and `stop`; in between, `notify` passes on what changes.

    Attributes:
        access: The sessions and tokens.
    """

    def __init__(
        self,
        settings: WebSettings,
        device: PageDevice,
        access: AccessStore,
        state: Path,
        max_model_bytes: int = 256 * 1024 * 1024,
    ):
        """Build the application and open the sockets, so that a wrong address is an error at the start.

        Args:
            settings: The web section.
            device: The running device.
            access: The sessions and tokens.
            state: The state folder.
            max_model_bytes: The greatest size of an uploaded model.

        Raises:
            WebError: An address cannot be listened on, or the certificate cannot be used.
        """
        self.access = access
        self._settings = settings
        self._app: WebApp = build_app(device, access, state / UPLOADS, settings.public_url, max_model_bytes)
        self._budget = ConnectionBudget()
        self._tls = load_certificate(settings)
        self._listeners: list[Listener] = []
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._ready = threading.Event()

    @property
    def viewers(self) -> int:
        """The number of open pages."""
        return self._app.feed.viewers

    @property
    def ports(self) -> list[int]:
        """The ports on which the server listens."""
        return [int(listener.getsockname()[1]) for listener in self._listeners]

    def notify(self, kind: str, data: Mapping[str, Any] | None) -> None:
        """Pass on what changes to the viewers; callable from any thread."""
        self._app.feed.notify(kind, data)

    def start(self) -> None:
        """Open the sockets and begin to answer.

        Raises:
            WebError: An address cannot be listened on.
        """
        addresses = choose_addresses(self._settings.listen)
        try:
            for address in addresses:
                self._listeners.append(open_listener(address, self._budget, self._settings.allow_public))
        except WebError:
            self._close_listeners()
            raise
        self._thread.start()
        self._ready.wait(_HANDSHAKE_LIMIT_S)
        scheme = "https" if self._tls else "http"
        log.info("the page is served at %s", ", ".join(f"{scheme}://{each}" for each in addresses))

    def stop(self, limit_s: float = 5.0) -> None:
        """End every stream and stop; return after `limit_s` at the latest."""
        if self._server:
            self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(limit_s)
        self._close_listeners()
        self._app.pictures.close()
        self._app.predictor.close()

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_make_loop) as runner:
                runner.run(self._serve())
        except Exception:
            log.exception("the page stopped; labeling continues; restart the service to serve it again")
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        # A malformed request is a fault of its client, and must not fill the log; the application logs its own errors.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        config = uvicorn.Config(
            self._app.guard, http=DeadlineProtocol, ws="none", lifespan="off", log_config=None, access_log=False,
            proxy_headers=False, server_header=False, timeout_keep_alive=10, limit_concurrency=2 * MAX_CONNECTIONS,
            h11_max_incomplete_event_size=_MAX_HEADER_BYTES, timeout_graceful_shutdown=_STOP_LIMIT_S,
            backlog=_ACCEPTED_AT_ONCE,
        )  # fmt: skip
        config.load()
        config.ssl = self._tls
        server = self._server = uvicorn.Server(config)
        self._budget.make_room = lambda: self._make_room(server)
        feed = asyncio.create_task(self._app.feed.run())
        sweep = asyncio.create_task(self._sweep(server))
        self._ready.set()
        try:
            await server.serve(sockets=list(self._listeners))
        finally:
            sweep.cancel()
            feed.cancel()
            for connection in list(server.server_state.connections):
                if isinstance(connection, DeadlineProtocol) and connection.transport is not None:
                    connection.transport.abort()
            # A transport closes its socket in a callback of the loop, which ends with this coroutine.
            await asyncio.sleep(_LAST_CALLBACKS_S)

    def _make_room(self, server: uvicorn.Server) -> bool:
        """End a connection that is idle, or one in a TLS handshake; return whether there was one."""
        connections = [each for each in server.server_state.connections if isinstance(each, DeadlineProtocol)]
        known = {each.transport.get_extra_info("socket").fileno() for each in connections}
        return close_longest_idle(connections) or self._budget.shut_unknown(known)

    async def _sweep(self, server: uvicorn.Server) -> None:
        """Check the deadlines of all connections, and end the streams when the server stops."""
        while True:
            for connection in list(server.server_state.connections):
                if isinstance(connection, DeadlineProtocol):
                    connection.check_deadlines()
            if server.should_exit:
                self._app.feed.close()
            await asyncio.sleep(SWEEP_EVERY_S / 4)


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose servers bound the time of a TLS handshake, which uvicorn does not pass on."""

    async def create_server(self, *arguments: Any, **options: Any) -> Any:
        """Create a server."""
        if options.get("ssl"):
            options.setdefault("ssl_handshake_timeout", _HANDSHAKE_LIMIT_S)
        return await super().create_server(*arguments, **options)


_make_loop: Callable[[], asyncio.AbstractEventLoop] = _Loop
