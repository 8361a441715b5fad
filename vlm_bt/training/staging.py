"""Scenes on order: posed, lit, drawn with sensor noise as missions see them, and labelled by the renderer.

A studio compiles a bench once per block of scenes and poses it anew for each; the same seed, order and number give the
same bytes, whatever was staged before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_bt.simulation.cameras import intrinsics_of, optical_pose
from vlm_bt.simulation.outlines import ToolModel
from vlm_bt.simulation.scene import apply_look, parked_pose
from vlm_bt.training.arranging import Change, happen, lay_out
from vlm_bt.training.casting import Prop, cast
from vlm_bt.training.data import Posing, containers_outlines, hang_off
from vlm_bt.training.lying import Place, rotation, touching, zone_at
from vlm_bt.training.printed import add_label
from vlm_bt.training.scenery import Scenery
from vlm_bt.training.silhouettes import box_of, visible_share
from vlm_bt.training.staged import EVENTS, HAZARDS, MOST_THINGS, Event, Hazard, Order, Staged, Truth
from vlm_bt.training.viewpoint import dress_cell, furnish_cell, sensed, viewpoint_of
from vlm_bt.types import Frame

__all__ = ["EVENTS", "HAZARDS", "MOST_THINGS", "Event", "Hazard", "Order", "Staged", "Studio", "Truth"]

BLOCK = 12
"""Scenes that share one compiled bench and its things."""

_CAMERA = "studio"
_USUAL = Order()


class Studio:
    """Stages scenes. Belongs to the thread that made it; `close` it, or use it in a `with`.

    Args:
        seed: Training from 100,000, calibration from 5,000, evaluation from 6,000; missions lie below 5,000.
        size: (width, height) of the frames in pixels; the mission camera's if not given.

    Raises:
        DrawingError: Nothing can draw here (when the first scene is staged).
    """

    def __init__(self, seed: int, order: Order = _USUAL, size: tuple[int, int] | None = None) -> None:
        self.seed, self.order = seed, order
        self._view = viewpoint_of(order)
        self.size = size or self._view.size
        self._posing: Posing | None = None
        self._block = -1
        self._props: list[Prop] = []
        self._scenery = Scenery(order, np.random.default_rng(0))

    def stage(self, number: int) -> Staged:
        """The scene with this number, 0 and up.

        Raises:
            ValueError: What was ordered does not fit on the bench.
        """
        posing = self._open(number // BLOCK)
        rng = np.random.default_rng([self.seed, number, 17])
        apply_look(posing.model, rng)
        if self.order.camera == "cell":
            dress_cell(posing.model, rng)
        hang_off(posing.model, _CAMERA, self._view.position, self._view.quaternion, rng)
        taken = containers_outlines()
        self._scenery.put(posing.model, posing.data, taken, rng)
        places = lay_out(self._props, self.order, taken, rng)
        event = self.order.event
        change = happen(event, self._props, places, taken, rng) if event else Change(places, places)
        shown = (change.before, change.after) if event else (places,)
        always = {self._props[index].kind for index in set(shown[0]).intersection(*shown)}
        notes = self._scenery.withdraw(posing.model, posing.data, always)
        looks = [self._look(posing, some, 2 * number + index) for index, some in enumerate(shown)]
        return Staged(
            self.seed,
            tuple(frame for frame, _, _ in looks),
            tuple(truths for _, truths, _ in looks),
            event or "nothing",
            None if change.about is None else self._props[change.about].name,
            change.goal,
            self.order.hazards,
            notes,
            tuple(shows for _, _, shows in looks),
        )

    def close(self) -> None:
        """Idempotent."""
        if self._posing is not None:
            self._posing.close()
            self._posing = None
            self._block = -1

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, block: int) -> Posing:
        if self._posing is not None and self._block == block:
            return self._posing
        self.close()
        rng = np.random.default_rng([self.seed, block, 16])
        self._props = cast(self.order, rng)
        self._scenery = Scenery(self.order, rng)
        things = [(prop.name, prop.tool, prop.kind) for prop in self._props]
        bench = int(rng.integers(1 << 30))
        self._posing = Posing(things, bench, furnish=self._furnish, shadows=self.order.camera == "cell")
        self._block = block
        return self._posing

    def _furnish(self, spec: Any) -> None:
        room, view = spec.visual.global_, self._view
        room.offwidth, room.offheight = max(room.offwidth, self.size[0]), max(room.offheight, self.size[1])
        spec.worldbody.add_camera(
            name=_CAMERA, pos=view.position, quat=view.quaternion, fovy=view.fovy_deg, resolution=self.size
        )
        if self.order.camera == "cell":
            furnish_cell(spec, self.seed)
        for prop in self._props:
            if prop.label is not None:
                add_label(spec, prop.name, prop.label)
        self._scenery.furnish(spec)

    def _look(
        self, posing: Posing, places: Mapping[int, Place], step: int
    ) -> tuple[Frame, tuple[Truth, ...], NDArray[np.int16]]:
        for index, prop in enumerate(self._props):
            lies = places[index].pose(prop.tool) if index in places else parked_pose(index)
            posing.put(prop.name, *lies)
        posing.update()
        rgb, depth = posing.renderer.render(posing.data, _CAMERA)
        bodies = posing.renderer.segmentation(posing.data, _CAMERA)
        seen, measured = sensed(rgb, depth, (self.seed, self._view.name, step), self.order)
        lens = intrinsics_of(posing.model, _CAMERA)
        pose = optical_pose(self._view.position, self._view.quaternion)
        frame = Frame(f"{self._view.name}-{step}", self._view.name, seen, measured, lens, pose, float(step % 2))
        shows = np.zeros(bodies.shape, np.int16)
        for number, index in enumerate(sorted(places), start=1):
            shows[bodies == posing.model.body(self._props[index].name).id] = number
        return frame, self._truths(posing, places, shows), shows

    def _truths(self, posing: Posing, places: Mapping[int, Place], shows: NDArray[np.int16]) -> tuple[Truth, ...]:
        lying: dict[str, tuple[ToolModel, Place]] = {
            self._props[index].name: (self._props[index].tool, place) for index, place in places.items()
        }
        near = touching(lying)
        eye = posing.model.camera(_CAMERA).id
        lens = intrinsics_of(posing.model, _CAMERA)
        position, turn = posing.data.cam_xpos[eye], posing.data.cam_xmat[eye].reshape(3, 3)
        truths = []
        for number, (index, place) in enumerate(sorted(places.items()), start=1):
            prop = self._props[index]
            seen = shows == number
            own_position, own_turn = place.pose(prop.tool)
            share = visible_share(seen, prop.tool, own_position, rotation(own_turn), lens, position, turn)
            x, y, z = place.middle(prop.tool)
            zone = zone_at(x, y)
            truths.append(
                Truth(
                    prop.name,
                    prop.kind,
                    prop.tool.colour,
                    prop.tool.parts,
                    prop.tool.length_m,
                    (x, y, z),
                    place.yaw_rad,
                    box_of(seen),
                    share,
                    zone.name if zone else None,
                    near[prop.name],
                    prop.label.text if prop.label else "",
                    place.stands,
                )
            )
        return tuple(truths)
