"""Serves figures to Prometheus over HTTP, from threads of its own."""

from __future__ import annotations

import errno
from types import TracebackType

from prometheus_client import start_http_server

from vlm_bt.errors import ConfigError
from vlm_bt.operations.metrics import MissionMetrics

LOOPBACK = "127.0.0.1"
LOCAL = (LOOPBACK, "localhost", "::1")


class MetricsServer:
    """Answers `GET /metrics` until it is closed. Use as a context manager, or call `close`.

    Args:
        address: "PORT" or "HOST:PORT"; without a host only this machine is answered. Port 0 takes a free one.

    Attributes:
        url: Where it is.
        exposed: Whether other machines may ask; nobody is asked who they are.

    Raises:
        ConfigError: The address makes no sense, or cannot be had; with the remedy.
    """

    def __init__(self, metrics: MissionMetrics, address: str) -> None:
        host, port = listening(address)
        try:
            self._server, self._thread = start_http_server(port, host, metrics.registry)
        except OSError as cause:
            raise ConfigError(f"--metrics {address}: {_remedy(cause, host, port)}") from cause
        self.exposed = host not in LOCAL
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._server.server_port}/metrics"

    def close(self) -> None:
        """Idempotent."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> MetricsServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def listening(address: str) -> tuple[str, int]:
    """Host and port of "PORT", "HOST:PORT" or "[IPV6]:PORT". Raises: ConfigError."""
    host, colon, port = address.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535 or (colon and not host):
        raise ConfigError(f"--metrics {address}: write a port or HOST:PORT, such as 9400 or 0.0.0.0:9400")
    return host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port)


def _remedy(cause: OSError, host: str, port: int) -> str:
    if cause.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use; name another one, or 0 for any that is free (ss -ltnp says by whom)"
    if cause.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} may not be opened by this user; name one above 1023"
    return f"{host} is no address of this machine ({cause.strerror}); name one of its own, or 0.0.0.0 for all"
