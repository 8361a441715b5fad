"""A second camera's view of one thing: what its depth and its picture say of it. Nothing has to move for it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from vlm_bt.leaves.context import Ports
from vlm_bt.leaves.looking import apart, what_are_they
from vlm_bt.ports import Ticket
from vlm_bt.scene.geometry import project, rectangle
from vlm_bt.types import Answer, Evidence, LocatedObject
from vlm_bt.vision.geometry import SeenRegion, Segment, Segmented

SAME_WITHIN_M = 0.015
NOTHING_WITHIN_M = 0.030
SAME_AREA = 2.0
EDGE_PX = 4

View = Generator[Ticket[Any], Any, tuple[tuple[Evidence, ...], Answer | None]]


def second_view(ports: Ports, camera: str, thing: LocatedObject, error_rate: float) -> View:
    """Look at a thing from another camera; what it shows, and what a model makes of it where it is seen whole.

    A camera that is not there, or does not see the place, says nothing either way.
    """
    shot = ports.camera.request(camera)
    taken = yield shot
    if not taken.ok:
        return _nothing(camera, f"gives no picture: {taken}")
    segmented: Ticket[Segmented] = ports.vision.submit(Segment(shot.value))
    seen = yield segmented
    if not seen.ok:
        return _nothing(camera, f"shows no bench: {seen}")
    if not _in_picture(ports, shot.value, thing):
        return _nothing(camera, "does not show the place")
    region, evidence = matched(camera, thing, segmented.value.regions)
    if region is None:
        return (evidence,), None
    ticket = what_are_they(ports, [region.index], frame_id=shot.value, error_rate=error_rate)
    answered = yield ticket
    if not answered.ok:
        return (evidence, Evidence(f"{camera} picture", f"no model looked at it: {answered}")), None
    return (evidence,), ticket.value[0]


def matched(camera: str, thing: LocatedObject, regions: Sequence[SeenRegion]) -> tuple[SeenRegion | None, Evidence]:
    """What another camera's depth shows where a thing lies: itself, something of another size, or nothing."""
    source = f"{camera} depth"
    x, y = thing.footprint.centre

    def away(region: SeenRegion) -> float:
        return apart(thing, region.footprint.centre)

    nearest = min((region for region in regions if not region.container), key=away, default=None)
    if nearest is None or away(nearest) > max(NOTHING_WITHIN_M, thing.footprint.length_m / 2):
        return None, Evidence(source, f"nothing stands out at ({x:.2f}, {y:.2f})", "against")
    ratio = max(nearest.footprint.area_m2, 1e-6) / max(thing.footprint.area_m2, 1e-6)
    if away(nearest) > SAME_WITHIN_M or not 1 / SAME_AREA < ratio < SAME_AREA:
        return None, Evidence(source, f"something of {ratio:.0%} of its area, {away(nearest) * 1e3:.0f} mm away")
    long_mm = nearest.footprint.length_m * 1e3
    return nearest, Evidence(source, f"{long_mm:.0f} mm long, {away(nearest) * 1e3:.0f} mm from there", "for")


def _in_picture(ports: Ports, frame_id: str, thing: LocatedObject) -> bool:
    frame, shape = ports.frames.handle(frame_id), thing.footprint
    corners = rectangle(shape.centre, shape.length_m, shape.width_m, shape.yaw_rad)
    at = project(np.column_stack([corners, np.zeros(len(corners))]), frame.intrinsics, frame.pose_camera_in_base)
    if not np.isfinite(at).all():
        return False
    size = np.array([frame.intrinsics.width, frame.intrinsics.height])
    return bool((at >= EDGE_PX).all() and (at < size - EDGE_PX).all())


def _nothing(camera: str, why: str) -> tuple[tuple[Evidence, ...], None]:
    return (Evidence(f"{camera} depth", f"the camera {why}"),), None
