"""Live pictures for browsers: taken when somebody looks, compressed in a thread of their own."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from vlm_bt.types import Frame
from vlm_bt.web.pictures import LivePicture, Shelf, Shot, compressed, jpeg

EVERY_S = 1 / 15
WAITING = 16
"""So many pictures may wait for their place on the shelf; further ones are not kept."""

Wanted = tuple[str, str]
"""Camera, and "colour" or "depth"."""

log = logging.getLogger(__name__)


class LiveCamera(Protocol):
    """Cameras that can be looked through at any moment, without the mission's taking a picture.

    Attributes:
        sizes: (width, height) of the mission's pictures of each, pixels; what is drawn may be smaller.
    """

    names: tuple[str, ...]
    sizes: Mapping[str, tuple[int, int]]

    def open(self) -> None:
        """In the pictures' thread, before the first `draw`: somebody looks. Idempotent."""
        ...

    def hold(self) -> None:
        """In the executive's thread: keep what there is to see now. Must be quick."""
        ...

    def draw(self, camera: str, depth: bool) -> Mapping[str, bytes]:
        """In the pictures' thread: JPEGs of what was held last, "colour" and, where it is wanted, "depth"."""
        ...

    def close(self) -> None:
        """In the pictures' thread. Idempotent."""
        ...


class LiveCameras:
    """Makes the pictures that browsers want, 15 a second at most, and fills the shelf.

    The executive's thread only holds what is to be seen, or copies a frame that the mission took. A picture that is not
    compressed when the next one is there is left out.

    Args:
        live: None shows the frames that the mission takes itself.
        began_s: When the mission begins, on its clock.
    """

    def __init__(self, shelf: Shelf, live: LiveCamera | None = None, began_s: float = 0.0) -> None:
        self._shelf = shelf
        self._live = live
        self._lock = threading.Lock()
        self._wanted: dict[object, frozenset[Wanted]] = {}
        self._wakes: dict[object, Callable[[], None]] = {}
        self._latest: dict[Wanted, LivePicture] = {}
        self._taken: dict[str, Frame] = {}
        self._to_keep: deque[Frame] = deque()
        self._held: tuple[float, float | None] | None = (began_s, None) if live is not None else None
        """When what the camera holds was taken: on the mission's clock, and in milliseconds of the epoch; None: the
        mission has not begun, and it is still so."""
        self._next_s = 0.0
        self._seq = 0
        self._work = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="view-pictures")
        self._thread.start()

    def want(self, who: object, wanted: Iterable[Wanted], wake: Callable[[], None]) -> None:
        """A browser wants these pictures, and to be woken when there is one."""
        with self._lock:
            self._wanted[who], self._wakes[who] = frozenset(wanted), wake
        self._work.set()

    def leave(self, who: object) -> None:
        with self._lock:
            self._wanted.pop(who, None)
            self._wakes.pop(who, None)

    def latest(self, one: Wanted) -> LivePicture | None:
        with self._lock:
            return self._latest.get(one)

    @property
    def wanted(self) -> frozenset[Wanted]:
        with self._lock:
            return frozenset().union(*self._wanted.values())

    def between_ticks(self, t: float) -> None:
        """In the executive's thread: hold what the cameras see now, where somebody wants it and it is time."""
        now_s = time.monotonic()
        if self._live is None or now_s < self._next_s or not self.wanted:
            return
        self._next_s = max(self._next_s + EVERY_S, now_s + EVERY_S / 4)
        self._live.hold()
        with self._lock:
            self._held = (t, time.time() * 1e3)
        self._work.set()

    def wants_frames_of(self, camera: str) -> bool:
        """Whether a frame that the mission took is to be given to `show`."""
        return self._live is None and any(camera == name for name, _ in self.wanted)

    def show(self, frame: Frame) -> None:
        """Show a private copy of a frame that the mission took."""
        with self._lock:
            self._taken[frame.camera] = frame
        self._work.set()

    def keep(self, frame: Frame) -> None:
        """Put a private copy of a frame on the shelf; not where too many wait."""
        if len(self._to_keep) < WAITING:
            self._to_keep.append(frame)
            self._work.set()

    def close(self) -> None:
        """Idempotent."""
        self._closed = True
        self._work.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._closed:
            self._work.wait()
            self._work.clear()
            try:
                self._make()
            except Exception:
                # A picture less: the mission and the rest of the view go on.
                log.exception("a picture for browsers could not be made")
        if self._live is not None:
            self._live.close()

    def _make(self) -> None:
        wanted = self.wanted
        if wanted and self._live is not None:
            self._live.open()
        with self._lock:
            held = self._held if wanted else None
            self._held = None if wanted else self._held
            taken, self._taken = self._taken, {}
        if held is not None and self._live is not None:
            t, at_ms = held[0], held[1] or time.time() * 1e3
            for camera in sorted({name for name, _ in wanted} & set(self._live.names)):
                images = self._live.draw(camera, (camera, "depth") in wanted)
                self._publish(Shot(camera, "", t, at_ms, *self._live.sizes[camera]), images, wanted)
        for camera, frame in taken.items():
            height, width = frame.rgb.shape[:2]
            shot = Shot(camera, frame.id, frame.stamp_s, time.time() * 1e3, width, height)
            depth_m = frame.depth_m if (camera, "depth") in wanted else None
            self._publish(shot, compressed(frame.rgb, depth_m), wanted)
        while self._to_keep:
            frame = self._to_keep.popleft()
            self._shelf.put(frame.id, jpeg(frame.rgb), frame.depth_m)

    def _publish(self, shot: Shot, images: Mapping[str, bytes], wanted: frozenset[Wanted]) -> None:
        self._seq += 1
        for kind, image in images.items():
            one = (shot.camera, kind)
            if one not in wanted:
                continue
            picture = LivePicture(shot, kind, self._seq, image)
            with self._lock:
                self._latest[one] = picture
                wakes = [wake for who, wake in self._wakes.items() if one in self._wanted[who]]
            for wake in wakes:
                with contextlib.suppress(RuntimeError):  # its event loop is closed
                    wake()
