"""What the simulated cameras see: one drawing context for a model, and the Camera port on top of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vlm_bt.frames import FrameStore
from vlm_bt.ports import Ticket
from vlm_bt.simulation import drawing
from vlm_bt.simulation.noise import noisy_colour, noisy_depth
from vlm_bt.simulation.scene import IMAGE_SIZES, LOOKING_DOWN, MONITOR_POSITION, OVERHEAD_POSITION
from vlm_bt.types import Frame, Intrinsics, Outcome, Pose

drawing.prefer()
import mujoco  # noqa: E402  (the drawing library is chosen before MuJoCo is imported)

NOMINAL_POSITION = {"overhead": OVERHEAD_POSITION, "monitor": MONITOR_POSITION}
MISSION_CAMERAS = ("overhead", "wrist")

Rgb = NDArray[np.uint8]
DepthM = NDArray[np.float32]
Vector = NDArray[np.float64]


class Renderer:
    """Draws a model's cameras. Belongs to the thread that made it; `close` it before that thread ends.

    One context serves all image sizes. RGB and depth come from the same pass.

    Args:
        shadows: Whether the lamp casts shadows.
        samples: Samples per pixel; 0 draws fastest, with jagged edges.
        smaller: Pictures are so many times smaller each way, for a person who looks on.
        coarse: For small depth images only: room for the monitor's image and rounds made of few faces.
    """

    def __init__(
        self, model: mujoco.MjModel, *, shadows: bool = False, samples: int = 0, coarse: bool = False, smaller: int = 1
    ) -> None:
        make_context = drawing.context_class()
        self.model = model
        self._smaller = smaller
        quality, room = model.vis.quality, model.vis.global_
        quality.offsamples, quality.shadowsize = samples, 4096 if shadows else 0
        full = (room.offwidth, room.offheight, quality.numslices, quality.numstacks)
        if coarse:
            (room.offwidth, room.offheight), quality.numslices, quality.numstacks = IMAGE_SIZES["monitor"], 8, 4
        self._gl = make_context(int(room.offwidth), int(room.offheight))
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        room.offwidth, room.offheight, quality.numslices, quality.numstacks = full
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._scene = mujoco.MjvScene(model=model, maxgeom=2000)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = shadows
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        self._scene.flags[mujoco.mjtRndFlag.mjRND_HAZE] = False
        self._option = mujoco.MjvOption()
        self._closed = False

    def render(self, data: mujoco.MjData, camera: str) -> tuple[Rgb, DepthM]:
        """(H, W, 3) uint8 and (H, W) float32 metres along the optical axis; 0 beyond the far plane."""
        width, height = self._draw(data, camera, ())
        rgb, depth = np.empty((height, width, 3), np.uint8), np.empty((height, width), np.float32)
        mujoco.mjr_readPixels(rgb, depth, self._rect, self._context)
        return np.ascontiguousarray(rgb[::-1]), self._metres(depth[::-1])

    def colour(self, data: mujoco.MjData, camera: str) -> Rgb:
        width, height = self._draw(data, camera, ())
        rgb = np.empty((height, width, 3), np.uint8)
        mujoco.mjr_readPixels(rgb, None, self._rect, self._context)
        return np.ascontiguousarray(rgb[::-1])

    def depth(self, data: mujoco.MjData, camera: str, hidden_groups: Sequence[int] = ()) -> DepthM:
        """Depth alone, optionally without some groups of geoms."""
        width, height = self._draw(data, camera, hidden_groups, plain=True)
        depth = np.empty((height, width), np.float32)
        mujoco.mjr_readPixels(None, depth, self._rect, self._context)
        return self._metres(depth[::-1])

    def segmentation(self, data: mujoco.MjData, camera: str) -> NDArray[np.int32]:
        """(H, W) body id of what each pixel shows, 0 for the world, -1 for nothing. For training and scoring only."""
        width, height = self._draw(data, camera, (), plain=True)
        rgb = np.empty((height, width, 3), np.uint8)
        mujoco.mjr_readPixels(rgb, None, self._rect, self._context)
        codes = rgb[::-1].astype(np.int32)
        index = codes[..., 0] + (codes[..., 1] << 8) + (codes[..., 2] << 16)
        body_of = np.full(self._scene.ngeom + 1, -1, np.int32)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.segid >= 0 and geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                body_of[geom.segid + 1] = self.model.geom_bodyid[geom.objid]
        seen: NDArray[np.int32] = body_of[index]
        return seen

    def close(self) -> None:
        """Idempotent."""
        if not self._closed:
            self._closed = True
            self._gl.make_current()
            self._context.free()
            self._gl.free()

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _draw(
        self, data: mujoco.MjData, camera: str, hidden_groups: Sequence[int], plain: bool = False
    ) -> tuple[int, int]:
        """Draw; `plain` draws without light, every geom in the colour of its number."""
        eye = mujoco.MjvCamera()
        eye.type = mujoco.mjtCamera.mjCAMERA_FIXED
        eye.fixedcamid = self.model.camera(camera).id
        for group in range(6):
            self._option.geomgroup[group] = group < 3 and group not in hidden_groups
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        self._gl.make_current()
        mujoco.mjv_updateScene(self.model, data, self._option, None, eye, everything, self._scene)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = camera == "view" and not plain
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = plain
        self._scene.flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = plain
        width, height = (side // self._smaller for side in image_size(self.model, camera))
        self._rect = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(self._rect, self._scene, self._context)
        return width, height

    def _metres(self, buffer: NDArray[np.float32]) -> DepthM:
        """From the reversed depth buffer (1 near, 0 far) to distance along the optical axis."""
        near = self.model.vis.map.znear * self.model.stat.extent
        far = self.model.vis.map.zfar * self.model.stat.extent
        metres = np.float32(near * far / (far - near)) / (buffer + np.float32(near / (far - near)))
        metres[buffer <= 0.0] = 0.0
        return metres.astype(np.float32, copy=False)


def image_size(model: mujoco.MjModel, camera: str) -> tuple[int, int]:
    """(width, height) in pixels."""
    if camera in IMAGE_SIZES:
        return IMAGE_SIZES[camera]
    width, height = model.cam_resolution[model.camera(camera).id]
    return int(width), int(height)


def intrinsics_of(model: mujoco.MjModel, camera: str) -> Intrinsics:
    """Pixel (u, v)'s centre lies at u + 0.5: the principal point is the middle of the image less half a pixel."""
    width, height = image_size(model, camera)
    focal = 0.5 * height / math.tan(math.radians(float(model.cam_fovy[model.camera(camera).id])) / 2)
    return Intrinsics(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


def optical_pose(position: Sequence[float] | Vector, looking: Sequence[float] | Vector) -> Pose:
    """MuJoCo's camera frame (x right, y up, looking along -z) as an optical one (x right, y down, z forward)."""
    turned = np.zeros(4)
    mujoco.mju_mulQuat(turned, np.asarray(looking, float), np.array([0.0, 1.0, 0.0, 0.0]))
    if turned[0] < 0:
        turned = -turned
    x, y, z = (float(v) for v in position)
    w, i, j, k = (float(v) for v in turned)
    return Pose((x, y, z), (w, i, j, k))


def believed_pose(model: mujoco.MjModel, data: mujoco.MjData, camera: str) -> Pose:
    """Where the mission believes the camera to be, optical frame in base frame.

    A fixed camera hangs where it is said to hang, whatever its real offset; the wrist's is where the joints say.
    """
    if camera in NOMINAL_POSITION:
        return optical_pose(NOMINAL_POSITION[camera], LOOKING_DOWN)
    index = model.camera(camera).id
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, data.cam_xmat[index])
    return optical_pose(data.cam_xpos[index], quaternion)


