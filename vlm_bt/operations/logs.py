"""Logs that programs read: one JSON object a line, written by a thread of its own.

Every line has `time` (UTC), `level`, `logger`, `message`, and of the mission under way `mission`, `tick` and `node`.
What models and people said stands in `data`, never in `message`: it is data.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import queue
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener, WatchedFileHandler
from types import TracebackType
from typing import IO, Any

from pythonjsonlogger.json import JsonFormatter

from vlm_bt.errors import ConfigError

ROOM = 10_000
"""Lines that may wait for the disk; more are lost, and counted."""
CLOSE_LIMIT_S = 5.0
HIDDEN = "[hidden]"
SECRET_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
SHORTEST_SECRET = 8
"""Shorter values of such variables, such as "true", are no secrets."""
SECRET_SHAPES = re.compile(r"(?<=Bearer )[\w.~+/=-]+|\bsk-[\w-]{16,}|\bhf_\w{16,}|(?<=://)[^/\s\"@]+:[^/\s\"@]+(?=@)")
"""Keys of an HTTP header, of OpenAI and Hugging Face as their documentation shows them, and a URL's user:password."""

log = logging.getLogger(__name__)


@dataclass
class Standing:
    """Where the mission under way stands, for the lines of whoever logs. `tick`: the one that runs or comes next;
    `node`: the leaf that ran last."""

    mission: str = ""
    tick: int = 0
    node: str = ""


class JsonLog:
    """Takes what the program logs, from `vlm_bt` at `level` and from libraries as their own levels have it.

    Nobody waits for it: where the disk is too slow lines are dropped, and a line says how many.

    Args:
        target: A file, which is added to and may be rotated from outside, or "-" for standard error.
        level: The least that is written, such as "info".
        secret_variables: Environment variables whose values are never written, beside those called like keys.

    Raises:
        ConfigError: The file cannot be written.
    """

    def __init__(self, target: str, level: str = "info", secret_variables: Iterable[str] = ()) -> None:
        self.standing = Standing()
        sink: logging.Handler
        try:
            sink = _Stderr() if target == "-" else _File(target, encoding="utf-8")
        except OSError as cause:
            raise ConfigError(
                f"--log-json {target}: cannot be written ({cause.strerror}); name a file in a folder that is there, "
                "or - for standard error"
            ) from cause
        sink.setFormatter(_Lines(secrets_of(os.environ.items(), set(secret_variables))))
        self._waiting: queue.Queue[Any] = queue.Queue(ROOM)
        self._handler = _Waiting(self._waiting, self.standing)
        self._listener = _Listener(self._waiting, sink)
        self._sink = sink
        self._closed = False
        self._ours = logging.getLogger("vlm_bt")
        self._level_before = self._ours.level
        self._ours.setLevel(level.upper())
        logging.getLogger().addHandler(self._handler)
        self._listener.start()

    def close(self) -> None:
        """Write what waits, within `CLOSE_LIMIT_S`, and log no more. Idempotent."""
        if self._closed:
            return
        self._closed = True
        logging.getLogger().removeHandler(self._handler)
        self._ours.setLevel(self._level_before)
        if not self._listener.stopped(self._waiting):
            return
        if self._handler.lost:
            self._sink.handle(self._handler.told_losses())
        # What the last lines on a full disk come to has been told.
        with suppress(OSError):
            self._sink.close()

    def __enter__(self) -> JsonLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def secrets_of(environment: Iterable[tuple[str, str]], named: set[str]) -> tuple[str, ...]:
    """The values that must not be written, longest first: one may be part of another."""
    found = {
        value
        for name, value in environment
        if value and (name in named or (SECRET_NAMES.search(name) and len(value) >= SHORTEST_SECRET))
    }
    return tuple(sorted(found, key=len, reverse=True))


class _Lines(JsonFormatter):
    """A line, without secrets. ASCII only: no control character of what somebody said reaches a terminal."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__(json_ensure_ascii=True, json_default=str)
        # As they look in JSON.
        self._secrets = tuple(json.dumps(secret)[1:-1] for secret in secrets)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        return log_data

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        stamp = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data["time"] = stamp.replace("+00:00", "Z")
        log_data["level"] = record.levelname.lower()
        log_data["logger"] = record.name
        for name in ("mission", "tick", "node"):
            log_data[name] = getattr(record, name, "")
        log_data["message"] = message_dict.get("message", record.getMessage())
        for name in ("data", "t"):
            if hasattr(record, name):
                log_data[name] = getattr(record, name)
        if message_dict.get("exc_info"):
            log_data["trace"] = message_dict["exc_info"]

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in self._secrets:
            line = line.replace(secret, HIDDEN)
        return SECRET_SHAPES.sub(HIDDEN, line)


class _Waiting(QueueHandler):
    """Puts lines aside for the thread that writes them. Never waits."""

    def __init__(self, waiting: queue.Queue[Any], standing: Standing) -> None:
        super().__init__(waiting)
        self._standing = standing
        self.lost = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """A copy that keeps its trace, with where the mission stood when it was logged."""
        record = copy.copy(record)
        record.msg, record.args = record.getMessage(), None
        for name, value in vars(self._standing).items():
            record.__dict__.setdefault(name, value)
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            if self.lost:
                self.queue.put_nowait(self.told_losses())
                self.lost = 0
            self.queue.put_nowait(record)
        except queue.Full:
            self.lost += 1

    def told_losses(self) -> logging.LogRecord:
        told = log.makeRecord(log.name, logging.WARNING, __file__, 0, "log lines were lost", (), None)
        told.__dict__.update(vars(self._standing), data={"count": self.lost})
        return told


class _Listener(QueueListener):
    """The thread that writes. Python's own cannot be told to end while its queue is full."""

    def stopped(self, waiting: queue.Queue[Any]) -> bool:
        """Write what waits and end; False where that takes too long."""
        thread, self._thread = self._thread, None
        with suppress(queue.Full):
            waiting.put(None, timeout=CLOSE_LIMIT_S)
        if thread is not None:
            thread.join(CLOSE_LIMIT_S)
        return thread is None or not thread.is_alive()


class _OnceTold(logging.Handler):
    """Says once on standard error that lines cannot be written, instead of a trace for each."""

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        if not self._told:
            self._told = True
            print(f"vlm-bt: log lines cannot be written any more: {sys.exc_info()[1]}", file=sys.stderr)


class _File(_OnceTold, WatchedFileHandler): ...


class _Stderr(_OnceTold, logging.StreamHandler[IO[str]]): ...
