"""Reads a record on, as it grows: each message once, and pictures again where somebody wants one."""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Footer, Message
from mcap.stream_reader import StreamReader

from vlm_bt.errors import ConfigError
from vlm_bt.recording.frame_messages import DEPTH_TOPIC, FRAME_TOPIC

MAGIC = b"\x89MCAP0\r\n"
HEAD = struct.Struct("<BQ")
LONGEST_RECORD = 2**28
PICTURES = (Opcode.CHUNK, Opcode.MESSAGE)

Json = dict[str, Any]


class RecordTail:
    """The messages of one record, from its begin to where it is complete now; belongs to one thread at a time.

    Attributes:
        ended: The file is closed: nothing more comes.

    Raises:
        ConfigError: There is no such file, or it is no MCAP file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ended = False
        self._offset = len(MAGIC)
        self._topics: dict[int, str] = {}
        self._where: dict[tuple[str, str], tuple[int, int]] = {}
        try:
            with path.open("rb") as stream:
                found = stream.read(len(MAGIC))
        except OSError as error:
            raise ConfigError(f"no record can be read from {path}: {error.strerror}") from error
        if found != MAGIC:
            raise ConfigError(f"{path} is not a mission's record: it is no MCAP file")

    def more(self) -> Iterator[tuple[str, Json]]:
        """(topic, message) of what was written since, without the bytes of pictures. Stops where a part is damaged."""
        with self.path.open("rb") as stream:
            while not self.ended:
                stream.seek(self._offset)
                head = stream.read(HEAD.size)
                if len(head) < HEAD.size:
                    return
                opcode, length = HEAD.unpack(head)
                if length > LONGEST_RECORD:
                    self.ended = True
                    return
                body = stream.read(length)
                if len(body) < length:
                    return
                at, self._offset = self._offset, self._offset + HEAD.size + length
                for topic, data in self._messages(opcode, head + body):
                    if topic.startswith((FRAME_TOPIC, DEPTH_TOPIC)):
                        kind = FRAME_TOPIC if topic.startswith(FRAME_TOPIC) else DEPTH_TOPIC
                        self._where[kind, str(data.get("id"))] = (at, HEAD.size + length)
                        data = {name: value for name, value in data.items() if name != "data"}
                    yield topic, data

    def picture(self, frame: str, *, depth: bool = False) -> bytes | None:
        """The bytes of a picture as they were written: JPEG, or PNG of 16 bits for depth; None where there is none."""
        kind = DEPTH_TOPIC if depth else FRAME_TOPIC
        where = self._where.get((kind, frame))
        if where is None:
            return None
        with self.path.open("rb") as stream:
            stream.seek(where[0])
            record = stream.read(where[1])
        for topic, data in self._messages(record[0], record):
            if topic.startswith(kind) and str(data.get("id")) == frame:
                return base64.b64decode(data["data"])
        return None

    def _messages(self, opcode: int, record: bytes) -> Iterator[tuple[str, Json]]:
        reader = StreamReader(io.BytesIO(record), skip_magic=True, record_size_limit=LONGEST_RECORD)
        try:
            for one in reader.records:
                if isinstance(one, Channel):
                    self._topics[one.id] = one.topic
                elif isinstance(one, Message):
                    yield self._topics[one.channel_id], json.loads(one.data)
                elif isinstance(one, Footer):
                    self.ended = True
        except (McapError, struct.error, ValueError, KeyError, EOFError):
            # The end of these bytes, or a part that was damaged: what was read before it stands.
            return
