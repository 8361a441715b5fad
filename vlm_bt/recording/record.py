"""A mission's record, read: one MCAP file, also one that is still being written or was cut off.

Every channel is JSON with a schema. Pictures are `foxglove.CompressedImage` messages, so that Foxglove Studio shows
them.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TypeVar

from mcap.exceptions import McapError
from mcap.records import Channel, Footer, Message
from mcap.stream_reader import StreamReader

from vlm_bt.errors import ConfigError
from vlm_bt.recording import entries
from vlm_bt.recording.annotation_messages import ANNOTATION_TOPIC
from vlm_bt.recording.entries import Entry, Json, Kept
from vlm_bt.recording.frame_messages import CALIBRATION_TOPIC, DEPTH_TOPIC, FRAME_TOPIC, TRANSFORM_TOPIC

E = TypeVar("E", bound=Entry)

LONGEST_RECORD = 2**28


@dataclass(frozen=True)
class Record:
    """A mission's record in memory.

    Attributes:
        entries: Every message, in the order in which it was written.
        complete: False where the file ends before its index: the mission still runs, or was killed.
    """

    path: Path
    entries: tuple[Entry, ...]
    complete: bool

    @classmethod
    def read(cls, path: Path | str) -> Record:
        """Read a record, also one that is still being written or was cut off.

        Raises:
            ConfigError: There is no such file, or it is no MCAP file.
        """
        path = Path(path)
        try:
            with path.open("rb") as stream:
                found, complete = _messages(stream)
        except OSError as cause:
            raise ConfigError(f"no record can be read from {path}: {cause.strerror}") from cause
        except (McapError, struct.error, UnicodeDecodeError) as cause:
            raise ConfigError(f"{path} is not a mission's record: it is no MCAP file") from cause
        return cls(path, tuple(typed(topic, data) for topic, data in found), complete)

    def of(self, kind: type[E]) -> Iterator[E]:
        """The messages of one kind, oldest first."""
        return (one for one in self.entries if isinstance(one, kind))

    def last(self, kind: type[E]) -> E | None:
        return next((one for one in reversed(self.entries) if isinstance(one, kind)), None)

    @property
    def configuration(self) -> Json:
        written = self.last(entries.Configuration)
        return written.data if written else {}

    @property
    def result(self) -> Json:
        """The final JSON object; empty where the mission did not come to its end."""
        written = self.last(entries.MissionResult)
        if written is None:
            return {}
        return {name: value for name, value in written.data.items() if name not in ("t", "tick")}

    @property
    def pictures(self) -> dict[str, Kept]:
        """Evidence pictures by frame id."""
        return {kept.id: kept for kept in self.of(Kept)}


def _messages(stream: IO[bytes]) -> tuple[list[tuple[str, Json]], bool]:
    """The messages up to where the file is cut off or damaged, and whether it is whole.

    Raises:
        McapError: Already the file's first bytes are not MCAP's.
    """
    records = StreamReader(stream, validate_crcs=True, record_size_limit=LONGEST_RECORD).records
    next(records)
    topics: dict[int, str] = {}
    found: list[tuple[str, Json]] = []
    complete = False
    try:
        for one in records:
            if isinstance(one, Channel):
                topics[one.id] = one.topic
            elif isinstance(one, Message):
                found.append((topics[one.channel_id], json.loads(one.data)))
            elif isinstance(one, Footer):
                complete = True
    except Exception:
        # mcap answers bytes that make no sense with whatever its parts raise: EndOfFile, ZstdError, UnicodeDecodeError,
        # struct.error, MemoryError... What was read before them stands, checked by checksums.
        complete = False
    return found, complete


def typed(topic: str, data: Json) -> Entry:
    """The typed value of a message."""
    if topic.startswith(CALIBRATION_TOPIC):
        return entries.entry(entries.Calibrated, data)
    if topic.startswith(ANNOTATION_TOPIC):
        return entries.entry(entries.Annotated, data)
    if topic.startswith(TRANSFORM_TOPIC):
        return entries.entry(entries.CameraPlaced, data)
    if not topic.startswith((FRAME_TOPIC, DEPTH_TOPIC)):
        return entries.entry(entries.KINDS.get(topic, Entry), data)
    about = {name: value for name, value in data.items() if name != "data"}
    image = base64.b64decode(data["data"])
    if topic.startswith(DEPTH_TOPIC):
        return replace(entries.entry(entries.KeptDepth, about), png=image)
    return replace(entries.entry(Kept, about), jpeg=image)
