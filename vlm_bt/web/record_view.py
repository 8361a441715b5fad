"""A record for browsers: finished, or of a mission that another program runs."""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from vlm_bt.web.access import Role
from vlm_bt.web.live_cameras import LiveCameras
from vlm_bt.web.log import MissionLog, camera_of
from vlm_bt.web.pictures import depth_in_grey, png
from vlm_bt.web.source import Command, Done, done
from vlm_bt.web.tail import RecordTail

LOOKS_EVERY_S = 0.5


class RecordView:
    """Follows a record file; use as a context manager, or call `close`.

    Raises:
        ConfigError: There is no such file, or it is no record.
    """

    kind: Literal["record"] = "record"
    commands: frozenset[str] = frozenset()
    pictures: LiveCameras | None = None
    now: Mapping[str, Any] | None = None

    def __init__(self, path: Path) -> None:
        self.name = path.parent.resolve().name
        self.log = MissionLog()
        self.cameras: tuple[str, ...] = ()
        self._looks: dict[str, dict[str, Any]] = {}
        self._tail = RecordTail(path)
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._take_in()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="view-record")
        self._thread.start()

    def picture(self, frame: str) -> bytes | None:
        with self._lock:
            return self._tail.picture(frame)

    def depth(self, frame: str) -> bytes | None:
        with self._lock:
            image = self._tail.picture(frame, depth=True)
        if image is None:
            return None
        millimetres = np.asarray(Image.open(io.BytesIO(image)), np.float32)
        return png(depth_in_grey(millimetres[::2, ::2] / 1e3))

    def do(self, command: Command, role: Role) -> Future[Done]:
        return done(False, "this is a record: nothing can be done there")

    def close(self) -> None:
        """Idempotent."""
        self._closed.set()
        self._thread.join(5.0)

    def __enter__(self) -> RecordView:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _follow(self) -> None:
        while not self._tail.ended and not self._closed.wait(LOOKS_EVERY_S):
            self._take_in()

    def _take_in(self) -> None:
        with self._lock:
            for topic, data in self._tail.more():
                channel = topic.partition("/")[0]
                if channel == "frame":
                    size = {name: data.get(name) for name in ("width", "height")}
                    # The picture of a look is written after it.
                    self._looks.pop(str(data.get("id")), {}).update(size)
                elif channel == "configuration":
                    self._lay_out(data)
                elif channel == "detections":
                    self._show(data)
                else:
                    self.log.append(channel, data)

    def _lay_out(self, configuration: Mapping[str, Any]) -> None:
        settings = configuration.get("settings") or {}
        told = (settings.get("bench") or {}).get("zones") or {}
        zones = [{"name": name, **zone} for name, zone in told.items() if zone.get("x") and zone.get("y")]
        limit_s = (settings.get("mission") or {}).get("time_limit_s")
        self.log.append("bench", {"t": configuration.get("t", 0.0), "zones": zones, "time_limit_s": limit_s})
        about = {"seed": configuration.get("seed"), "inputs": configuration.get("inputs")}
        self.log.append("configuration", {"t": configuration.get("t", 0.0), **about})

    def _show(self, data: Mapping[str, Any]) -> None:
        camera = camera_of(data)
        if camera and camera not in self.cameras:
            self.cameras = (*self.cameras, camera)
        items = [{**one, "belief": "verified" if one.get("verified") else "claimed"} for one in data.get("items") or ()]
        about = {**data, "camera": camera, "items": items}
        self._looks[str(data.get("frame"))] = about
        self.log.append("detections", about)
