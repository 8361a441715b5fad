"""The mission's record: one MCAP file, written as it happens.

Every channel is JSON with a schema. Pictures are `foxglove.CompressedImage` messages, so that Foxglove Studio shows
them. Each flush ends a chunk on disk: a process that is killed loses at most the messages since its last flush, and
`Record.read` reads what is there.
"""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, TypeVar

from mcap.exceptions import McapError
from mcap.records import Channel, Footer, Message
from mcap.stream_reader import StreamReader
from mcap.writer import Writer

from vlm_bt.errors import ConfigError, FrameGone
from vlm_bt.frames import FrameStore
from vlm_bt.recording import entries
from vlm_bt.recording.entries import Entry, Json, Kept

E = TypeVar("E", bound=Entry)

JPEG_QUALITY = 88
LONGEST_RECORD = 2**28
FRAME_TOPIC = "frame/"
IMAGE_SCHEMA: Json = {
    "type": "object",
    "title": "foxglove.CompressedImage",
    "properties": {
        "timestamp": {
            "type": "object",
            "title": "time",
            "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}},
        },
        "frame_id": {"type": "string"},
        "data": {"type": "string", "contentEncoding": "base64"},
        "format": {"type": "string"},
    },
}


class McapRecorder:
    """The Recorder port on an MCAP file.

    Nothing slow happens in `write` and `keep_frame`, so leaves may call them in a tick: pictures are only pinned
    there, and compressed in `flush`, which the executive calls between ticks.

    Args:
        clock: Seconds on the mission's clock; log times are nanoseconds of it.

    Raises:
        ConfigError: The file cannot be created.
    """

    def __init__(self, path: Path, frames: FrameStore, clock: Callable[[], float]) -> None:
        self.path = path
        self._frames = frames
        self._clock = clock
        self._channels: dict[str, int] = {}
        self._waiting: dict[str, list[str]] = {}
        self._kept: set[str] = set()
        self._closed = False
        self.onlooker: Callable[[str, Mapping[str, Any]], None] = lambda channel, entry: None
        """Told of every entry as it is written. Must be quick: leaves write in a tick."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: IO[bytes] = path.open("wb")
        except OSError as cause:
            raise ConfigError(f"the mission's record cannot be written to {path}: {cause.strerror}") from cause
        self._mcap: Any = Writer(self._stream)
        self._mcap.start(profile="", library="vlm_bt")
        self.flush()

    def write(self, channel: str, data: Mapping[str, Any]) -> None:
        """Put a message into its channel; what comes after `close` is dropped."""
        if not self._closed:
            now_s = self._clock()
            entry = {"t": round(now_s, 6), **data}
            self._put(channel, f"vlm_bt.{channel}", entries.schema(channel), entry, now_s)
            self.onlooker(channel, entry)

    def keep_frame(self, frame_id: str, why: str) -> None:
        """Pin a frame until the next `flush` writes its picture. A frame is written once, however often it is kept."""
        if self._closed or frame_id in self._kept:
            return
        if frame_id not in self._waiting:
            if frame_id not in self._frames:
                self.write("event", {"what": "frame_gone", "frame": frame_id, "why": why})
                return
            self._frames.pin(frame_id)
        self._waiting.setdefault(frame_id, []).append(why)

    def flush(self) -> None:
        """Compress the pictures that wait and hand everything to the operating system. Call between ticks."""
        if self._closed:
            return
        for frame_id, reasons in self._waiting.items():
            self._put_picture(frame_id, "; ".join(dict.fromkeys(reasons)))
            self._frames.unpin(frame_id)
            self._kept.add(frame_id)
        self._waiting.clear()
        self._mcap.flush()

    def close(self) -> None:
        """Write what waits and the index. Idempotent."""
        if self._closed:
            return
        try:
            self.flush()
            self._mcap.finish()
        finally:
            self._closed = True
            self._stream.close()

    def _put_picture(self, frame_id: str, why: str) -> None:
        from PIL import Image

        try:
            frame = self._frames.get(frame_id)
        except FrameGone:
            self.write("event", {"what": "frame_gone", "frame": frame_id, "why": why})
            return
        jpeg = io.BytesIO()
        Image.fromarray(frame.rgb).save(jpeg, "JPEG", quality=JPEG_QUALITY)
        stamp_ns = round(frame.stamp_s * 1e9)
        message = {
            "timestamp": {"sec": stamp_ns // 10**9, "nsec": stamp_ns % 10**9},
            "frame_id": frame.camera,
            "format": "jpeg",
            "data": base64.b64encode(jpeg.getvalue()).decode("ascii"),
            "id": frame.id,
            "camera": frame.camera,
            "why": why,
            "stamp_s": frame.stamp_s,
            "width": frame.intrinsics.width,
            "height": frame.intrinsics.height,
            "t": round(self._clock(), 6),
        }
        self._put(FRAME_TOPIC + frame.camera, "foxglove.CompressedImage", IMAGE_SCHEMA, message, self._clock())

    def _put(self, topic: str, schema_name: str, schema: Json, message: Json, now_s: float) -> None:
        if topic not in self._channels:
            schema_id = self._mcap.register_schema(schema_name, "jsonschema", json.dumps(schema).encode())
            self._channels[topic] = self._mcap.register_channel(topic, "json", schema_id)
        data = json.dumps(message, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()
        stamp_ns = max(0, round(now_s * 1e9))
        self._mcap.add_message(self._channels[topic], stamp_ns, data, stamp_ns)


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
        return cls(path, tuple(_typed(topic, data) for topic, data in found), complete)

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


def _plain(value: Any) -> Any:
    """The plain JSON value of a numpy scalar or array, the text of anything else: a record never ends a mission."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _typed(topic: str, data: Json) -> Entry:
    if not topic.startswith(FRAME_TOPIC):
        return entries.entry(entries.KINDS.get(topic, Entry), data)
    about = {name: value for name, value in data.items() if name != "data"}
    return replace(entries.entry(Kept, about), jpeg=base64.b64decode(data["data"]))
