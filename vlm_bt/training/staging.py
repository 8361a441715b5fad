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
from vlm_bt.simulation.noise import noisy_colour, noisy_depth
from vlm_bt.simulation.outlines import ToolModel
from vlm_bt.simulation.scene import LOOKING_DOWN, OVERHEAD_FOVY_DEG, OVERHEAD_POSITION, apply_look, parked_pose
from vlm_bt.training.casting import Prop, cast
from vlm_bt.training.data import Posing, containers_outlines, free_place, hang_off
from vlm_bt.training.lying import Place, rotation, touching, zone_at
from vlm_bt.training.silhouettes import box_of, visible_share
from vlm_bt.training.staged import EVENTS, HAZARDS, MOST_THINGS, Event, Hazard, Order, Staged, Truth
from vlm_bt.types import Frame

__all__ = ["EVENTS", "HAZARDS", "MOST_THINGS", "Event", "Hazard", "Order", "Staged", "Studio", "Truth"]

BLOCK = 12
"""Scenes that share one compiled bench and its things."""
SIZE = (1280, 720)

_CAMERA = "studio"
_USUAL = Order()
_FEWEST_DRAWN = 4


class Studio:
    """Stages scenes. Belongs to the thread that made it; `close` it, or use it in a `with`.

    Args:
        seed: Training from 100,000, calibration from 5,000, evaluation from 6,000; missions lie below 5,000.
        size: (width, height) of the frames in pixels; the mission camera's if not given.

    Raises:
        DrawingError: Nothing can draw here (when the first scene is staged).
    """

    def __init__(self, seed: int, order: Order = _USUAL, size: tuple[int, int] | None = None) -> None:
        self.seed, self.order, self.size = seed, order, size or SIZE
        self._posing: Posing | None = None
        self._block = -1
        self._props: list[Prop] = []

    def stage(self, number: int) -> Staged:
        """The scene with this number, 0 and up."""
        posing = self._open(number // BLOCK)
        rng = np.random.default_rng([self.seed, number, 17])
        apply_look(posing.model, rng)
        hang_off(posing.model, _CAMERA, OVERHEAD_POSITION, LOOKING_DOWN, rng)
        places = self._lay_out(rng)
        frame, truths = self._look(posing, places, 2 * number)
        return Staged(self.seed, (frame,), (truths,), "nothing", None, None, (), ())

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
        things = [(prop.name, prop.tool, prop.kind) for prop in self._props]
        self._posing = Posing(things, int(rng.integers(1 << 30)), furnish=self._furnish)
        self._block = block
        return self._posing

    def _furnish(self, spec: Any) -> None:
        room = spec.visual.global_
        room.offwidth, room.offheight = max(room.offwidth, self.size[0]), max(room.offheight, self.size[1])
        spec.worldbody.add_camera(
            name=_CAMERA, pos=OVERHEAD_POSITION, quat=LOOKING_DOWN, fovy=OVERHEAD_FOVY_DEG, resolution=self.size
        )

    def _lay_out(self, rng: np.random.Generator) -> dict[int, Place]:
        """Per index of a prop that is shown, where it lies."""
        wanted = self.order.things
        count = int(rng.integers(_FEWEST_DRAWN, MOST_THINGS + 1)) if wanted is None else wanted
        taken, places = containers_outlines(), dict[int, Place]()
        for index in rng.permutation(len(self._props)).tolist():
            if len(places) == count:
                break
            found = free_place(self._props[index].tool, taken, rng)
            if found is not None:
                places[index] = Place(found[0], found[1], found[3])
        return places

    def _look(self, posing: Posing, places: Mapping[int, Place], step: int) -> tuple[Frame, tuple[Truth, ...]]:
        for index, prop in enumerate(self._props):
            pose = places[index].pose(prop.tool) if index in places else parked_pose(index)
            posing.put(prop.name, *pose)
        posing.update()
        key = (self.seed, "overhead", step)
        rgb, depth = posing.renderer.render(posing.data, _CAMERA)
        bodies = posing.renderer.segmentation(posing.data, _CAMERA)
        frame = Frame(
            f"overhead-{step}",
            "overhead",
            noisy_colour(rgb, key),
            noisy_depth(depth, key),
            intrinsics_of(posing.model, _CAMERA),
            optical_pose(OVERHEAD_POSITION, LOOKING_DOWN),
            0.0,
        )
        return frame, self._truths(posing, places, bodies)

    def _truths(self, posing: Posing, places: Mapping[int, Place], bodies: NDArray[np.int32]) -> tuple[Truth, ...]:
        lying: dict[str, tuple[ToolModel, Place]] = {
            self._props[index].name: (self._props[index].tool, place) for index, place in places.items()
        }
        near = touching(lying)
        eye = posing.model.camera(_CAMERA).id
        lens = intrinsics_of(posing.model, _CAMERA)
        position, turn = posing.data.cam_xpos[eye], posing.data.cam_xmat[eye].reshape(3, 3)
        truths = []
        for index, place in sorted(places.items()):
            prop = self._props[index]
            seen = bodies == posing.model.body(prop.name).id
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
                    "",
                    place.stands,
                )
            )
        return tuple(truths)
