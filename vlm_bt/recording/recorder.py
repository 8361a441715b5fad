"""The Recorder port: what happens in a mission goes into one MCAP file, and nobody waits for the disk."""

from __future__ import annotations

import fcntl
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from vlm_bt.errors import ConfigError
from vlm_bt.frames import FrameStore
from vlm_bt.recording import entries
from vlm_bt.recording.annotation_messages import Annotations
from vlm_bt.recording.frame_messages import Picture
from vlm_bt.recording.writer import ROOM_BYTES, Message, RecordWriter
from vlm_bt.settings import RecorderSettings

SYNC_LIMIT_S = 30.0
CLOSE_LIMIT_S = 30.0
ANY_FRAME = "every frame is kept"

log = logging.getLogger(__name__)


class McapRecorder:
    """The Recorder port on an MCAP file.

    Nothing slow happens in `write` and `keep_frame`, so leaves may call them in a tick: pictures are only pinned
    there and copied in `hand_over`, which the executive calls between ticks. Compressing and writing is the work of
    `RecordWriter`'s thread; it has all on disk within a second, so a process that is killed loses no more than that.

    Where it does not keep up, pictures are dropped first; entries wait for it, for 1 s at most, and are lost after
    that. A full disk ends the record and not the mission. Each of these is told in an event: `pictures_dropped`,
    `entries_lost`, `record_full`, `record_failed`.

    Args:
        clock: Seconds on the mission's clock; log times are nanoseconds of it.
        settings: Which frames are kept, and up to which size of the file.
        room_bytes: How much may wait to be written.

    Raises:
        ConfigError: The file cannot be created.
    """

    def __init__(
        self,
        path: Path,
        frames: FrameStore,
        clock: Callable[[], float],
        settings: RecorderSettings | None = None,
        *,
        room_bytes: int = ROOM_BYTES,
    ) -> None:
        self.path = path
        self._frames = frames
        self._clock = clock
        self._settings = settings or RecorderSettings()
        self._waiting: dict[str, list[str]] = {}
        self._kept: set[str] = set()
        self._seen: set[str] = set()
        self._closed = False
        self._dropped = self._lost = self._lost_untold = 0
        self._full = self._failure_told = False
        self.onlooker: Callable[[str, Mapping[str, Any]], None] = lambda channel, entry: None
        """Told of every entry as it is written. Must be quick: leaves write in a tick."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stream: IO[bytes] = path.open("wb")
        except OSError as cause:
            raise ConfigError(f"the mission's record cannot be written to {path}: {cause.strerror}") from cause
        fcntl.flock(stream, fcntl.LOCK_SH)
        self._writer = RecordWriter(stream, room_bytes)

    def write(self, channel: str, data: Mapping[str, Any]) -> None:
        """Put a message into its channel; what comes after `close` is dropped."""
        if self._closed:
            return
        now_s = self._clock()
        entry = {"t": round(now_s, 6), **data}
        text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"), default=_plain)
        self._tell_losses()
        message = Message(
            channel, f"vlm_bt.{channel}", entries.schema(channel), text.encode(), max(0, round(now_s * 1e9))
        )
        if not self._writer.put(message):
            self._lost += 1
            self._lost_untold += 1
        if channel == entries.Look.channel:
            self._annotate(entry)
        self.onlooker(channel, entry)

    def keep_frame(self, frame_id: str, why: str) -> None:
        """Pin a frame until the next `hand_over`. A frame is written once, however often it is kept."""
        if self._closed or self._settings.frames == "none" or frame_id in self._kept:
            return
        if frame_id not in self._waiting:
            if frame_id not in self._frames:
                self.write("event", {"what": "frame_gone", "frame": frame_id, "why": why})
                return
            self._frames.pin(frame_id)
        self._waiting.setdefault(frame_id, []).append(why)

    def hand_over(self) -> None:
        """Give the pictures that wait to the writer's thread. Call between ticks; never waits."""
        if self._closed:
            return
        for frame_id, reasons in self._waiting.items():
            if frame_id in self._frames:
                self._offer(frame_id, "; ".join(dict.fromkeys(reasons)))
            else:
                self.write("event", {"what": "frame_gone", "frame": frame_id, "why": "; ".join(reasons)})
            self._frames.unpin(frame_id)
            self._kept.add(frame_id)
        if self._settings.frames == "all":
            for frame_id in self._frames.ids:
                if frame_id not in self._seen and frame_id not in self._kept:
                    self._offer(frame_id, ANY_FRAME)
                self._seen.add(frame_id)
        self._waiting.clear()
        self._tell_losses()

    def flush(self) -> None:
        """Hand over, and wait until all that was written so far can be read from the file."""
        self.hand_over()
        if not self._closed and not self._writer.sync(SYNC_LIMIT_S):
            log.warning("the mission's record %s is not on disk: %s", self.path, self._writer.failed or "it is slow")

    def close(self) -> None:
        """Write what waits and the index, within `CLOSE_LIMIT_S`. Idempotent."""
        if self._closed:
            return
        self.hand_over()
        self._closed = True
        if not self._writer.close(CLOSE_LIMIT_S):
            why = self._writer.failed or f"the disk did not take it within {CLOSE_LIMIT_S:g} s"
            log.warning("the mission's record %s is cut short: %s", self.path, why)

    def _annotate(self, look: Mapping[str, Any]) -> None:
        """Boxes for Foxglove, where there are pictures to draw them on; left out where the writer does not keep up."""
        frame_id = str(look.get("frame", ""))
        if self._settings.frames != "none" and frame_id in self._frames:
            frame = self._frames.handle(frame_id)
            items = tuple(look.get("items", ()))
            self._writer.offer(Annotations(frame.camera, frame.id, frame.stamp_s, float(look["t"]), items))

    def _offer(self, frame_id: str, why: str) -> None:
        limit_mb = self._settings.limit_mb
        if limit_mb is not None and self._writer.written_bytes + self._writer.waiting_bytes > limit_mb * 1e6:
            if not self._full:
                self._full = True
                self.write("event", {"what": "record_full", "limit_mb": limit_mb, "then": "no more pictures are kept"})
            self._dropped += 1
            return
        if not self._writer.offer(Picture.copied(self._frames.get(frame_id), why, self._clock())):
            self._dropped += 1
            told = {"frame": frame_id, "why": why, "total": self._dropped}
            self.write("event", {"what": "pictures_dropped", **told})

    def _tell_losses(self) -> None:
        """Say in the record how many entries it lacks, as soon as it takes any; of its end only the onlooker hears."""
        failed = self._writer.failed
        if failed and not self._failure_told:
            self._failure_told = True
            self.onlooker("event", {"t": round(self._clock(), 6), "what": "record_failed", "why": failed})
        if self._lost_untold and not failed:
            event = {"t": round(self._clock(), 6), "what": "entries_lost", "count": self._lost_untold}
            event["total"] = self._lost
            data = json.dumps(event, separators=(",", ":")).encode()
            stamp_ns = max(0, round(self._clock() * 1e9))
            if self._writer.put(Message("event", "vlm_bt.event", entries.schema("event"), data, stamp_ns)):
                self._lost_untold = 0
                self.onlooker("event", event)


def _plain(value: Any) -> Any:
    """The plain JSON value of a numpy scalar or array, the text of anything else: a record never ends a mission."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
