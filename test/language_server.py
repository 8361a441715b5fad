"""The real yaml-language-server, installed once into a cache folder and spoken to over its own protocol."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

VERSION = "1.25.0"
PATIENCE_S = 30.0
SETTINGS = {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}}

Json = dict[str, Any]


class MissingError(Exception):
    """There is no server here; the text says what is missing and how to get it."""


def install() -> list[str]:
    """The command that starts the server; npm fetches it the first time.

    Raises:
        MissingError: There is no node or npm, or npm can't fetch it.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise MissingError("no node and npm: on Debian or Ubuntu, apt-get install nodejs npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "vlm_bt" / f"yaml-language-server-{VERSION}"
    program = folder / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
    if not program.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        package = f"yaml-language-server@{VERSION}"
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), package]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        except subprocess.TimeoutExpired:
            raise MissingError(f"npm does not answer; once it does: {' '.join(command)}") from None
        if done.returncode != 0 or not program.is_file():
            raise MissingError(f"npm can't fetch {package}; once it can: {' '.join(command)}")
    return [node, str(program), "--stdio"]


class Editor:
    """What an editor does: opens a text, asks at a place in it, and is told what is wrong."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._folder = folder
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
        self._came: queue.Queue[Json] = queue.Queue()
        self._asked = 0
        self._opened = 0
        threading.Thread(target=self._listen, daemon=True).start()
        markdown = {"documentationFormat": ["markdown"], "snippetSupport": True}
        text_document = {
            "completion": {"completionItem": markdown},
            "hover": {"contentFormat": ["markdown"]},
            "publishDiagnostics": {},
        }
        capabilities = {"textDocument": text_document, "workspace": {"configuration": True}}
        self.ask("initialize", {"processId": os.getpid(), "rootUri": folder.as_uri(), "capabilities": capabilities})
        self._tell("initialized", {})

    def open(self, text: str) -> str:
        """Open a text as a file of the folder; gives its URI."""
        self._opened += 1
        uri = (self._folder / f"open-{self._opened}.yaml").as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._tell("textDocument/didOpen", {"textDocument": document})
        return uri

    def at(self, text: str, method: str) -> Any:
        """Open the text without its `|` and ask what the server knows at that place."""
        before, _, after = text.partition("|")
        uri = self.open(before + after)
        place = {"line": before.count("\n"), "character": len(before) - (before.rfind("\n") + 1)}
        return self.ask(method, {"textDocument": {"uri": uri}, "position": place})

    def completions(self, text: str) -> dict[str, Json]:
        """What may stand at the `|`, by label."""
        found = self.at(text, "textDocument/completion")
        return {item["label"]: item for item in (found["items"] if isinstance(found, dict) else found or ())}

    def hover(self, text: str) -> str:
        """What the server tells of the word at the `|`."""
        found = self.at(text, "textDocument/hover")
        return str(found["contents"]["value"]) if found else ""

    def diagnostics(self, text: str) -> list[Json]:
        """What is wrong with a text."""
        uri = self.open(text)
        while True:
            message = self._next()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                return list(message["params"]["diagnostics"])

    def close(self) -> None:
        self.ask("shutdown", None)
        self._tell("exit", None)
        self._server.wait(PATIENCE_S)

    def ask(self, method: str, params: Any) -> Any:
        self._asked += 1
        number = self._asked
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._next()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message["error"]
                return message["result"]

    def _next(self) -> Json:
        """The next message; what the server asks of an editor is answered on the way."""
        message = self._came.get(timeout=PATIENCE_S)
        if "method" in message and "id" in message:
            wanted = message["params"].get("items", []) if message["method"] == "workspace/configuration" else None
            result = None if wanted is None else [SETTINGS if item["section"] == "yaml" else None for item in wanted]
            self._send({"id": message["id"], "result": result})
        return message

    def _tell(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: Json) -> None:
        assert self._server.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._server.stdin.flush()

    def _listen(self) -> None:
        stream = self._server.stdout
        assert stream is not None
        while header := stream.readline():
            length = int(header.split(b":")[1])
            while stream.readline().strip():
                pass
            self._came.put(json.loads(stream.read(length)))
