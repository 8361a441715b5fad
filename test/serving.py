"""Real servers on loopback for the tests of remote models: one that says what it is told, and one of transformers."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import math
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

STARTS_WITHIN_S = 90.0


@dataclass
class Reply:
    """What the scripted server sends. `drip_s`: pause after every single byte of the body."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    drip_s: float = 0.0


@dataclass
class Request:
    """What the scripted server received."""

    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.raw)

    @property
    def parts(self) -> list[dict[str, Any]]:
        return self.body["messages"][0]["content"]

    @property
    def words(self) -> str:
        return "\n".join(part["text"] for part in self.parts if part["type"] == "text")

    @property
    def jpegs(self) -> list[bytes]:
        urls = [part["image_url"]["url"] for part in self.parts if part["type"] == "image_url"]
        return [base64.b64decode(url.removeprefix("data:image/jpeg;base64,"), validate=True) for url in urls]

    @property
    def pictures(self) -> list[NDArray[np.uint8]]:
        return [np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")) for jpeg in self.jpegs]


Script = Callable[[Request], Reply]


class ScriptedServer(ThreadingHTTPServer):
    """Speaks as much of the protocol as the script does. `requests` lists everything that arrived."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is what several tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request({name.lower(): value for name, value in self.headers.items()}, raw)
        with self.server.lock:
            self.server.requests.append(request)
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        try:
            self._send(self.server.script(request))
        finally:
            with self.server.lock:
                self.server.at_once -= 1

    def do_GET(self) -> None:
        self.do_POST()

    def _send(self, reply: Reply) -> None:
        time.sleep(reply.after_s)
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if not reply.drip_s:
            self.wfile.write(reply.body)
            return
        for byte in reply.body:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(reply.drip_s)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def scripted(script: Script) -> Iterator[ScriptedServer]:
    server = ScriptedServer(script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5.0)


def saying(text: str, tokens: Sequence[tuple[str, dict[str, float]]] = ()) -> Reply:
    """A chat completion. `tokens`: (token, probabilities of what could have stood there), spelling the text."""
    logprobs = None
    if tokens:
        listed = [
            {
                "token": token,
                "bytes": None,
                "logprob": math.log(others.get(token, 1.0)),
                "top_logprobs": [
                    {"token": other, "bytes": None, "logprob": math.log(p)} for other, p in others.items()
                ],
            }
            for token, others in tokens
        ]
        logprobs = {"content": listed, "refusal": None}
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": logprobs}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    completion = {"id": "1", "object": "chat.completion", "created": 1, "model": "scripted"}
    return Reply(json.dumps({**completion, "choices": [choice], "usage": usage}).encode())


def refusing(status: int, text: str = "", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps({"error": {"message": text, "type": "error"}}).encode(), status, named)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


_SERVE = (
    "import sys; from vlm_bt.vision.backends.torchvision_shim import ensure_torchvision; ensure_torchvision(); "
    "from transformers.cli.transformers import main; sys.argv = ['transformers', 'serve', *sys.argv[1:]]; main()"
)


@contextlib.contextmanager
def transformers_serving(checkpoint: Path, folder: Path) -> Iterator[str]:
    """The base URL of `transformers serve` with a local checkpoint; `folder` takes its empty hub cache and its log."""
    port = free_port()
    hub = folder / "hub"
    hub.mkdir(parents=True)
    command = [sys.executable, "-c", _SERVE, str(checkpoint), "--host", "127.0.0.1", "--port", str(port)]
    settings = {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": str(hub),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    log = folder / "serve.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--device", "cpu"], env={**os.environ, **settings}, stdout=stream, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5.0)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < ends:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(url, timeout=2.0) as reply:
                if reply.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"not up within {STARTS_WITHIN_S:g} s: {log.read_text()[-2000:]}")
