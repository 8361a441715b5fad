"""A hub of one repository on this machine, for the hub's own client to fetch from."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def serve_repository(folder: Path, name: str, commit: str) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder as the repository `name` at `commit`; yields the hub's address and the files it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            path = self.path.partition("?")[0]
            if path.startswith(f"/api/models/{name}/tree/{commit}"):
                body = json.dumps([entry(file) for file in sorted(folder.iterdir())]).encode()
                self._say(200, body, {"Content-Type": "application/json"}, with_body)
                return
            file = folder / path.removeprefix(f"/{name}/resolve/{commit}/")
            if not path.startswith(f"/{name}/resolve/{commit}/") or not file.is_file():
                self._say(404, b"", {}, with_body)
                return
            asked.append(file.name)
            headers = {"ETag": f'"{entry(file)["oid"]}"', "X-Repo-Commit": commit}
            self._say(200, file.read_bytes(), headers, with_body)

        def _say(self, code: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
            self.send_response(code)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """A test's output stays its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def entry(file: Path) -> dict[str, Any]:
    """A file as the hub lists it."""
    return {
        "type": "file",
        "path": file.name,
        "size": file.stat().st_size,
        "oid": hashlib.sha1(file.read_bytes()).hexdigest(),
    }
