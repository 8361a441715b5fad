"""Waiting for a server as tests must."""

from __future__ import annotations

import time
import weakref
from typing import Any

DISCOVERED_S = 0.5
_FOUND: weakref.WeakSet[Any] = weakref.WeakSet()


def found(client: Any, within_s: float = 10.0) -> Any:
    """Wait for a client's server; the client.

    That the server has discovered the client, too, can't be seen from here, and until it has, the middleware
    (rmw_fastrtps) drops its answers after 100 ms: so the first time a moment more is waited.
    """
    served = client.wait_for_server if hasattr(client, "wait_for_server") else client.wait_for_service
    assert served(within_s), "nobody serves it"
    if client not in _FOUND:
        time.sleep(DISCOVERED_S)
        _FOUND.add(client)
    return client
