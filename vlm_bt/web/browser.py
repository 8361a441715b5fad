"""One browser that is connected: what it is sent, and what it asks for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import time
from collections import deque
from concurrent.futures import Future
from typing import Any, Protocol

from vlm_bt.web.access import NEEDS, Role, may
from vlm_bt.web.live_cameras import LiveCameras, Wanted
from vlm_bt.web.log import MissionLog, as_json, texts
from vlm_bt.web.source import Command, Done, Source, number_in

EVERY_S = 1 / 15
SPAN_EVERY_S = 1.0
COMMANDS_A_SECOND = 10.0
ANSWERS_WAITING = 64
ENTRIES_AT_ONCE = 500
FASTEST_REPLAY = 64.0


class Wire(Protocol):
    """A WebSocket. Sending waits while the other side does not read."""

    async def send_text(self, data: str) -> None: ...

    async def send_bytes(self, data: bytes) -> None: ...

    async def receive_text(self) -> str: ...


class Browser:
    """Belongs to the server's event loop.

    Nothing is kept for a browser that does not read: only its own coroutine stands still, and when it reads again it
    gets what came meanwhile, or a snapshot, and of the pictures the newest.
    """

    def __init__(self, source: Source, wire: Wire, role: Role) -> None:
        self._source = source
        self._wire = wire
        self._role = role
        self._log: MissionLog | None = None
        self._count = 0
        self._ended = False
        self._at: float | None = None
        """The moment that is shown; None: now."""
        self._rate = 0.0
        self._rate_s = 0.0
        self._jumped = False
        self._span_s = 0.0
        self._now: Any = None
        self._wanted: frozenset[Wanted] = frozenset()
        self._pictures: LiveCameras | None = None
        self._seen: dict[Wanted, int] = {}
        self._answers: deque[str] = deque(maxlen=ANSWERS_WAITING)
        self._allowed, self._allowed_s = COMMANDS_A_SECOND, time.monotonic()
        self._woken = asyncio.Event()

    async def tell(self) -> None:
        """Send what there is, until the connection ends."""
        while True:
            log = self._source.log
            if log is not self._log or self._jumped:
                await self._snapshot(log)
            await self._news(log)
            await self._state()
            while self._answers:
                await self._wire.send_text(self._answers.popleft())
            await self._show()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), EVERY_S)
            self._woken.clear()

    async def hear(self) -> None:
        """Take in commands, until the connection ends."""
        while True:
            try:
                command: Any = json.loads(await self._wire.receive_text())
            except (ValueError, RecursionError):
                continue
            if isinstance(command, dict):
                self._take(command)

    def leave(self) -> None:
        """The connection has ended."""
        if self._pictures is not None:
            self._pictures.leave(self)

    async def _snapshot(self, log: MissionLog) -> None:
        if log is not self._log:
            self._log, self._at, self._ended = log, None, False
            source = self._source
            known = source.commands | {"seek", "live", "play"} | ({"cameras"} if source.pictures is not None else set())
            hello = {
                "type": "hello",
                "protocol": 1,
                "role": self._role,
                "source": source.kind,
                "mission": source.name,
                "cameras": source.cameras,
                "can": [what for what in NEEDS if what in known and may(self._role, what)],
            }
            await self._wire.send_text(as_json(hello))
        self._jumped = False
        shown = math.inf if self._at is None else self._at
        self._count, entries = log.at(shown)
        t = log.to_t if self._at is None else self._at
        span = {"type": "snapshot", "live": self._at is None, "t": t, "from_t": log.from_t, "to_t": log.to_t}
        await self._wire.send_text(f'{as_json(span)[:-1]},"entries":[{texts(entries)}]}}')

    async def _news(self, log: MissionLog) -> None:
        limit_t = self._move_on(log)
        if self._at is not None and time.monotonic() - self._span_s >= SPAN_EVERY_S:
            self._span_s = time.monotonic()
            await self._wire.send_text(as_json({"type": "span", "from_t": log.from_t, "to_t": log.to_t}))
        count, entries = log.since(self._count)
        if entries is None:
            self._jumped = True
            return
        if limit_t < math.inf:
            entries = entries[: next((n for n, one in enumerate(entries) if one.t > limit_t), len(entries))]
            count = self._count + len(entries)
        for first in range(0, len(entries), ENTRIES_AT_ONCE):
            some = entries[first : first + ENTRIES_AT_ONCE]
            to_t = log.to_t if self._at is None else self._at
            await self._wire.send_text(f'{{"type":"entries","to_t":{to_t:.3f},"entries":[{texts(some)}]}}')
        self._count = count
        result = next((one for one in reversed(entries) if one.channel == "result"), None)
        if result is not None and self._at is None and not self._ended:
            self._ended = True
            await self._wire.send_text(as_json({"type": "ended", "outcome": result.data.get("outcome", "")}))

    def _move_on(self, log: MissionLog) -> float:
        """The moment up to which entries are shown now."""
        if self._at is None:
            return math.inf
        now_s = time.monotonic()
        self._at = min(self._at + (now_s - self._rate_s) * self._rate, max(self._at, log.to_t))
        self._rate_s = now_s
        return self._at

    async def _state(self) -> None:
        now = self._source.now
        if now is not None and now is not self._now:
            self._now = now
            await self._wire.send_text(as_json({"type": "now", **now}))

    async def _show(self) -> None:
        pictures = self._source.pictures
        if pictures is not self._pictures:
            if self._pictures is not None:
                self._pictures.leave(self)
            self._pictures = pictures
            self._want()
        if pictures is None or self._at is not None:
            return
        for one in self._wanted:
            picture = pictures.latest(one)
            if picture is None or picture.seq <= self._seen.get(one, -1):
                continue
            self._seen[one] = picture.seq
            await self._wire.send_bytes(picture.message())

    def _want(self) -> None:
        if self._pictures is not None:
            loop = asyncio.get_running_loop()
            self._seen.clear()

            def wake() -> None:
                loop.call_soon_threadsafe(self._woken.set)

            self._pictures.want(self, self._wanted, wake)

    def _take(self, command: Command) -> None:
        what, number = str(command.get("do")), command.get("id")
        if not may(self._role, what):
            self._answer(number, Done(False, "you may not do that here"))
            return
        if what != "abort" and not self._in_time():
            self._answer(number, Done(False, "too fast; wait a second"))
            return
        if what in ("seek", "live", "play", "cameras"):
            self._answer(number, self._look(what, command))
            return
        loop = asyncio.get_running_loop()

        def told(future: Future[Done]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._answer, number, future.result())

        self._source.do(command, self._role).add_done_callback(told)

    def _look(self, what: str, command: Command) -> Done:
        """What concerns only this browser."""
        if what == "cameras":
            known = self._source.cameras
            colour = {(name, "colour") for name in _names(command, "want") if name in known}
            depth = {(name, "depth") for name in _names(command, "depth") if name in known}
            self._wanted = frozenset(colour | depth)
            self._want()
        elif what == "live":
            self._at, self._jumped = None, True
        elif what == "seek":
            t = number_in(command, "t")
            if t is None:
                return Done(False, "to which second?")
            self._at, self._rate, self._rate_s, self._jumped = max(0.0, t), 0.0, time.monotonic(), True
        else:
            rate = number_in(command, "rate")
            if self._at is None or rate is None or not 0 <= rate <= FASTEST_REPLAY:
                return Done(False, f"a rate from 0 to {FASTEST_REPLAY:g}, after a seek")
            self._rate, self._rate_s = rate, time.monotonic()
        self._woken.set()
        return Done(True)

    def _in_time(self) -> bool:
        """Whether one more command is not too many; a token bucket."""
        now_s = time.monotonic()
        self._allowed = min(COMMANDS_A_SECOND, self._allowed + (now_s - self._allowed_s) * COMMANDS_A_SECOND)
        self._allowed_s = now_s
        if self._allowed < 1.0:
            return False
        self._allowed -= 1.0
        return True

    def _answer(self, number: object, came: Done) -> None:
        if isinstance(number, int):
            self._answers.append(as_json({"type": "done", "id": number, "ok": came.ok, "text": came.text}))
            self._woken.set()


def _names(command: Command, key: str) -> list[str]:
    names = command.get(key)
    return [str(name) for name in names[:8]] if isinstance(names, list) else []