class Drawable(Protocol):
    """What cameras need of a simulated world."""

    @property
    def model(self) -> mujoco.MjModel: ...

    @property
    def data(self) -> mujoco.MjData: ...

    @property
    def seed(self) -> int: ...


class SimulatedCameras:
    """The Camera port of the simulation. A request is served between ticks by `serve`.

    Attributes:
        lost: Cameras that give nothing any more; their requests fail with `camera_lost`.
        frozen: Cameras that go on giving their last picture, with its old stamp.
    """

    def __init__(self, world: Drawable, frames: FrameStore, renderer: Renderer | None = None) -> None:
        self._world = world
        self._frames = frames
        self._renderer = renderer
        self._owns_renderer = renderer is None
        self._waiting: list[tuple[str, Ticket[str]]] = []
        self._last: dict[str, Frame] = {}
        self.lost: set[str] = set()
        self.frozen: set[str] = set()
        self.rendered = 0

    @property
    def renderer(self) -> Renderer:
        if self._renderer is None:
            self._renderer = Renderer(self._world.model)
        return self._renderer

    def request(self, camera: str) -> Ticket[str]:
        """A frame of `camera`, newer than this call; the ticket resolves to its id."""
        ticket: Ticket[str] = Ticket(f"frame of {camera}")
        if camera not in MISSION_CAMERAS or camera not in _names(self._world.model):
            known = ", ".join(name for name in MISSION_CAMERAS if name in _names(self._world.model))
            ticket.fail(Outcome("camera_lost", f"there is no camera {camera!r}; there are: {known}"))
        else:
            self._waiting.append((camera, ticket))
        return ticket

    def serve(self, now_s: float, step: int) -> None:
        """Take the pictures that were asked for; requests for the same camera share one."""
        waiting, self._waiting = self._waiting, []
        taken: dict[str, str] = {}
        for camera, ticket in waiting:
            if ticket.outcome is not None:
                continue
            if camera in self.lost:
                ticket.fail(Outcome("camera_lost", f"camera {camera!r} gives no picture"))
                continue
            if camera not in taken:
                taken[camera] = self._frames.put(self._take(camera, now_s, step))
            ticket.resolve(taken[camera])

    def close(self) -> None:
        for _, ticket in self._waiting:
            ticket.cancel()
        self._waiting = []
        if self._renderer is not None and self._owns_renderer:
            self._renderer.close()
            self._renderer = None

    def _take(self, camera: str, now_s: float, step: int) -> Frame:
        frame_id = self._frames.new_id(camera)
        if camera in self.frozen and camera in self._last:
            old = self._last[camera]
            return Frame(frame_id, camera, old.rgb, old.depth_m, old.intrinsics, old.pose_camera_in_base, old.stamp_s)
        model, data = self._world.model, self._world.data
        rgb, depth = self.renderer.render(data, camera)
        self.rendered += 1
        key = (self._world.seed, camera, step)
        frame = Frame(
            frame_id,
            camera,
            noisy_colour(rgb, key),
            noisy_depth(depth, key),
            intrinsics_of(model, camera),
            believed_pose(model, data, camera),
            now_s,
        )
        self._last[camera] = frame
        return frame


def _names(model: mujoco.MjModel) -> tuple[str, ...]:
    return tuple(model.camera(index).name for index in range(model.ncam))
