"""Writes an MCAP file in a thread of its own: whoever records never waits for compression or for a disk."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Any, Protocol

from mcap.writer import Writer

from vlm_bt.recording.entries import Json

FLUSH_S = 0.4
"""What was put in goes to disk at least so often: a kill costs less than 1 s."""
ROOM_BYTES = 64 * 2**20
PICTURES_SHARE = 0.5
"""Pictures may fill so much of the room; the rest is kept free for entries."""
WAKE_BYTES = 2**20
PATIENCE_S = 1.0
"""So long, all in all, entries wait for room before they are given up; it is full again once the queue has room."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """A message of the file as it is written. `stamp_ns`: nanoseconds on the mission's clock."""

    topic: str
    schema_name: str
    schema: Json
    data: bytes
    stamp_ns: int

    @property
    def size(self) -> int:
        return len(self.data)

    def messages(self) -> Iterable[Message]:
        return (self,)


class Item(Protocol):
    """What may wait to be written. `messages` is called in the writer's thread and may be slow."""

    @property
    def size(self) -> int:
        """Bytes that it holds while it waits."""
        ...

    def messages(self) -> Iterable[Message]: ...


class RecordWriter:
    """A queue of bounded bytes and the thread that empties it into a file, in the order in which things were put in.

    Args:
        stream: Open for writing; closed by `close`.
        room_bytes: How much may wait.

    Attributes:
        failed: Why nothing is written any more, such as a full disk; "" while all is well.
        written_bytes: The size of the file, without what still waits.
    """

    def __init__(self, stream: IO[bytes], room_bytes: int = ROOM_BYTES) -> None:
        self.failed = ""
        self.written_bytes = 0
        self._stream = stream
        self._mcap: Any = Writer(stream)
        self._mcap.start(profile="", library="vlm_bt")
        self._channels: dict[str, int] = {}
        self._room = room_bytes
        self._queue: deque[Item] = deque()
        self._waiting = 0
        self._patience_s = PATIENCE_S
        self._change = threading.Condition()
        self._asked = self._synced = 0
        self._closing = False
        self._due_s = 0.0
        self._flush()
        self._thread = threading.Thread(target=self._run, name="record writer", daemon=True)
        self._thread.start()

    @property
    def waiting_bytes(self) -> int:
        return self._waiting

    def offer(self, picture: Item) -> bool:
        """Put a picture in; False where there is no room for it. Never waits."""
        with self._change:
            fits = self._waiting + picture.size <= self._room * PICTURES_SHARE
            if fits and self._works:
                self._append(picture)
                return True
        return False

    def put(self, entry: Item) -> bool:
        """Put an entry in; waits for room within `PATIENCE_S`. False where it is lost."""
        with self._change:
            if self._waiting + entry.size > self._room and self._works:
                began = time.monotonic()
                self._change.notify_all()
                self._change.wait_for(lambda: self._has_room(entry) or not self._works, self._patience_s)
                self._patience_s = max(0.0, self._patience_s - (time.monotonic() - began))
            if not self._works or not self._has_room(entry):
                return False
            if self._waiting <= self._room / 2:
                self._patience_s = PATIENCE_S
            self._append(entry)
            return True

    def sync(self, limit_s: float) -> bool:
        """Wait until all that was put in is with the operating system; False where it is not within the limit."""
        with self._change:
            self._asked += 1
            mine = self._asked
            self._change.notify_all()
            self._change.wait_for(lambda: self._synced >= mine or not self._thread.is_alive(), limit_s)
            return self._synced >= mine and not self.failed

    def close(self, limit_s: float) -> bool:
        """Write what waits and the index, and end the thread; False where that was not done within the limit."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        self._thread.join(limit_s)
        return not self._thread.is_alive() and not self.failed

    @property
    def _works(self) -> bool:
        return not self.failed and not self._closing

    def _has_room(self, item: Item) -> bool:
        return not self._queue or self._waiting + item.size <= self._room

    def _append(self, item: Item) -> None:
        self._queue.append(item)
        self._waiting += item.size
        if self._waiting >= WAKE_BYTES:
            self._change.notify_all()

    def _run(self) -> None:
        try:
            while self._write_batch():
                pass
            self._mcap.finish()
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except Exception as cause:
            # The thread's boundary: whatever it was (a full disk, a bug), the mission goes on and is told.
            self.failed = f"{type(cause).__name__}: {cause}"
            log.exception("the mission's record cannot be written any further")
        finally:
            with self._change:
                self._queue.clear()
                self._waiting = 0
                self._change.notify_all()
            try:
                self._stream.close()
            except OSError as cause:
                self.failed = self.failed or str(cause)

    def _write_batch(self) -> bool:
        """Write what waits; False once there is nothing more to come."""
        with self._change:
            self._change.wait_for(self._wanted, FLUSH_S)
            count, asked, closing = len(self._queue), self._asked, self._closing
        self._due_s = time.monotonic() + FLUSH_S
        for _ in range(count):
            item = self._queue[0]
            for message in item.messages():
                self._add(message)
            with self._change:
                self._queue.popleft()
                self._waiting -= item.size
                self._change.notify_all()
            if time.monotonic() >= self._due_s:
                self._flush(durable=True)
                self._due_s = time.monotonic() + FLUSH_S
        if count:
            self._flush(durable=asked == self._synced)
        with self._change:
            self._synced = asked
            self._change.notify_all()
        return not closing

    def _wanted(self) -> bool:
        return self._closing or self._asked > self._synced or self._waiting >= WAKE_BYTES

    def _add(self, message: Message) -> None:
        channel = self._channels.get(message.topic)
        if channel is None:
            schema = json.dumps(message.schema).encode()
            schema_id = self._mcap.register_schema(message.schema_name, "jsonschema", schema)
            channel = self._channels[message.topic] = self._mcap.register_channel(message.topic, "json", schema_id)
        self._mcap.add_message(channel, message.stamp_ns, message.data, message.stamp_ns)

    def _flush(self, durable: bool = False) -> None:
        """End the chunk and hand it to the operating system; `durable`: and wait until the disk has it."""
        self._mcap.flush()
        self._stream.flush()
        self.written_bytes = self._stream.tell()
        if durable:
            os.fsync(self._stream.fileno())
