"""An HTTP client that a hostile or broken endpoint cannot hold up, fill up or send elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

MOST_BYTES = 1 << 20
"""Of one reply's body."""


def bounded_client(timeout_s: float) -> Any:
    """A client for `openai` and `langchain_openai`: no redirects, no proxies of the environment, no compression.

    A request ends `timeout_s` after it began, even where a byte trickles in now and then, and a body of more than
    1 MiB is an error. Raises: ImportError: `openai` is not installed.
    """
    import httpx2
    import openai

    class Body(httpx2.SyncByteStream):
        def __init__(self, stream: Any, ends_s: float) -> None:
            self._stream = stream
            self._ends_s = ends_s

        def __iter__(self) -> Iterator[bytes]:
            size = 0
            for chunk in self._stream:
                size += len(chunk)
                if size > MOST_BYTES:
                    raise httpx2.ReadError(f"the reply is longer than {MOST_BYTES} bytes")
                if time.monotonic() > self._ends_s:
                    raise httpx2.ReadTimeout(f"the reply was not complete within {timeout_s:g} s")
                yield chunk

        def close(self) -> None:
            self._stream.close()

    class Bounded(httpx2.HTTPTransport):
        def handle_request(self, request: Any) -> Any:
            request.headers["Accept-Encoding"] = "identity"
            ends_s = time.monotonic() + timeout_s
            reply = super().handle_request(request)
            if reply.headers.get("Content-Encoding", "identity") != "identity":
                reply.close()
                raise httpx2.ReadError("the reply is compressed, though no compression was asked for")
            reply.stream = Body(reply.stream, ends_s)
            return reply

    return openai.DefaultHttpxClient(
        transport=Bounded(), timeout=timeout_s, follow_redirects=False, trust_env=False, max_redirects=0
    )
