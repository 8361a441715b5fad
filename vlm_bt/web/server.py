"""Serves the view to browsers, from a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import uvicorn
from fastapi import FastAPI, Response, WebSocket, WebSocketDisconnect

from vlm_bt.errors import ConfigError
from vlm_bt.web.access import ROLES, Access, Role, is_loopback
from vlm_bt.web.browser import Browser
from vlm_bt.web.gate import Gate
from vlm_bt.web.source import Source

LOOPBACK = "127.0.0.1"
PAGE = Path(__file__).parent / "page"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
BROWSERS = 16
CONNECTIONS = 64
LONGEST_MESSAGE = 4096
SEND_BUFFER = 1 << 18
"""Bytes that the system keeps for a browser that does not read."""
START_LIMIT_S = 10.0
CLOSES_WITHIN_S = 0.5

log = logging.getLogger(__name__)


class ViewServer:
    """The page, the pictures and the WebSocket of a source. Use as a context manager, or call `close`.

    Args:
        port: 0 takes a free one.
        tokens: Whether a token is asked for; None asks for one wherever other machines reach the server.
        names: Names of this machine that browsers may use, beside its own.
        secret: Keeps the tokens the same when the server is started again.

    Raises:
        ConfigError: The address cannot be had.
    """

    def __init__(
        self,
        source: Source,
        host: str = LOOPBACK,
        port: int = 0,
        *,
        tokens: bool | None = None,
        names: Iterable[str] = (),
        secret: str = "",
    ) -> None:
        self._source = source
        self._browsers: set[Browser] = set()
        self._socket = _listening(host, port)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self.exposed = not is_loopback(host)
        with_tokens = self.exposed if tokens is None else tokens or self.exposed
        self.access = Access(self.port, with_tokens=with_tokens, names=[host, *names], secret=secret)
        config = uvicorn.Config(
            Gate(self._app(), self.access),
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=LONGEST_MESSAGE,
            ws_per_message_deflate=False,
            limit_concurrency=CONNECTIONS,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True, name="view-server"
        )
        self._thread.start()
        limit_s = time.monotonic() + START_LIMIT_S
        while not self._server.started and self._thread.is_alive() and time.monotonic() < limit_s:
            time.sleep(0.005)

    @property
    def url(self) -> str:
        """With the token of the role `control`, where tokens are asked for."""
        return self.url_of("control")

    def url_of(self, role: Role) -> str:
        shown = _reachable(self.host)
        address = f"http://{f'[{shown}]' if ':' in shown else shown}:{self.port}/"
        token = self.access.tokens.get(role)
        return f"{address}?token={token}" if token else address

    @property
    def urls(self) -> dict[Role, str]:
        """By role."""
        return {role: self.url_of(role) for role in ROLES}

    @property
    def browsers(self) -> int:
        """How many are connected."""
        return len(self._browsers)

    def close(self) -> None:
        """Idempotent."""
        self._server.should_exit = True
        self._thread.join(3.0)
        self._server.force_exit = True
        self._thread.join(3.0)
        self._socket.close()

    def __enter__(self) -> ViewServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _app(self) -> FastAPI:
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

        @app.get("/")
        def page() -> Response:
            return _asset("index.html")

        @app.get("/page/{name}")
        def asset(name: str) -> Response:
            return _asset(name)

        @app.get("/page/{folder}/{name}")
        def nested(folder: str, name: str) -> Response:
            return _asset(f"{folder}/{name}")

        @app.get("/picture/{frame}")
        def picture(frame: str) -> Response:
            image = self._source.picture(frame)
            return Response(image, 200, media_type="image/jpeg") if image else Response(status_code=404)

        @app.get("/picture/{frame}/depth")
        def depth(frame: str) -> Response:
            image = self._source.depth(frame)
            return Response(image, 200, media_type="image/png") if image else Response(status_code=404)

        @app.websocket("/live")
        async def live(wire: WebSocket) -> None:
            await self._serve(wire)

        return app

    async def _serve(self, wire: WebSocket) -> None:
        if len(self._browsers) >= BROWSERS:
            await wire.close(1013)
            return
        await wire.accept()
        browser = Browser(self._source, wire, wire.state.role)
        self._browsers.add(browser)
        work = [asyncio.create_task(browser.tell()), asyncio.create_task(browser.hear())]
        try:
            ended, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for one in ended:
                error = one.exception()
                if error is not None and not isinstance(error, WebSocketDisconnect | OSError):
                    log.error("a browser of the view was cut off", exc_info=error)
        finally:
            for one in work:
                one.cancel()
            browser.leave()
            self._browsers.discard(browser)
            with contextlib.suppress(Exception):  # it is closed already, or does not read
                await asyncio.wait_for(wire.close(1001), CLOSES_WITHIN_S)


def _asset(name: str) -> Response:
    path = (PAGE / name).resolve()
    kind = KINDS.get(path.suffix)
    if kind is None or PAGE.resolve() not in path.parents or not path.is_file():
        return Response(status_code=404)
    return Response(path.read_bytes(), 200, media_type=kind)


def _listening(host: str, port: int) -> socket.socket:
    """Raises: ConfigError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            made.bind(address)
        except OSError:
            made.close()
            raise
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigError(f"--view on {host}:{port}: {why}; name another port, or 0 for a free one") from error
    return made


def _reachable(host: str) -> str:
    """The address under which others reach a server that listens there; that of the way out where it is every one."""
    if host not in ("0.0.0.0", "::", ""):
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
            return str(probe.getsockname()[0])
        except OSError:
            return LOOPBACK
