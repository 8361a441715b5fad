"""What a model is shown: the picture of a camera, the part of it where a zone lies, or one thing that depth located."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np

from vlm_bt.frames import FrameHandle
from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.leaf import Input, Leaf, Output, Steps
from vlm_bt.leaves.looking import OVERHEAD, look
from vlm_bt.ports import Ticket
from vlm_bt.questions import Look
from vlm_bt.scene.geometry import project
from vlm_bt.types import Box, LocatedObject, Outcome, View, Zone

WHERE = {
    "camera": Input("text", "which camera looks, such as overhead or wrist", required=False, default=OVERHEAD),
    "zone": Input("zone", "look only at this zone of the bench", required=False),
}
WHAT = {
    **WHERE,
    "thing": Input("located_object", "look only at this thing, such as $tool.object, from above", required=False),
}
SEES_NOTHING = ("not_found", "camera_lost", "model_lost", "stale", "timed_out", "busy", "unsupported")
"""Reasons of every leaf that shows something to a model."""
STANDS_M = 0.06
"""How high the things in a zone may stand; their tops lie beside the zone in a picture taken aslant."""
SEEN_SHARE = 0.5
"""Less of a zone in the picture than this, and nothing is said of it."""
KEPT_AT_MOST = 8

Shown = Generator[Ticket[Any], Outcome, Look | Outcome]


def show(ports: Ports, camera: str, zone: str | None = None, thing: LocatedObject | None = None) -> Shown:
    """Take a picture and say which part of it is meant; an outcome where there is nothing to show."""
    if thing is not None:
        return (yield from _thing(ports, thing))
    shot = ports.camera.request(camera)
    taken = yield shot
    if not taken.ok:
        return taken
    return part_of(ports, shot.value, zone)


def part_of(ports: Ports, frame_id: str, zone: str | None) -> Look | Outcome:
    """The part of a frame where a zone lies; all of it where no zone is named."""
    if not zone:
        return Look(frame_id)
    if frame_id not in ports.frames:
        return Outcome("stale", f"picture {frame_id} is no longer kept")
    box = zone_box(ports.frames.handle(frame_id), ports.zone(zone))
    return Look(frame_id, box) if box else Outcome("not_found", f"picture {frame_id} does not show the zone {zone}")


def _thing(ports: Ports, thing: LocatedObject) -> Shown:
    seen = yield from look(ports)
    if not seen.ok:
        return seen
    now = ports.memory.objects.get(thing.id)
    if now is None:
        return Outcome("not_found", f"{thing.id} is no longer where it was")
    return Look(ports.memory.frame_id, now.region)


def zone_box(frame: FrameHandle, zone: Zone) -> Box | None:
    """Pixels where a zone and what stands in it are seen, cut at the picture's edges; None: most of it is not seen."""
    corners = [(x, y, z) for x in zone.x for y in zone.y for z in (0.0, STANDS_M)]
    at = project(np.array(corners), frame.intrinsics, frame.pose_camera_in_base)
    if not np.isfinite(at).all():
        return None
    (left, top), (right, bottom) = at.min(0), at.max(0)
    x0, y0 = max(0, math.floor(left)), max(0, math.floor(top))
    x1, y1 = min(frame.intrinsics.width, math.ceil(right)), min(frame.intrinsics.height, math.ceil(bottom))
    if x1 <= x0 or y1 <= y0 or (x1 - x0) * (y1 - y0) < SEEN_SHARE * (right - left) * (bottom - top):
        return None
    return Box(x0, y0, x1, y1)


class RememberView(Leaf):
    """Take a picture and keep it, to be compared with a later one. The latest eight are kept."""

    takes = WHERE
    gives = {"into": Output("view", "the picture, with the zone that is meant")}
    reasons = ("not_found", "camera_lost", "timed_out", "stale")
    ports: Ports

    def act(self) -> Steps:
        camera, zone = self.input("camera"), self.input("zone")
        shown = yield from show(self.ports, camera, zone)
        if isinstance(shown, Outcome):
            return shown
        kept = self.ports.memory.kept_views
        self.ports.frames.pin(shown.frame_id)
        kept.append(shown.frame_id)
        while len(kept) > KEPT_AT_MOST:
            self.ports.frames.unpin(kept.pop(0))
        self.ports.recorder.keep_frame(shown.frame_id, "remembered")
        self.output("into", View(shown.frame_id, camera, zone or ""))
        return Outcome("done", f"{shown.frame_id} is kept")
