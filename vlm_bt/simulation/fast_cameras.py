"""The cameras of the fast fidelity: without sensor noise, and with what lay where in each picture.

Without noise two pictures of a scene in which nothing moved are the same to the last bit, so it is drawn once. They are
as large as in full: at two thirds of the size depth places things 3 mm off, at half it loses some (measured).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray
from shapely.geometry import MultiPoint
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from vlm_bt.frames import FrameStore
from vlm_bt.simulation.cameras import Drawable, SimulatedCameras, believed_pose, intrinsics_of
from vlm_bt.simulation.monitor import CAMERA as MONITOR
from vlm_bt.simulation.monitor import WorkspaceMonitor
from vlm_bt.simulation.scenario import Item, Scenario
from vlm_bt.simulation.truth import corners_of
from vlm_bt.types import Frame

KEPT_FRAMES = 64


@dataclass(frozen=True, eq=False)
class Shown:
    """An item as a picture has it: what it covers, seen from above, base frame, metres. `pose`: where and how it lies,
    rounded so that it changes only when it is moved."""

    item: Item
    outline: BaseGeometry
    pose: tuple[int, ...]


class FastCameras(SimulatedCameras):
    """The Camera port of the fast fidelity."""

    def __init__(self, world: Drawable, scenario: Scenario, frames: FrameStore) -> None:
        super().__init__(world, frames)
        self._scenario = scenario
        self._bodies = {item.name: int(world.model.joint(f"{item.name}_free").qposadr[0]) for item in scenario.items}
        self._states: dict[str, bytes] = {}
        self._outlines: dict[str, tuple[bytes, Shown]] = {}
        self._shown: OrderedDict[str, tuple[Shown, ...]] = OrderedDict()

    def shown(self, frame_id: str) -> tuple[Shown, ...]:
        """What lay where when this picture was taken; what lies where now for a picture that is not known."""
        known = self._shown.get(frame_id)
        return tuple(self._look()) if known is None else known

    def _take(self, camera: str, now_s: float, step: int) -> Frame:
        frame_id = self._frames.new_id(camera)
        old = self._last.get(camera)
        if camera in self.frozen and old is not None:
            self._note(frame_id, self._shown.get(old.id, ()))
            return replace(old, id=frame_id)
        model, data = self._world.model, self._world.data
        state = data.qpos.tobytes() + data.mocap_pos.tobytes() + data.mocap_quat.tobytes()
        if old is None or self._states.get(camera) != state:
            mujoco.mj_camlight(model, data)
            rgb, depth = self.renderer.render(data, camera)
            self.rendered += 1
            self._states[camera] = state
        else:
            rgb, depth = old.rgb, old.depth_m
        pose = believed_pose(model, data, camera)
        frame = Frame(frame_id, camera, rgb, depth, intrinsics_of(model, camera), pose, now_s)
        self._last[camera] = frame
        self._note(frame_id, tuple(self._look()))
        return frame

    def _note(self, frame_id: str, shown: tuple[Shown, ...]) -> None:
        self._shown[frame_id] = shown
        while len(self._shown) > KEPT_FRAMES:
            self._shown.popitem(last=False)

    def _look(self) -> Iterator[Shown]:
        for item in self._scenario.items:
            at = self._bodies[item.name]
            pose = self._world.data.qpos[at : at + 7]
            known = self._outlines.get(item.name)
            if known is None or known[0] != pose.tobytes():
                known = (pose.tobytes(), Shown(item, _outline(item, pose), tuple((pose * 100).round().astype(int))))
                self._outlines[item.name] = known
            yield known[1]


class FastMonitor(WorkspaceMonitor):
    """The monitor by rays instead of a drawing, and only while somebody has left their corner.

    It sees the depth that the full monitor sees, at the same pixels, without the items. The arm alone is never taken
    for somebody, as in full: it takes its own links out.
    """

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData, segments: Any) -> None:
        self._model = model
        rays = DepthByRays(model)
        super().__init__(model, data, segments, renderer=rays)  # type: ignore[arg-type]
        self._away = data.mocap_pos.copy()

    def intruders(self) -> NDArray[np.float64]:
        if np.array_equal(self._data.mocap_pos, self._away):
            return np.zeros((0, 3))
        return super().intruders()


class DepthByRays:
    """Depth of the monitor's camera by casting a ray through the middle of each pixel."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        lens = intrinsics_of(model, MONITOR)
        columns, rows = np.meshgrid(np.arange(lens.width), np.arange(lens.height))
        # MuJoCo's camera looks along -z, with y up.
        ways = np.stack([(columns - lens.cx) / lens.fx, -(rows - lens.cy) / lens.fy, -np.ones(columns.shape)], -1)
        self._shape = columns.shape
        self._lengths = np.linalg.norm(ways, axis=-1).ravel()
        self._ways = ways.reshape(-1, 3) / self._lengths[:, None]

    def depth(self, data: mujoco.MjData, camera: str, hidden_groups: Sequence[int] = ()) -> NDArray[np.float32]:
        """(H, W) metres along the optical axis, 0 where nothing is hit."""
        index = self._model.camera(camera).id
        groups = np.array([group < 3 and group not in hidden_groups for group in range(6)], np.uint8)
        count = len(self._ways)
        geoms, apart = np.zeros(count, np.int32), np.zeros(count)
        eye, turn = data.cam_xpos[index], data.cam_xmat[index].reshape(3, 3)
        ways = np.ascontiguousarray(self._ways @ turn.T).ravel()
        mujoco.mj_multiRay(self._model, data, eye, ways, groups, 1, -1, geoms, apart, None, count, 10.0)
        depth = np.where(geoms >= 0, apart / self._lengths, 0.0)
        return depth.reshape(self._shape).astype(np.float32)


def _outline(item: Item, pose: NDArray[np.float64]) -> BaseGeometry:
    matrix = np.zeros(9)
    mujoco.mju_quat2Mat(matrix, pose[3:7])
    turn = matrix.reshape(3, 3).T
    hulls = [MultiPoint((corners @ turn + pose[:3])[:, :2]).convex_hull for corners in corners_of(item)]
    return unary_union(hulls)
