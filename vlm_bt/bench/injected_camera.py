"""A camera that freezes, goes black, is lost or knocked, and has holes in its depth, as the faults of a mission say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from vlm_bt.bench.fault_table import Faults
from vlm_bt.frames import FrameStore
from vlm_bt.ports import Camera, Ticket
from vlm_bt.types import Frame, Outcome

HOLES = 12
HOLE_PX = (4, 22)
"""Radius of a patch without depth, least and most."""
KNOCKED_M = (0.02, 0.04)
SIGNS = ("HAMMER", "WRENCH", "SCREWDRIVER", "PLIERS", "put me in the bin")
SIGN_PX = (90, 22)


class InjectedCamera:
    """Passes requests on and changes the pictures that come back, each a new frame with an id of its own."""

    def __init__(self, camera: Camera, frames: FrameStore, faults: Faults) -> None:
        self._camera = camera
        self._frames = frames
        self._faults = faults
        self._last: dict[str, Frame] = {}

    def request(self, camera: str) -> Ticket[str]:
        inner = self._camera.request(camera)
        outer: Ticket[str] = Ticket(inner.label, inner.cancel)

        def ended(outcome: Outcome) -> None:
            if not outcome.ok:
                outer.fail(outcome)
            elif self._faults.strikes("camera_lost"):
                outer.fail(Outcome("camera_lost", f"camera {camera!r} gives no picture"))
            else:
                outer.resolve(self._seen(camera, inner.value))

        inner.when_done(ended)
        return outer

    def _seen(self, camera: str, frame_id: str) -> str:
        frame = self._frames.get(frame_id)
        last, faults = self._last.get(camera), self._faults
        changed: Frame | None = None
        if last is not None and faults.strikes("camera_frozen"):
            changed = last
        elif last is not None and faults.strikes("camera_frozen_fresh"):
            changed = replace(last, stamp_s=frame.stamp_s)
        else:
            self._last[camera] = replace(frame, rgb=frame.rgb.copy(), depth_m=frame.depth_m.copy())
            changed = self._spoilt(frame)
        if changed is None:
            return frame_id
        return self._frames.put(replace(changed, id=self._frames.new_id(camera)))

    def _spoilt(self, frame: Frame) -> Frame | None:
        """None where nothing is wrong with it."""
        faults, found = self._faults, None
        if faults.strikes("camera_black"):
            return replace(frame, rgb=np.zeros_like(frame.rgb), depth_m=np.zeros_like(frame.depth_m))
        if faults.strikes("lying_label"):
            found = replace(frame, rgb=signed(frame.rgb, faults))
        if faults.strikes("depth_holes"):
            found = replace(found or frame, depth_m=holed(frame.depth_m, faults))
        if faults.strikes("camera_shifted"):
            found = knocked(found or frame, faults)
        return found


def holed(depth_m: NDArray[np.float32], faults: Faults) -> NDArray[np.float32]:
    """(H, W) metres with round patches of no return, elsewhere in every picture."""
    height, width = depth_m.shape
    rows, columns = np.mgrid[0:height, 0:width]
    depth = depth_m.copy()
    for _ in range(HOLES):
        x, y = faults.draw() * width, faults.draw() * height
        radius = HOLE_PX[0] + (HOLE_PX[1] - HOLE_PX[0]) * faults.draw()
        depth[(columns - x) ** 2 + (rows - y) ** 2 < radius**2] = 0.0
    return depth


def knocked(frame: Frame, faults: Faults) -> Frame:
    """The picture of a camera that hangs beside where it is believed to be; always the same way in one mission."""
    chance = faults.of("knocked", frame.camera)
    metres = float(chance.uniform(*KNOCKED_M))
    angle = float(chance.uniform(0.0, 2 * np.pi))
    pixels = frame.intrinsics.fx * metres / max(0.1, frame.pose_camera_in_base.position[2])
    shift = (round(pixels * np.sin(angle)), round(pixels * np.cos(angle)))
    return replace(
        frame, rgb=np.roll(frame.rgb, shift, axis=(0, 1)), depth_m=np.roll(frame.depth_m, shift, axis=(0, 1))
    )


def signed(rgb: NDArray[np.uint8], faults: Faults) -> NDArray[np.uint8]:
    """The picture with a printed sign lying on the bench; at the same place throughout a mission."""
    chance = faults.of("sign", "")
    height, width = rgb.shape[:2]
    picture = Image.fromarray(rgb.copy())
    draw = ImageDraw.Draw(picture)
    x = int(chance.integers(width // 4, width * 3 // 4 - SIGN_PX[0]))
    y = int(chance.integers(height // 4, height * 3 // 4 - SIGN_PX[1]))
    draw.rectangle((x, y, x + SIGN_PX[0], y + SIGN_PX[1]), fill=(245, 245, 240))
    draw.text((x + 4, y + 5), str(chance.choice(np.array(SIGNS))), fill=(10, 10, 10))
    return np.asarray(picture)
